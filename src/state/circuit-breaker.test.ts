import { describe, expect, it } from 'vitest'
import { circuitsOf } from '../../test/builders/circuits.ts'
import { entryOf, failedEntryOf } from '../../test/builders/node-images.ts'
import { T0, at } from '../../test/builders/time.ts'
import type { LedgerEntry } from '../api/node-images.ts'
import { CircuitBreaker, withLatest } from './circuit-breaker.ts'

const HOST = 'r.test'
const SILENCE = 'dial tcp 10.0.0.1:443: i/o timeout'

/** An image that an attempt has pulled, that many seconds after the tests begin. */
const pulled = (seconds: number, image = 'r.test/a:1') =>
  entryOf(image, {
    presence: { state: 'Present', since: at(seconds), by: 'Job', revision: 1 },
    attempt: { state: 'Succeeded', revision: 1, id: 'j' },
  })
const failed = (reason: string, seconds: number, message = '') =>
  failedEntryOf('r.test/b:1', reason, { message, finishedAt: at(seconds) })
const silent = (seconds: number) => failed('RegistryUnavailable', seconds, SILENCE)
const circuitsFor = (breaker: CircuitBreaker, ...nodes: string[]) =>
  nodes.map(node => breaker.registry(HOST, node))
/** True where one node at a time may try the registry, and another node tries it now. */
const isOpenForAll = (breaker: CircuitBreaker) => !breaker.viewOf('a', T0, () => true).mayProbeRegistry(HOST)

describe('the circuit of a registry', () => {
  it.each<{ name: string; ledger: LedgerEntry[]; expected: string }>([
    { name: 'is untested at first', ledger: [], expected: 'untested' },
    { name: 'closes with a pull', ledger: [pulled(1)], expected: 'closed' },
    {
      name: 'learns nothing from an image that the node lists',
      ledger: [entryOf('r.test/a:1', { presence: { state: 'Present', since: at(1), by: 'NodeList' } })],
      expected: 'untested',
    },
    {
      name: 'learns nothing from another registry',
      ledger: [pulled(1, 'other.test/a:1')],
      expected: 'untested',
    },
    {
      name: 'learns nothing from an image that has gone',
      ledger: [silent(1), { ...pulled(1), presence: { state: 'Absent', since: at(2), by: 'NodeList' } }],
      expected: 'open',
    },
    { name: 'opens with silence', ledger: [silent(1)], expected: 'open' },
    {
      name: 'opens when a request gets no answer',
      ledger: [
        failed(
          'RegistryUnavailable',
          1,
          'rpc error: code = DeadlineExceeded desc = failed to do request: Head "http://r.test/v2/b/manifests/1": net/http: timeout awaiting response headers',
        ),
      ],
      expected: 'open',
    },
    { name: 'opens with silence after a pull', ledger: [pulled(1), silent(2)], expected: 'open' },
    { name: 'closes with a pull after silence', ledger: [silent(1), pulled(2)], expected: 'closed' },
    { name: 'closes with "not found"', ledger: [failed('ImageNotFound', 1)], expected: 'closed' },
    { name: 'closes with a refusal', ledger: [silent(1), failed('Unauthorized', 2)], expected: 'closed' },
    {
      name: 'closes with an error of the server',
      ledger: [failed('RegistryUnavailable', 1, '503 Service Unavailable')],
      expected: 'closed',
    },
    { name: 'is limited by a rate limit', ledger: [failed('RateLimited', 1)], expected: 'limited' },
    {
      name: 'closes with a pull after a rate limit',
      ledger: [failed('RateLimited', 1), pulled(2)],
      expected: 'closed',
    },
    {
      name: 'opens with a time-out after a minute while untested',
      ledger: [failed('Timeout', 61)],
      expected: 'open',
    },
    {
      name: 'learns nothing from a deadline of seconds',
      ledger: [failed('Timeout', 11)],
      expected: 'untested',
    },
    {
      name: 'stays closed after a time-out of a registry that answers',
      ledger: [pulled(1), failed('Timeout', 2)],
      expected: 'closed',
    },
    {
      name: 'learns nothing from a full disk',
      ledger: [failed('InsufficientDisk', 1)],
      expected: 'untested',
    },
    {
      name: 'learns nothing from the helper image',
      ledger: [failed('HelperImageUnavailable', 1, 'dial tcp')],
      expected: 'untested',
    },
    { name: 'learns nothing from the node', ledger: [failed('NodeRefused', 1)], expected: 'untested' },
    {
      name: 'learns nothing from a failure without an attempt',
      ledger: [failedEntryOf('r.test/b:1', 'RegistryUnavailable', { message: SILENCE, id: undefined })],
      expected: 'untested',
    },
  ])('$name', ({ ledger, expected }) => {
    const breaker = new CircuitBreaker()
    breaker.observeLedger('node', ledger)
    expect(breaker.registry(HOST, 'node')).toBe(expected)
  })

  it('reports that a silent registry answers again, once', () => {
    const breaker = new CircuitBreaker()
    expect(breaker.observeLedger('node', [pulled(1)])).toBe(false)
    expect(breaker.observeLedger('node', [silent(2)])).toBe(false)
    expect(breaker.observeLedger('node', [pulled(1)])).toBe(false)
    expect(breaker.observeLedger('node', [pulled(3)])).toBe(true)
    expect(breaker.observeLedger('node', [pulled(3), silent(2)])).toBe(false)
    expect(breaker.viewOf('node', T0, () => false).registryAnsweredAt(HOST)).toBe(at(3))
  })

  it('opens for the node that gets no answer, and for all nodes when two get none', () => {
    const breaker = new CircuitBreaker()
    breaker.observeLedger('a', [pulled(1)])
    breaker.observeLedger('b', [silent(2)])
    expect(circuitsFor(breaker, 'a', 'b', 'c')).toEqual(['closed', 'open', 'closed'])
    expect(isOpenForAll(breaker)).toBe(false)
    breaker.observeLedger('c', [silent(3)])
    expect(circuitsFor(breaker, 'a', 'b', 'c')).toEqual(['open', 'open', 'open'])
    expect(isOpenForAll(breaker)).toBe(true)
    expect(breaker.observeLedger('a', [pulled(4)])).toBe(true)
    expect(circuitsFor(breaker, 'a', 'b', 'c')).toEqual(['closed', 'closed', 'closed'])
  })

  it('lets one node at a time try while it is open for all', () => {
    const breaker = new CircuitBreaker()
    for (const node of ['a', 'b']) breaker.observeLedger(node, [silent(1)])
    const mayProbe = (tried: string) => breaker.viewOf('a', T0, host => host === tried).mayProbeRegistry(HOST)
    expect([mayProbe('other.test'), mayProbe(HOST)]).toEqual([true, false])
  })

  it('no longer counts a node that is gone', () => {
    const breaker = new CircuitBreaker()
    breaker.observeLedger('a', [silent(1)])
    breaker.observeLedger('b', [silent(2)])
    expect(isOpenForAll(breaker)).toBe(true)
    breaker.forgetNode('b')
    expect(isOpenForAll(breaker)).toBe(false)
    expect(circuitsFor(breaker, 'a', 'b', 'c')).toEqual(['open', 'untested', 'untested'])
  })

  it('is forgotten when no ledger mentions the registry, as after a restart', () => {
    const breaker = new CircuitBreaker()
    const answeredAt = () => breaker.viewOf('a', T0, () => false).registryAnsweredAt(HOST)
    breaker.observeLedger('a', [pulled(1)])
    breaker.observeLedger('b', [{ image: 'r.test/c:1' }])
    breaker.observeLedger('a', [])
    expect([breaker.registry(HOST, 'a'), answeredAt()]).toEqual(['closed', at(1)])
    breaker.observeLedger('b', [entryOf('other.test/c:1')])
    expect([breaker.registry(HOST, 'a'), answeredAt()]).toEqual(['untested', undefined])
  })

  it('is forgotten with the last node that has images of the registry', () => {
    const breaker = new CircuitBreaker()
    breaker.observeLedger('a', [failed('RateLimited', 1)])
    breaker.observeLedger('b', [silent(2)])
    breaker.forgetNode('a')
    expect(breaker.registry(HOST, 'b')).toBe('open')
    breaker.forgetNode('b')
    expect(breaker.registry(HOST, 'b')).toBe('untested')
  })
})

describe('withLatest', () => {
  it('prefers what was recorded now to what was known', () => {
    const known = circuitsOf({ registryAnsweredAt: () => at(-5) })
    const view = withLatest(known, [silent(0), pulled(-1, 'other.test/a:1')], T0)
    expect(view.registry(HOST)).toBe('open')
    expect(view.registry('other.test')).toBe('closed')
    expect(view.registryAnsweredAt(HOST)).toBe(at(-5))
    const back = withLatest({ ...known, registry: () => 'open' }, [pulled(0)], T0)
    expect(back.registry(HOST)).toBe('closed')
    expect(back.registryAnsweredAt(HOST)).toBe(at(0))
  })
})

describe('the circuit of a namespace', () => {
  const refuse = (breaker: CircuitBreaker, now: number, message = 'exceeded quota') =>
    breaker.refuseNamespace('pulls', 'ns', message, now)
  const refusal = (breaker: CircuitBreaker, now: number) => breaker.refusal('pulls', 'ns', now)
  /** Undefined where a Job may be made, else when to ask again. */
  const enter = (breaker: CircuitBreaker, now: number) => breaker.enterNamespace('pulls', 'ns', now)
  const openedAt = (breaker: CircuitBreaker, now: number) =>
    breaker.viewOf('node', now, () => false).namespaceOpenedAt('ns')
  const retryAt = (breaker: CircuitBreaker) => breaker.viewOf('node', 0, () => false).namespaceRetryAt('ns')

  it('is closed at first', () => {
    const breaker = new CircuitBreaker()
    expect([refusal(breaker, 0), enter(breaker, 0)]).toEqual([undefined, undefined])
    expect([retryAt(breaker), openedAt(breaker, 0)]).toEqual([undefined, undefined])
  })

  it('lets one node try after a growing pause, and no other before the outcome is known', () => {
    const breaker = new CircuitBreaker()
    refuse(breaker, 0)
    expect([refusal(breaker, 4_999), enter(breaker, 4_999)]).toEqual(['exceeded quota', 5_000])
    expect([retryAt(breaker), openedAt(breaker, 4_999)]).toEqual([5_000, undefined])
    expect([refusal(breaker, 5_000), refusal(breaker, 5_000)]).toEqual([undefined, undefined])
    expect(openedAt(breaker, 5_000)).toBe('1970-01-01T00:00:05.000Z')
    expect([enter(breaker, 5_000), enter(breaker, 5_001)]).toEqual([undefined, 15_000])
    expect(refusal(breaker, 5_001)).toBe('exceeded quota')
    refuse(breaker, 5_002, 'exceeded quota again')
    expect([refusal(breaker, 15_001), enter(breaker, 15_001)]).toEqual(['exceeded quota again', 15_002])
    expect(enter(breaker, 15_002)).toBeUndefined()
  })

  it('lets one node try every minute, however long the refusals last', () => {
    const breaker = new CircuitBreaker()
    let now = 0
    for (let times = 0; times < 50; times += 1) {
      refuse(breaker, now)
      now = retryAt(breaker) ?? Number.NaN
      expect(enter(breaker, now)).toBeUndefined()
    }
    refuse(breaker, now)
    expect(retryAt(breaker)).toBe(now + 60_000)
  })

  it('lets another node try where the outcome of a trial stays unknown', () => {
    const breaker = new CircuitBreaker()
    refuse(breaker, 0)
    const mayTry = [5_000, 14_999, 15_000].map(now => enter(breaker, now) === undefined)
    expect(mayTry).toEqual([true, false, true])
  })

  it('counts Jobs of many nodes that are refused together as one refusal', () => {
    const breaker = new CircuitBreaker()
    for (let node = 0; node < 100; node += 1) refuse(breaker, node)
    expect(retryAt(breaker)).toBe(5_000)
  })

  it('closes at once when a Pod is made', () => {
    const breaker = new CircuitBreaker()
    refuse(breaker, 0)
    expect(breaker.openNamespace('pulls', 'ns', 1)).toBe(true)
    expect(refusal(breaker, 1)).toBeUndefined()
    expect(openedAt(breaker, 1)).toBe('1970-01-01T00:00:00.001Z')
    expect(breaker.openNamespace('pulls', 'ns', 2)).toBe(false)
    expect(openedAt(breaker, 3)).toBe('1970-01-01T00:00:00.001Z')
  })

  it('is another one for another namespace', () => {
    const breaker = new CircuitBreaker()
    refuse(breaker, 0)
    expect(breaker.refusal('pulls', 'other', 1)).toBeUndefined()
  })

  it('is another one for removals', () => {
    const breaker = new CircuitBreaker()
    breaker.refuseNamespace('removals', 'ns', 'violates PodSecurity', 0)
    expect([refusal(breaker, 1), enter(breaker, 1), retryAt(breaker)]).toEqual([
      undefined,
      undefined,
      undefined,
    ])
    expect(breaker.openNamespace('pulls', 'ns', 2)).toBe(false)
    expect(breaker.refusal('removals', 'ns', 3)).toBe('violates PodSecurity')
  })
})

describe('the circuit between the controller and a registry', () => {
  it('is open until a time, or until the registry answers', () => {
    const breaker = new CircuitBreaker()
    expect(breaker.isSilentForController(HOST, 0)).toBe(false)
    breaker.silenceForController(HOST, 100)
    expect([99, 100].map(now => breaker.isSilentForController(HOST, now))).toEqual([true, false])
    expect(breaker.isSilentForController('other.test', 0)).toBe(false)
    expect(breaker.registry(HOST, 'node'), 'nodes may reach it').toBe('untested')
    breaker.answeredController(HOST)
    expect(breaker.isSilentForController(HOST, 0)).toBe(false)
  })
})

describe('the dump of the breaker', () => {
  it('shows the circuits that are not closed', () => {
    const breaker = new CircuitBreaker()
    breaker.observeLedger('a', [pulled(1, 'good.test/a:1'), silent(2)])
    breaker.refuseNamespace('pulls', 'ns', 'exceeded quota', 0)
    breaker.silenceForController('away.test', 3_000)
    expect(breaker.dump(1_000)).toMatchObject({
      registries: [{ host: HOST, silentAt: { a: at(2) } }],
      namespaces: [{ key: 'pulls ns', message: 'exceeded quota', attempts: 1, retryInMs: 4_000 }],
      silentForController: [{ host: 'away.test', untilMs: 2_000 }],
    })
  })
})
