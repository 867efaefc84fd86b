import type { SysctlNode } from '@bis/hyperv-types'

/** What the bus drops, and why; plain numbers that only grow. */
export class BusCounters {
  /** Control messages taken out of message slots. */
  messages = 0
  /** Of a number that no known version has. */
  unknownMessages = 0
  /** Shorter than their kind, or longer than a slot. */
  malformedMessages = 0
  /** Of a kind that only guests send, or not of the negotiated version. */
  misdirectedMessages = 0
  /** Answers nobody asked for. */
  unsolicited = 0
  /** Offers that named a channel in use, an impossible one, or a device that is there already. */
  rejectedOffers = 0
  /** RESCIND for channels that are unknown or rescinded already. */
  strayRescinds = 0
  /** Event flags that name no channel. */
  strayEvents = 0

  publish(node: SysctlNode): void {
    node.leaf('messages', 'control messages received', () => this.messages)
    node.leaf('unknown_messages', 'control messages of unknown type, dropped', () => this.unknownMessages)
    node.leaf('malformed_messages', 'control messages of impossible length, dropped', () => this.malformedMessages)
    node.leaf(
      'misdirected_messages',
      'control messages that no host sends here, dropped',
      () => this.misdirectedMessages,
    )
    node.leaf('unsolicited', 'answers nobody asked for', () => this.unsolicited)
    node.leaf('rejected_offers', 'offers that could not be', () => this.rejectedOffers)
    node.leaf('stray_rescinds', 'rescinds of channels that are not there', () => this.strayRescinds)
    node.leaf('stray_events', 'events for channels that are not there', () => this.strayEvents)
  }
}
