import type { Backend } from '../backend.ts'
import { DiskImageError } from '../errors.ts'
import { detectFormat, open } from '../open.ts'
import type { ParentFinder } from '../parent.ts'
import type { Environment } from '../shared/environment.ts'
import { platform } from '../shared/environment.ts'
import type { TaskOptions } from '../task.ts'
import type { ImageFormat } from '../virtual-disk.ts'
import { checkVhd } from './check-vhd.ts'
import { checkVhdx } from './check-vhdx.ts'
import { Findings } from './findings.ts'
import type { CheckCounts, CheckReport } from './report.ts'

export interface CheckOptions extends TaskOptions {
  /** Put right what can be put right without guessing. The medium must be writable. */
  repair?: boolean
  format?: ImageFormat
  /** Finds the parent of a differencing image, so that it is checked for being the right one. */
  findParent?: ParentFinder
  ignoreParentTime?: boolean
  environment?: Environment
}

/**
 * Goes over all structures of an image, not its content. Does not close the medium. A damaged image is reported,
 * not thrown.
 */
export async function check(backend: Backend, options: CheckOptions = {}): Promise<CheckReport> {
  if (options.repair === true && backend.readOnly === true)
    throw new DiskImageError('read-only', 'the medium is read-only and cannot be repaired')
  const environment = options.environment ?? platform
  const findings = new Findings()
  let counts: CheckCounts = { blocks: 0, allocatedBlocks: 0, leakedBytes: 0 }
  let format: ImageFormat = options.format ?? 'raw'
  try {
    format = options.format ?? (await detectFormat(backend))
    if (format === 'vhdx') counts = await checkVhdx(backend, findings, { ...options, environment })
    if (format === 'vhd') counts = await checkVhd(backend, findings, { ...options, environment })
    if (!findings.has('error')) await openOnce(backend, format, findings, options)
  } catch (error) {
    findings.addError(error, 'image')
  }
  const list = findings.finish()
  const ok = !list.some(({ severity, repaired }) => severity !== 'leak' && !repaired)
  return { format, ok, findings: list, fileBytes: await backend.size(), ...counts }
}

/** Opening looks at what the walk did not: the parent, above all. */
async function openOnce(
  backend: Backend,
  format: ImageFormat,
  findings: Findings,
  options: CheckOptions,
): Promise<void> {
  const { findParent, ignoreParentTime } = options
  try {
    const disk = await open(
      { ...borrow(backend), readOnly: true },
      {
        format,
        readOnly: true,
        ...(findParent === undefined ? {} : { findParent }),
        ...(ignoreParentTime === undefined ? {} : { ignoreParentTime }),
      },
    )
    await disk.close()
  } catch (error) {
    if (error instanceof DiskImageError && error.code === 'parent-missing' && findParent === undefined) {
      findings.add('warning', 'parent-not-checked', 'parent', `${error.message}; the image itself was checked`)
    } else {
      findings.addError(error, 'image')
    }
  }
}

/** The same medium, left open when closed. */
function borrow(backend: Backend): Backend {
  return {
    ...(backend.name === undefined ? {} : { name: backend.name }),
    ...(backend.identity === undefined ? {} : { identity: backend.identity }),
    read: (offset, buffer) => backend.read(offset, buffer),
    write: (offset, buffer) => backend.write(offset, buffer),
    flush: () => backend.flush(),
    truncate: (size) => backend.truncate(size),
    size: () => backend.size(),
    close: async () => {},
  }
}
