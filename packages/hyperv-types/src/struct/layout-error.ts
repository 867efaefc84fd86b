import { BisError } from '../errors.ts'

/**
 * What went wrong:
 * - `bad-layout`: a declaration contradicts itself (thrown while its module loads);
 * - `out-of-bounds`: the view is too short for the structure;
 * - `bad-value`: a value to encode does not fit its field.
 */
export type LayoutErrorCode = 'bad-layout' | 'out-of-bounds' | 'bad-value'

/** A structure was declared or used wrongly: always the caller's fault, never the peer's. */
export class LayoutError extends BisError<LayoutErrorCode> {
  override readonly name = 'LayoutError'
}
