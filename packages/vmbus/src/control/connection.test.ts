import { VmbusVersion } from '@bis/hyperv-types/vmbus'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Connection, ConnectionEvent, VersionReply } from './connection.ts'
import { contactConnection, step } from './connection.ts'
import { versionsToTry } from './versions.ts'

const ALL = versionsToTry({})

function reply(supported: boolean, change: Partial<VersionReply> = {}): ConnectionEvent {
  return {
    type: 'version-response',
    reply: { supported, connectionState: 0, messageConnectionId: 7, features: 0xff, ...change },
  }
}

function run(events: readonly ConnectionEvent[]): { state: Connection; done: string[] } {
  let state: Connection = { at: 'disconnected' }
  const done: string[] = []
  for (const event of events) {
    const next = step(state, event)
    state = next.state
    for (const effect of next.effects)
      done.push('connectionId' in effect ? `${effect.do} ${effect.connectionId}` : effect.do)
  }
  return { state, done }
}

describe('connection', () => {
  it('[VC-17] keeps nothing of a refused attempt', () => {
    const refusals = ALL.slice(0, -1).map(() => reply(false))
    const { state } = run([{ type: 'connect', versions: ALL }, ...refusals, reply(true)])
    expect(state).toEqual({
      at: 'connected',
      version: VmbusVersion.V0_13,
      connectionId: 1,
      features: 0,
      offers: 'unasked',
    })
  })

  it('takes a contact that failed on the host for refused, where the host can say so', () => {
    const contact = (version: number): Connection['at'] =>
      run([{ type: 'connect', versions: [version] }, reply(true, { connectionState: 1 })]).state.at
    expect(contact(VmbusVersion.V2_4)).toBe('failed')
    expect(contact(VmbusVersion.V1_1)).toBe('connected')
  })

  it('unloads an unanswered contact before it tries another connection id', () => {
    const { state, done } = run([
      { type: 'connect', versions: ALL },
      { type: 'no-answer' },
      { type: 'no-answer' },
      { type: 'no-answer' },
      { type: 'unload-response' },
    ])
    expect(done).toEqual([
      ...Array(3).fill('post-contact 4'),
      'post-unload 4',
      'await-answer',
      'released',
      'post-contact 1',
    ])
    expect(state).toMatchObject({ at: 'contacting', index: ALL.indexOf(VmbusVersion.V4_1) })
  })

  it('[VC-02] changes nothing for an answer that nothing waits for', () => {
    const connected = run([{ type: 'connect', versions: ALL }, reply(true)]).state
    const asked = step(connected, { type: 'request-offers' }).state
    const delivered = step(asked, { type: 'all-offers-delivered' }).state
    const cases: [Connection, ConnectionEvent][] = [
      [{ at: 'disconnected' }, reply(true)],
      [{ at: 'disconnected' }, { type: 'unload-response' }],
      [{ at: 'disconnected' }, { type: 'all-offers-delivered' }],
      [connected, reply(true)],
      [connected, reply(false)],
      [connected, { type: 'unload-response' }],
      [connected, { type: 'all-offers-delivered' }],
      [delivered, { type: 'all-offers-delivered' }],
      [{ at: 'failed' }, reply(true)],
    ]
    for (const [state, event] of cases) {
      expect(step(state, event)).toEqual({ state, effects: [{ do: 'unsolicited' }] })
    }
  })

  it('asks for the offers once', () => {
    const events: ConnectionEvent[] = [{ type: 'connect', versions: ALL }, reply(true), { type: 'request-offers' }]
    const { done } = run([
      ...events,
      { type: 'request-offers' },
      { type: 'all-offers-delivered' },
      { type: 'request-offers' },
    ])
    expect(done.filter((effect) => effect.startsWith('post-request-offers'))).toHaveLength(1)
  })

  it('comes to an end whatever happens in whatever order, and posts only where messages may go', () => {
    const events = fc.constantFrom<ConnectionEvent>(
      { type: 'connect', versions: ALL },
      reply(true),
      reply(false),
      { type: 'contact-posted' },
      { type: 'contact-unreachable' },
      { type: 'request-offers' },
      { type: 'all-offers-delivered' },
      { type: 'unload' },
      { type: 'unload-response' },
      { type: 'no-answer' },
      { type: 'lost' },
    )
    fc.assert(
      fc.property(fc.array(events, { maxLength: 60 }), (list) => {
        let state: Connection = { at: 'disconnected' }
        for (const event of list) {
          const next = step(state, event)
          for (const effect of next.effects) {
            if (effect.do === 'post-contact') expect(effect.connectionId).toBe(contactConnection(effect.version))
            if (effect.do === 'post-request-offers')
              expect(next.state).toMatchObject({ at: 'connected', offers: 'asked' })
            if (effect.do === 'connected') expect(next.state.at).toBe('connected')
            if (effect.do === 'disconnected') expect(next.state.at).toBe('disconnected')
            if (effect.do === 'failed') expect(next.state.at).toBe('failed')
          }
          state = next.state
        }
        // Silence alone ends every wait.
        for (let i = 0; i < 20 && ['contacting', 'clearing', 'unloading'].includes(state.at); i++) {
          state = step(state, { type: 'no-answer' }).state
        }
        expect(['disconnected', 'connected', 'failed']).toContain(state.at)
      }),
      { numRuns: 2000, seed: 1 },
    )
  })
})
