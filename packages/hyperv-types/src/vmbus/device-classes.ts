/**
 * Device classes (interface ids) and the instance ids that are the same on every machine, as lower-case GUID text.
 * Sources: include/linux/hyperv.h and FreeBSD's drivers for the classes that guests have drivers for, OpenVMM for the
 * rest; instances as seen in public boot logs.
 */
export const InterfaceId = {
  NETWORK: 'f8615163-df3e-46c5-913f-f2d2f965ed0e',
  SCSI: 'ba6163d9-04a1-4d29-b605-72e2ffb1dc7f',
  IDE: '32412632-86cb-44a2-9b5c-50d1417354f5',
  FIBRE_CHANNEL: '2f9bcc4a-0069-4af3-b76b-6fd0be528cda',
  HEARTBEAT: '57164f39-9115-4e78-ab55-382f3bd5422d',
  SHUTDOWN: '0e0b6031-5213-4934-818b-38d90ced39db',
  TIMESYNC: '9527e630-d0ae-497b-adce-e80ab0175caf',
  KVP: 'a9a0f4e7-5a45-4d96-b827-8a841e8c03e6',
  VSS: '35fa2e29-ea23-4236-96ae-3a6ebacba440',
  FILE_COPY: '34d14be3-dee4-41c8-9ae7-6b174977c192',
  /** Negotiated integration components before 2012. */
  IC_NEGOTIATE: '9722c3e7-8f86-456d-8b6c-6009da4ccd0b',
  /** Remote desktop virtualisation. */
  RDV: '276aacf4-ac15-426c-98dd-7521ad3f01fe',
  DYNAMIC_MEMORY: '525074dc-8985-46e2-8057-a307dc18a502',
  VIDEO: 'da0a7802-e377-4aac-8e77-0558eb1073f8',
  KEYBOARD: 'f912ad6d-2b17-48ea-bd65-f927a61c7684',
  MOUSE: 'cfa8b69e-5b4a-4cc0-b98b-8ba1a1f3f95a',
  PCI: '44c4f61d-4444-4400-9d52-802e27ede19f',
  NETWORK_DIRECT: '8c2eaf3d-32a7-4b09-ab99-bd1f1c86b501',
  REMOTE_DESKTOP_CONTROL: 'f8e65716-3cb3-4a06-9a60-1889c5cccab5',
  REMOTE_DESKTOP_DATA: 'f9e9c0d3-b511-4a48-8046-d38079a8830c',
  AUTOMATIC_ACTIVATION: '3375baf4-9e15-4b30-b765-67acb10d607b',
  /** VMBus file system; initial machine configuration. */
  VMBFS: 'c376c1c3-d276-48d2-90a9-c04748072c60',
  GPU_PARTITION: '6e382d18-3336-4f4b-acc4-2b7703d4df4a',
  GPU_PARTITION_GLOBAL: 'dde9cbc0-5060-4436-9448-ea1254a5d177',
  VSMB: '4d12e519-17a0-4ae4-8eaa-5270fc6abdb7',
  UART: '8b60ccf6-709f-4c11-90b5-229c959a9e6a',
  GUEST_EMULATION_TRANSPORT: '8dedd1aa-9056-49e4-bfd6-1bf90dc38ef0',
} as const
export type InterfaceId = (typeof InterfaceId)[keyof typeof InterfaceId]

/** Instances of the devices that a machine has once. */
export const InstanceId = {
  HEARTBEAT: 'fd149e91-82e0-4a7d-afa6-2a4166cbd7c0',
  SHUTDOWN: 'b6650ff7-33bc-4840-8048-e0676786f393',
  TIMESYNC: '2dd1ce17-079e-403c-b352-a1921ee207ee',
  KVP: '242ff919-07db-4180-9c2e-b86cb68c8c55',
  VSS: '2450ee40-33bf-4fbd-892e-9fb06e9214cf',
  FILE_COPY: 'eb765408-105f-49b6-b4aa-c123b64d17d4',
  IC_NEGOTIATE: '77b80a1a-c226-427b-b65b-dba0df85c812',
  RDV: 'f5bee29c-1741-4aad-a4c2-8fdedb46dcc2',
  DYNAMIC_MEMORY: '1eccfd72-4b41-45ef-b73a-4a6e44c12924',
  VIDEO: '5620e0c7-8062-4dce-aeb7-520c7ef76171',
  KEYBOARD: 'd34b2567-b9b6-42b9-8778-0a4ec0b955bf',
  MOUSE: '58f75a6d-d949-4320-99e1-a2a2576d581c',
  REMOTE_DESKTOP_CONTROL: '99221fa0-24ad-11e2-be98-001aa01bbf6e',
  AUTOMATIC_ACTIVATION: '4487b255-b88c-403f-bb51-d1f69cf17f87',
  VMBFS_IMC: 'c4e5e7d1-d748-4afc-979d-683167910a55',
  VMBFS_BOOT: 'c63c9bdf-5fa5-4208-b03f-6b458b365592',
  VSMB: 'dcc079ae-60ba-4d07-847c-3493609c0870',
  UART_COM1: '700df40e-b947-4776-b839-d1b0a35af034',
  UART_COM2: '7e55f4b8-af84-4e98-9f1a-8e8d0bde3744',
  GUEST_EMULATION_TRANSPORT: 'd3e4454d-62af-44ec-b851-3170915e5f56',
} as const

/** Instance of the accelerated IDE disk on a channel (0 or 1) and position (0 or 1). */
export function ideInstanceId(channel: number, device: number): string {
  return `${channel.toString(16).padStart(8, '0')}-${device.toString(16).padStart(4, '0')}-8899-0000-000000000000`
}

/** Service id of an hvsock port of a Linux guest. */
export function hvsockServiceId(port: number): string {
  return `${port.toString(16).padStart(8, '0')}-facb-11e6-bd58-64006a7986d3`
}

const CLASS_NAMES = new Map<string, string>(
  Object.entries(InterfaceId).map(([name, id]) => [id, name.toLowerCase().replaceAll('_', '-')]),
)

/** The name of a device class for a log line (`network`, `file-copy`), or undefined. */
export function deviceClassName(interfaceId: string): string | undefined {
  return CLASS_NAMES.get(interfaceId.toLowerCase())
}
