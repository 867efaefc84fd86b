import type { Channel, Device, SysctlNode } from '@bis/hyperv-types'
import type { ChannelRings } from './rings.ts'

/**
 * Publishes an open channel under its device, by FreeBSD's names: `dev.hn.0.channel.5`, a sub-channel at
 * `dev.hn.0.channel.5.sub.1`. @returns how to take it away.
 */
export function publishChannel(
  channel: Channel,
  primaryId: number,
  rings: ChannelRings,
  device: Device | undefined,
): () => void {
  if (device === undefined || device.unit < 0) return () => {}
  const { offer, statistics } = channel
  const primary = device.sysctl.child(`channel.${primaryId}`)
  let node = primary
  if (offer.subIndex !== 0) {
    node = primary.child(`sub.${offer.subIndex}`)
    node.leaf('chanid', 'channel id', () => channel.offer.channelId)
  }
  node.leaf('cpu', 'owner CPU id', () => channel.cpu)
  if (offer.monitorId !== undefined) node.leaf('mnf', 'has monitor notification facilities', () => 1)
  node.leaf('interrupts', 'interrupts taken', () => statistics.interrupts)
  node.leaf('protocol_errors', 'packets of the host that broke the protocol', () => statistics.protocolErrors)
  publishRings(node, channel, rings)
  return () => node.remove()
}

function publishRings(node: SysctlNode, { statistics }: Channel, { producer, consumer }: ChannelRings): void {
  const tx = node.child('br.tx')
  tx.leaf('state', 'tx state', () => `size:${producer.dataBytes} ${producer.corruption ?? 'ok'}`)
  tx.leaf('packets', 'packets sent', () => statistics.packetsSent)
  tx.leaf('signals', 'signals sent', () => statistics.signalsSent)
  tx.leaf('signals_suppressed', 'packets that needed no signal', () => statistics.signalsSuppressed)
  tx.leaf('full', 'times the ring was full', () => statistics.ringFull)
  const rx = node.child('br.rx')
  rx.leaf(
    'state',
    'rx state',
    () => `size:${consumer.dataBytes} imask:${consumer.masked ? 1 : 0} ${consumer.corruption ?? 'ok'}`,
  )
  rx.leaf('packets', 'packets received', () => statistics.packetsReceived)
  rx.leaf('oversized', 'packets skipped as too long', () => consumer.oversized)
}
