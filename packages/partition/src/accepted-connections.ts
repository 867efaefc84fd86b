import { VMBUS_MESSAGE_CONNECTION_ID, VMBUS_MESSAGE_CONNECTION_ID_4 } from '@bis/hyperv-types/vmbus'
import type { HostReleaseName } from './profiles/releases.ts'

/** Releases whose newest VMBus version is below 5.0: they have one port for messages. */
const ONE_PORT: ReadonlySet<HostReleaseName> = new Set<HostReleaseName>(['2008r2', '2012', '2012r2', '2016'])

/** Where the ids begin that a root gives out itself, in VERSION_RESPONSE. */
const FIRST_NEGOTIATED = 5

/**
 * The message ports of a release's root, for a root that cannot be asked: a guest that tries a version the root is too
 * old for must be told at once that there is no such connection.
 */
export function acceptedConnections(release: HostReleaseName): (connectionId: number) => boolean {
  if (ONE_PORT.has(release)) return (connectionId) => connectionId === VMBUS_MESSAGE_CONNECTION_ID
  return (connectionId) =>
    connectionId === VMBUS_MESSAGE_CONNECTION_ID ||
    connectionId === VMBUS_MESSAGE_CONNECTION_ID_4 ||
    connectionId >= FIRST_NEGOTIATED
}
