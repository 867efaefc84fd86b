import type { Logger } from '@bis/hyperv-types'
import { NvspMessageType, NvspStatus, NvspSubchannelOperation } from '@bis/hyperv-types/network'
import type { NvsExchange } from './nvs-exchange.ts'
import { nvsAnswer, nvsRequest } from './nvs-messages.ts'

/**
 * Asks for so many sub-channels, which are offered after the answer.
 * @returns how many there will be; 0 when the host gives none, or more than it should
 * @throws DeviceError `protocol`, `timeout`
 */
export async function requestSubchannels(nvs: NvsExchange, count: number, log: Logger): Promise<number> {
  const { SUBCHANNEL } = NvspMessageType
  const answer = await nvs.ask('SUBCHANNEL', nvsRequest(SUBCHANNEL, NvspSubchannelOperation.ALLOCATE, count))
  const body = nvsAnswer(answer, SUBCHANNEL, 8)
  const granted = body.getUint32(4, true)
  if (body.getUint32(0, true) !== NvspStatus.SUCCESS || granted === 0) {
    log.log('debug', 'the host gives no sub-channels')
    return 0
  }
  if (granted <= count) return granted
  log.log('warning', `the host gives ${granted} sub-channels, ${count} were asked for: going on with one queue`)
  return 0
}
