import type { Backend } from '../../src/index.ts'

/** A handle on a medium that leaves it open when closed, so that a test opens it again. */
export function reopenable(medium: Backend, identity?: string): Backend {
  return {
    ...(identity === undefined ? {} : { identity, name: identity }),
    read: (offset, buffer) => medium.read(offset, buffer),
    write: (offset, buffer) => medium.write(offset, buffer),
    flush: () => medium.flush(),
    truncate: (size) => medium.truncate(size),
    size: () => medium.size(),
    close: async () => {},
  }
}
