import type { IcAnswer, IcKind, IcOptions } from '@bis/host'
import { IntegrationComponent } from '@bis/host'

/** A component of the host that sends whatever a test gives it. */
export class RawComponent extends IntegrationComponent {
  constructor(kind: IcKind, options: IcOptions) {
    super(kind, options)
  }

  ask(body: Uint8Array, timeoutMs = 30_000): Promise<IcAnswer> {
    return this.request('a test', body, { timeoutMs })
  }
}
