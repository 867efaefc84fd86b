export { channelCases } from './cases.ts'
export { DevicePeer } from './device-peer.ts'
export { ComplianceError } from './expect.ts'
export type { ChannelCase, ChannelFixture, ChannelPeer, PeerPacket } from './fixture.ts'
