import type { SysctlNode } from '@bis/hyperv-types'

/** Counters of one adapter; they only grow. */
export class StorvscStatistics {
  /** Requests whose data was used where it lies, copied through bounce buffers, or listed page by page. */
  dataInPlace = 0
  dataBounced = 0
  dataScattered = 0
  requests = 0
  retries = 0
  timeouts = 0
  /** Answers with an id of no request, and other packets that make no sense. */
  protocolErrors = 0
  busEvents = 0
  ringFull = 0
}

/** Publishes the counters under the names that FreeBSD's driver has, and some of ours. */
export function publishStatistics(node: SysctlNode, statistics: StorvscStatistics): void {
  const leaf = (name: string, description: string, get: () => number): void => node.leaf(name, description, get)
  leaf('data_bio_cnt', '# of bio data block', () => statistics.dataInPlace)
  leaf('data_vaddr_cnt', '# of vaddr data block', () => statistics.dataBounced)
  leaf('data_sg_cnt', '# of sg data block', () => statistics.dataScattered)
  leaf('requests', '# of requests completed', () => statistics.requests)
  leaf('retries', '# of requests tried again', () => statistics.retries)
  leaf('timeouts', '# of requests that took too long', () => statistics.timeouts)
  leaf('protocol_errors', '# of packets from the host that made no sense', () => statistics.protocolErrors)
  leaf('bus_events', '# of bus changes announced by the host', () => statistics.busEvents)
  leaf('ring_full', '# of times a request waited for ring space', () => statistics.ringFull)
}
