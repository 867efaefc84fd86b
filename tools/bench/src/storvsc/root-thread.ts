import { serveRoot } from '../thread/root.ts'
import { RELEASE, ramController } from './ram-controller.ts'

// The host with its RAM disk, in a thread of its own.
serveRoot(RELEASE, (server) => server.offer(ramController()))
