import { dataCases } from './data-cases.ts'
import type { ChannelCase } from './fixture.ts'
import { lifeCases } from './life-cases.ts'

/**
 * What any implementation of `Channel` must do, with no test runner inside. Each case wants a fixture of its own; one
 * whose `needs` the peer has not is skipped.
 */
export const channelCases: readonly ChannelCase[] = [...lifeCases, ...dataCases]
