import type {
  HostChannel,
  HostChannelHandlers,
  Logger,
  OfferDescription,
  Packet,
  VspDevice,
  VspPort,
} from '@bis/hyperv-types'
import { silentLogger } from '@bis/hyperv-types'
import { ScsiOpcode, Sense } from '@bis/hyperv-types/scsi'
import { formatVstorVersion, NtStatus, VstorOperation, vstorPacket, vstorPacketBytes } from '@bis/hyperv-types/storage'
import type { ScsiRequest } from '../scsi/request.ts'
import type { ScsiTarget } from '../scsi/target.ts'
import type { FibreChannelNames } from './answer.ts'
import { Answer } from './answer.ts'
import type { WorkerOwner, WorkerStatistics } from './channel-worker.ts'
import { ChannelWorker } from './channel-worker.ts'
import type { SavedChannel } from './saved-channel.ts'
import { readSavedChannel } from './saved-channel.ts'
import type { SessionPhase } from './session.ts'
import { Session } from './session.ts'

/** What distinguishes the three kinds of controller. */
export interface ControllerOptions {
  readonly offer: OfferDescription
  readonly target: ScsiTarget
  /** VSTOR versions, as the host release has them. */
  readonly versions: readonly number[]
  /** Sub-channels at most, 0 for none. Default: one for each processor of the guest besides the first. */
  readonly maxSubchannels?: number
  /** Longest transfer told to the guest: a multiple of 4096, not 0. */
  readonly maxTransferBytes: number
  /** IDE: the path that requests go to whatever the guest says. */
  readonly forcedPath?: number
  readonly fibreChannel?: FibreChannelNames
  readonly log?: Logger
}

const SRB = vstorPacket.u.as.vm_srb
const { path_id, target_id, lun } = SRB
const { version, sub_channel_count } = vstorPacket.u.as

/** A storage controller of the host: the VSP of one SCSI controller, accelerated IDE disk or Fibre Channel adapter. */
export class StorageController implements VspDevice, WorkerOwner {
  readonly offer: OfferDescription
  readonly target: ScsiTarget
  readonly #options: ControllerOptions
  readonly #session: Session
  readonly #log: Logger
  readonly #workers = new Map<number, ChannelWorker>()
  readonly #announcement = new Answer()
  #port: VspPort | undefined
  #announcementDue = false

  constructor(options: ControllerOptions) {
    const { maxTransferBytes } = options
    if (!(maxTransferBytes > 0) || maxTransferBytes % 4096 !== 0) {
      throw new RangeError(`a transfer limit of ${maxTransferBytes} bytes: it must be a multiple of 4096 and not 0`)
    }
    this.#options = options
    this.offer = options.offer
    this.target = options.target
    this.#log = options.log ?? silentLogger
    this.#session = new Session({ versions: options.versions, fibreChannel: options.fibreChannel !== undefined })
    this.target.onChange(() => this.#announceChange())
  }

  /** How far the guest's driver is; `ready` when it can do I/O. */
  get phase(): SessionPhase {
    return this.#session.phase
  }

  /** Negotiated VSTOR version, major << 8 | minor; 0 before. */
  get version(): number {
    return this.#session.version
  }

  get ready(): boolean {
    return this.#session.ready
  }

  /** Counters by sub-channel index of the channels that are open. */
  get statistics(): ReadonlyMap<number, Readonly<WorkerStatistics>> {
    return new Map([...this.#workers].map(([index, worker]) => [index, worker.statistics]))
  }

  onOffered(port: VspPort): void {
    this.#port = port
  }

  openChannel(channel: HostChannel): HostChannelHandlers | undefined {
    if (this.#workers.has(channel.subIndex)) return undefined
    if (channel.subIndex > 0 && !this.#workers.has(0)) return undefined
    const saved =
      channel.restored === undefined ? undefined : readSavedChannel(channel.restored, this.#options.versions)
    if (channel.restored !== undefined && saved === undefined) return undefined
    const worker = new ChannelWorker(channel, this)
    this.#workers.set(channel.subIndex, worker)
    if (saved !== undefined) this.#restore(worker, saved)
    return {
      onPacket: (packet) => worker.onPacket(packet),
      onWritable: () => worker.onWritable(),
      onClose: () => {
        this.#workers.delete(channel.subIndex)
        if (channel.subIndex === 0) this.#session.restart()
        return worker.close()
      },
      onSave: async (): Promise<SavedChannel> => {
        const { phase, version } = this.#session
        const answers = await worker.save()
        this.#workers.delete(channel.subIndex)
        return { phase, version, answers }
      },
    }
  }

  reset(): void {
    this.#session.restart()
  }

  // What a channel's worker calls.

  execute(request: ScsiRequest): Promise<void> | undefined {
    const { forcedPath } = this.#options
    // REPORT LUNS goes to the path that the guest names, as on Hyper-V: so only the right one shows the disk.
    if (forcedPath !== undefined && request.opcode !== ScsiOpcode.REPORT_LUNS) request.path = forcedPath
    return this.target.execute(request)
  }

  control(worker: ChannelWorker, packet: Packet, operation: number, answer: Answer): void {
    const { view, dataOffset } = packet
    answer.plain(NtStatus.INVALID_DEVICE_STATE)
    if (worker.channel.subIndex !== 0) return
    if (this.ready && this.#reset(operation, view, dataOffset)) {
      answer.plain(NtStatus.SUCCESS)
      return
    }
    const word = version.major_minor.get(view, dataOffset)
    const status = this.#session.accept(operation, word)
    answer.plain(status)
    if (operation === VstorOperation.QUERY_PROTOCOL_VERSION) answer.version(status, word)
    if (status === NtStatus.SUCCESS) this.#accepted(operation, view, dataOffset, answer)
  }

  roomAgain(worker: ChannelWorker): void {
    if (this.#announcementDue && worker.channel.subIndex === 0) this.#announceChange()
  }

  #restore(worker: ChannelWorker, { phase, version, answers }: SavedChannel): void {
    if (worker.channel.subIndex === 0) this.#session.resume(phase, version)
    worker.restore(answers)
    // LUNs may have come or gone meanwhile, so the guest is asked to look.
    if (worker.channel.subIndex === 0) this.#announceChange()
  }

  #accepted(operation: number, view: DataView, at: number, answer: Answer): void {
    const { maxTransferBytes, fibreChannel } = this.#options
    switch (operation) {
      case VstorOperation.QUERY_PROPERTIES:
        answer.properties(this.#maxSubchannels(), maxTransferBytes)
        break
      case VstorOperation.FCHBA_DATA:
        if (fibreChannel !== undefined) answer.fibreChannel(fibreChannel)
        break
      case VstorOperation.CREATE_SUB_CHANNELS:
        answer.plain(this.#createSubchannels(sub_channel_count.get(view, at)))
        break
      case VstorOperation.END_INITIALIZATION:
        this.#announcementDue = false
        this.#log.log('debug', `storage controller ready, VSTOR ${formatVstorVersion(this.version)}`)
    }
  }

  /** Resets end nothing that is in hand: they are told to the guest's next command and answered at once. */
  #reset(operation: number, view: DataView, at: number): boolean {
    switch (operation) {
      case VstorOperation.RESET_LUN: {
        const path = this.#options.forcedPath ?? path_id.get(view, at)
        this.target.reset(Sense.POWER_ON_OR_RESET, { path, target: target_id.get(view, at), lun: lun.get(view, at) })
        return true
      }
      case VstorOperation.RESET_ADAPTER:
        this.target.reset(Sense.POWER_ON_OR_RESET)
        return true
      case VstorOperation.RESET_BUS:
        this.target.reset(Sense.BUS_RESET)
        return true
      default:
        return false
    }
  }

  #maxSubchannels(): number {
    if (!this.#session.canHaveSubchannels) return 0
    return this.#options.maxSubchannels ?? Math.max(0, (this.#port?.processorCount ?? 1) - 1)
  }

  #createSubchannels(count: number): NtStatus {
    if (count > this.#maxSubchannels()) return NtStatus.INVALID_PARAMETER
    if (count === 0) return NtStatus.SUCCESS
    return this.#port?.offerSubchannels(count) === true ? NtStatus.SUCCESS : NtStatus.INVALID_PARAMETER
  }

  #announceChange(): void {
    const worker = this.#workers.get(0)
    if (worker === undefined || !this.#session.canAnnounce) return
    this.#announcement.enumerateBus()
    this.#announcementDue = !worker.announce(this.#announcement, vstorPacketBytes(this.#session.version))
  }
}
