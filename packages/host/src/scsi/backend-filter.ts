import type { DiskBackend } from './backend.ts'

/** A backend in front of another one, whose disk it is; a subclass changes what becomes of reads and changes. */
export class BackendFilter implements DiskBackend {
  protected readonly inner: DiskBackend

  constructor(inner: DiskBackend) {
    this.inner = inner
  }

  get sizeBytes(): number {
    return this.inner.sizeBytes
  }
  get logicalSectorSize(): number {
    return this.inner.logicalSectorSize
  }
  get physicalSectorSize(): number {
    return this.inner.physicalSectorSize
  }
  get blockSize(): number {
    return this.inner.blockSize
  }
  get diskId(): Uint8Array {
    return this.inner.diskId
  }
  get readOnly(): boolean {
    return this.inner.readOnly
  }

  read(offset: number, target: Uint8Array): Promise<void> | undefined {
    return this.inner.read(offset, target)
  }

  write(offset: number, source: Uint8Array): Promise<void> | undefined {
    return this.inner.write(offset, source)
  }

  flush(): Promise<void> | undefined {
    return this.inner.flush()
  }

  trim(offset: number, length: number): Promise<void> | undefined {
    return this.inner.trim(offset, length)
  }
}
