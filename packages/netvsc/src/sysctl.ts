import type { SysctlNode } from '@bis/hyperv-types'
import { TransmitChecksum } from '@bis/hyperv-types'
import type { HnInterface } from './interface/hn-interface.ts'
import type { NetvscStatistics } from './statistics.ts'

/** Publishes settings and counters under `dev.hn.N`, by hn(4)'s names. */
export function publish(node: SysctlNode, hn: HnInterface): void {
  const { counters } = hn
  const session = () => hn.session
  node.leaf('nvs_version', 'NVS version', () => session()?.version ?? 0)
  node.leaf('ndis_version', 'NDIS version', () => {
    const version = session()?.ndisVersion ?? 0
    return `${version >>> 16}.${version & 0xffff}`
  })
  node.leaf('caps', 'capabilities', () => capabilityNames(hn))
  node.leaf('tso_max', 'max TSO size', () => hn.capabilities.segment4)
  node.leaf('rss_key', 'RSS key', () => Array.from(hn.rssKey, (byte) => byte.toString(16).padStart(2, '0')).join(''))
  node.leaf('rss_ind', 'RSS indirect table', () => (session()?.scaling.table ?? []).join(' '))
  node.leaf('rss_ind_size', 'RSS indirect table size', () => session()?.scaling.capabilities.entries ?? 0)
  node.leaf('rss_hash', 'RSS hash', () => session()?.scaling.capabilities.hashes ?? 0)
  node.leaf('rndis_agg_size', 'RNDIS aggregation size', () => session()?.limits.maxTransfer ?? 0)
  node.leaf('rndis_agg_pkts', 'RNDIS aggregation packets', () => session()?.limits.maxPackets ?? 0)
  node.leaf('rndis_agg_align', 'RNDIS aggregation alignment', () => session()?.limits.alignment ?? 0)
  node.leaf(
    'tx_chimney_max',
    'Chimney send packet size upper boundary',
    () => session()?.sendSections.sectionBytes ?? 0,
  )
  node.leaf('rx_ring_cnt', '# created RX rings', () => session()?.paths.length ?? 0)
  node.leaf('rx_ring_inuse', '# used RX rings', () => session()?.paths.length ?? 0)
  node.leaf('tx_ring_cnt', '# created TX rings', () => session()?.queues.length ?? 0)
  node.leaf('tx_ring_inuse', '# used TX rings', () => session()?.queues.length ?? 0)
  node.leaf('txdesc_cnt', '# TX descs', () => hn.driverSettings.txDescriptors)
  node.leaf('rxfilter', 'rxfilter', () => hn.receiveFilter)
  node.leaf('rss_hashcap', 'RSS hash capabilities', () => session()?.scaling.capabilities.hashes ?? 0)
  node.leaf('agg_size', 'Packet transmission aggregation size, 0 -- disable, -1 -- auto', () => {
    const { maxTransfer = 0 } = session()?.limits ?? {}
    return Math.min(maxTransfer, session()?.sendSections.sectionBytes ?? 0)
  })
  node.leaf(
    'agg_pkts',
    'Packet transmission aggregation packets, 0 -- auto, 1 -- disable',
    () => hn.driverSettings.aggregate,
    (value) => hn.setSending({ aggregate: Number(value) }),
  )
  node.leaf(
    'tx_chimney_size',
    'Chimney send packet size limit, 0 -- auto',
    () => hn.driverSettings.copyThreshold,
    (value) => hn.setSending({ copyThreshold: Number(value) }),
  )
  node.leaf('vf', "Virtual Function's name", () => hn.path.paired?.name ?? '')
  node.leaf('vf_xpnt_enabled', 'Transparent VF enabled', () => (hn.path.active === undefined ? 0 : 1))
  node.leaf(
    'rsc_switch',
    'switch to rsc',
    () => (hn.coalesce ? 1 : 0),
    (value) => {
      hn.setCoalescing(Number(value) !== 0).catch((error: unknown) =>
        hn.log.log('warning', `rsc_switch: ${String(error)}`),
      )
    },
  )
  const [tx, rx] = [node.child('tx'), node.child('rx')]
  for (let i = 0; i < (session()?.queues.length ?? 0); i++) {
    const [sent, received] = [tx.child(String(i)), rx.child(String(i))]
    sent.leaf('packets', '# of packets transmitted', () => session()?.queues[i]?.packets ?? 0)
    sent.leaf('sends', '# of sends', () => session()?.queues[i]?.sends ?? 0)
    received.leaf('packets', '# of packets received', () => session()?.paths[i]?.packets ?? 0)
  }
  for (const [name, key, description] of COUNTERS) node.leaf(name, description, () => counters[key])
}

const COUNTERS: readonly (readonly [string, keyof NetvscStatistics, string])[] = [
  ['csum_ip', 'csumIp', 'RXCSUM IP'],
  ['csum_tcp', 'csumTcp', 'RXCSUM TCP'],
  ['csum_udp', 'csumUdp', 'RXCSUM UDP'],
  ['csum_trusted', 'csumTrusted', "# of packets that we trust host's csum verification"],
  ['rx_packets', 'rxFrames', '# of packets received'],
  ['rx_dropped', 'rxDropped', '# of packets not delivered'],
  ['rx_ack_failed', 'rxAckFailed', '# of RXBUF ack failures'],
  ['rx_ack_delayed', 'rxAckDelayed', '# of RXBUF acks that waited'],
  ['rss_packets', 'rssPackets', '# of packets w/ RSS info received'],
  ['rsc_packets', 'rscPackets', '# of RSC packets received'],
  ['rsc_drop', 'rscDrop', '# of RSC fragments dropped'],
  ['tx_packets', 'txFrames', '# of packets transmitted'],
  ['tx_sends', 'sends', '# of sends'],
  ['oactive', 'oactive', '# of times that there was no room'],
  ['no_txdescs', 'noTxdescs', '# of times short of TX descs'],
  ['send_failed', 'sendFailed', '# of hyper-v sending failure'],
  ['tx_chimney', 'txChimney', '# of chimney send'],
  ['tx_chimney_tried', 'txChimneyTried', '# of chimney send tries'],
  ['tx_aggregated', 'aggregated', '# of packets that shared a send'],
  ['protocol_errors', 'protocolErrors', '# of messages the host should not have sent'],
  ['watchdog', 'watchdog', '# of transmit timeouts'],
]

function capabilityNames(hn: HnInterface): string {
  const { checksum4, checksum6, segment4, segment6, vlan, queues } = hn.capabilities
  const names: readonly (readonly [string, boolean])[] = [
    ['VLAN', vlan],
    ['MTU', vlan],
    ['IPCS', (checksum4 & TransmitChecksum.ipv4Header) !== 0],
    ['TCP4CS', (checksum4 & TransmitChecksum.tcp) !== 0],
    ['TCP6CS', (checksum6 & TransmitChecksum.tcp) !== 0],
    ['UDP4CS', (checksum4 & TransmitChecksum.udp) !== 0],
    ['UDP6CS', (checksum6 & TransmitChecksum.udp) !== 0],
    ['TSO4', segment4 > 0],
    ['TSO6', segment6 > 0],
    ['HASHVAL', queues > 1],
  ]
  return names
    .filter(([, has]) => has)
    .map(([name]) => name)
    .join(',')
}
