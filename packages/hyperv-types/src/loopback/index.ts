export { type ConnectedChannels, type ConnectedChannelsOptions, connectedChannels } from './connected-channels.ts'
export { LoopbackChannel } from './guest-end.ts'
export { LoopbackHostChannel } from './host-end.ts'
