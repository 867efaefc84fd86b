import { BisError } from '@bis/hyperv-types'

export type IcErrorCode =
  | 'not-ready'
  | 'timeout'
  | 'gone'
  | 'bad-answer'
  | 'refused'
  | 'busy'
  | 'invalid-argument'
  | 'aborted'

/**
 * An integration component of the guest did not do what was asked. `not-ready`: the guest has no such component, or no
 * version in common; `timeout`: no answer in time; `gone`: the channel was closed meanwhile; `bad-answer`: it makes no
 * sense; `refused`: the guest answers with a failure status, in `status`.
 */
export class IcError extends BisError<IcErrorCode> {
  override readonly name = 'IcError'
  /** HRESULT of the guest when it has answered, else undefined. */
  readonly status: number | undefined

  constructor(code: IcErrorCode, message: string, status?: number) {
    super(code, message)
    this.status = status
  }
}
