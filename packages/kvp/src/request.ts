/** What a host asks of a guest's key-value service, whatever carries it. */
import type { IpInformation } from './ip/ip-information.ts'
import type { KvpPoolNumber } from './pool/pool.ts'

export type KvpRequest =
  | { readonly operation: 'get' | 'delete'; readonly pool: KvpPoolNumber; readonly key: string }
  | { readonly operation: 'set'; readonly pool: KvpPoolNumber; readonly key: string; readonly value: string }
  | { readonly operation: 'enumerate'; readonly pool: KvpPoolNumber; readonly index: number }
  /** The adapter is named by its MAC address, `00:15:5D:01:02:03`. */
  | { readonly operation: 'get-ip'; readonly adapterId: string; readonly addressFamily: number }
  /** The adapter is named by its instance id in braces; FreeBSD's daemon gets the interface's name. */
  | { readonly operation: 'set-ip'; readonly information: IpInformation }

export interface KvpReply {
  /** HRESULT; 0 for success, `IcStatus.CONTINUE` for what is not there. */
  readonly status: number
  readonly key?: string
  readonly value?: string
  readonly information?: IpInformation
}

/** Who answers requests. May reject; the host then gets E_FAIL. */
export interface KvpServer {
  serve(request: KvpRequest): Promise<KvpReply>
}
