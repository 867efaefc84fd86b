import type { Backend } from './backend.ts'
import { at } from './errors.ts'
import { GIB, KIB, MIB, roundUp } from './shared/bytes.ts'
import { FOOTER_BYTES, VHD_TYPE } from './vhd/footer.ts'
import { findFooter } from './vhd/image.ts'
import { isVhdx } from './vhdx/file-identifier.ts'

/** Why Azure would not take an image. */
export type AzureRefusalCode =
  | 'not-vhd'
  | 'vhdx'
  | 'bad-footer'
  | 'not-fixed'
  | 'size-not-whole-mib'
  | 'file-size'
  | 'too-large'
  | 'too-small'

export interface AzureRefusal {
  code: AzureRefusalCode
  /** What is wrong, with the numbers. */
  message: string
  /** What makes it right. */
  remedy: string
}

const CONVERT = 'convert it with azure: true'
const MAX_DISK = 2040 * GIB
const MIN_DISK = MIB

/**
 * Checks an image against Azure's rules for upload: a fixed VHD whose disk size is whole MiB, the file that and
 * a right footer. Gives every reason for refusal; none means it fits. Does not close the medium.
 */
export async function checkAzure(backend: Backend): Promise<AzureRefusal[]> {
  const fileSize = await backend.size()
  const start = new Uint8Array(8)
  await backend.read(0, start)
  if (isVhdx(start))
    return [{ code: 'vhdx', message: 'the image is a VHDX; Azure takes fixed VHD only', remedy: CONVERT }]
  let found: Awaited<ReturnType<typeof findFooter>>
  try {
    found = await findFooter(backend)
  } catch (error) {
    return [{ code: 'bad-footer', message: (error as Error).message, remedy: CONVERT }]
  }
  if (found === undefined) return [{ code: 'not-vhd', message: 'the image has no VHD footer', remedy: CONVERT }]
  const { footer } = found
  const refusals: AzureRefusal[] = []
  const refuse = (code: AzureRefusalCode, message: string, remedy = CONVERT) => refusals.push({ code, message, remedy })
  if (footer.type !== VHD_TYPE.fixed) {
    refuse(
      'not-fixed',
      `the image is ${footer.type === VHD_TYPE.dynamic ? 'dynamic' : footer.type === VHD_TYPE.differencing ? 'differencing' : `of type ${footer.type}`}; Azure takes fixed VHD only`,
    )
  }
  if (footer.currentSize % MIB !== 0) {
    refuse(
      'size-not-whole-mib',
      `the disk has ${footer.currentSize} bytes, ${footer.currentSize % MIB} more than a whole number of MiB`,
      `${CONVERT}, or resize it to ${azureSize(footer.currentSize)}`,
    )
  }
  if (footer.currentSize > MAX_DISK)
    refuse(
      'too-large',
      `the disk has ${footer.currentSize} bytes, more than ${MAX_DISK} (2040 GiB)`,
      'make the disk smaller',
    )
  if (footer.currentSize < MIN_DISK) refuse('too-small', `the disk has ${footer.currentSize} bytes, less than a MiB`)
  if (footer.type === VHD_TYPE.fixed && fileSize !== footer.currentSize + FOOTER_BYTES) {
    refuse(
      'file-size',
      `the file has ${fileSize} bytes instead of the disk's ${footer.currentSize} and a footer of ${FOOTER_BYTES}`,
    )
  }
  if (found.endBytes !== FOOTER_BYTES && found.source === 'end')
    refuse(
      'bad-footer',
      `the footer at ${at(fileSize - found.endBytes)} has ${found.endBytes} bytes instead of ${FOOTER_BYTES}`,
    )
  return refusals
}

/** The size of a disk in Azure that holds one of this size. */
export function azureSize(sizeBytes: number): number {
  return roundUp(Math.max(sizeBytes, KIB), MIB)
}
