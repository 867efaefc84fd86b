import type { Logger } from '@bis/hyperv-types'
import { DeviceError } from '@bis/hyperv-types'
import { Oid } from '@bis/hyperv-types/network'
import type { OffloadCapabilities } from './offload-config.ts'
import { NO_OFFLOADS, offloadParameters, offloadQuery, readOffloads } from './offload-config.ts'
import type { RndisExchange } from './rndis-exchange.ts'

/** The task offloads of one session: what the host can, and what of it is on. */
export class TaskOffloads {
  capabilities: OffloadCapabilities = NO_OFFLOADS
  readonly #rndis: RndisExchange
  #nvsVersion = 0

  constructor(rndis: RndisExchange) {
    this.#rndis = rndis
  }

  /** Asks what the host can and switches all of it on. A host that knows no offloads leaves none. @throws DeviceError */
  async begin(nvsVersion: number, coalesce: boolean, log: Logger): Promise<void> {
    this.#nvsVersion = nvsVersion
    try {
      const answer = await this.#rndis.query(Oid.TCP_OFFLOAD_HARDWARE_CAPABILITIES, offloadQuery(nvsVersion))
      this.capabilities = readOffloads(answer)
      await this.switch(coalesce)
      log.log('debug', 'offload config done')
    } catch (error) {
      if (!(error instanceof DeviceError) || error.code !== 'not-supported') throw error
      this.capabilities = NO_OFFLOADS
      log.log('debug', `no offloads: ${error.message}`)
    }
  }

  /** @param coalesce whether the host may join TCP segments. @throws DeviceError */
  async switch(coalesce: boolean): Promise<void> {
    const parameters = offloadParameters(this.#nvsVersion, this.capabilities, coalesce)
    await this.#rndis.set(Oid.TCP_OFFLOAD_PARAMETERS, parameters)
  }
}
