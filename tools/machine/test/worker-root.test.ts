import type { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { RemoteRootMachine } from '../src/node/index.ts'

describe('a root in a worker thread', () => {
  it('has its thread ended when it cannot be ready', async () => {
    const workers: Worker[] = []
    const booting = RemoteRootMachine.withWorkerRoot({
      url: new URL('data:text/javascript,setInterval(() => {}, 1000)'),
      data: {},
      async ready(worker) {
        workers.push(worker)
        throw new Error('no such disk')
      },
      finish: async () => {},
    })
    await expect(booting).rejects.toThrow('no such disk')
    expect(workers.map(({ threadId }) => threadId)).toEqual([-1])
  })
})
