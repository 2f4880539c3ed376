import { describe, expect, it } from 'vitest'
import { circuitsOf } from '../../../test/builders/circuits.ts'
import { compiledOf } from '../../../test/builders/image-cache.ts'
import { desiredOf, entryOf, failedEntryOf, listedEntryOf } from '../../../test/builders/node-images.ts'
import { type NodeOptions, nodeWith } from '../../../test/builders/node.ts'
import { T0, at } from '../../../test/builders/time.ts'
import type { DesiredImage, LedgerEntry } from '../../api/node-images.ts'
import { nodeListInventory } from '../node/index.ts'
import type { Circuits } from './circuits.ts'
import { pullDue } from './due.ts'

const IMAGE = 'r.test/a:1'
const HOUR_MS = 3_600_000

interface Situation {
  readonly node?: NodeOptions
  readonly secrets?: readonly string[]
  readonly circuits?: Partial<Circuits>
  readonly recheckIntervalMs?: number
  readonly desired?: Partial<DesiredImage>
  readonly calledAt?: string
}

/** What is due of the image, that many seconds after the tests begin. */
function dueAt(entry: LedgerEntry | undefined, seconds: number, situation: Situation = {}) {
  const { node: options = {}, secrets = [], circuits, recheckIntervalMs = 0, desired, calledAt } = situation
  const cache = compiledOf('cache', [IMAGE], { imagePullSecrets: secrets.map(name => ({ name })) })
  const [image] = desiredOf([IMAGE], cache)
  if (!image) throw new Error('nothing is desired')
  const node = nodeWith('n1', options)
  return pullDue({ ...image, ...desired }, entry, {
    node,
    inventory: nodeListInventory(node),
    caches: new Map([[cache.owner, cache]]),
    circuits: circuitsOf(circuits),
    recheckIntervalMs,
    retryCalledAt: () => calledAt,
    now: T0 + seconds * 1000,
  })
}

const NOW_UNTRIED = { kind: 'now', how: 'ask', urgent: true }
const NOW_AGAIN = { kind: 'now', how: 'ask', urgent: false }

describe('an image that its registry refuses', () => {
  const refused = (message: string) => failedEntryOf(IMAGE, 'Unauthorized', { message, finishedAt: at(0) })
  const NO_SECRET = refused('failed to resolve image: pull access denied: no basic auth credentials')

  it('is tried again after a pause where the kubelet did not find the pull secret', () => {
    expect(dueAt(NO_SECRET, 1, { secrets: ['key'] }).kind).toBe('later')
    expect(dueAt(NO_SECRET, 60, { secrets: ['key'] }).kind).toBe('now')
  })

  it('is not tried again where there is no pull secret, or a wrong one', () => {
    expect(dueAt(NO_SECRET, 60).kind).toBe('settled')
    const wrong = refused('unexpected status: 401 Unauthorized')
    expect(dueAt(wrong, 3_600, { secrets: ['key'] }).kind).toBe('settled')
  })

  it('is tried again when it is called, once', () => {
    const wrong = refused('unexpected status: 401 Unauthorized')
    expect(dueAt(wrong, 60, { calledAt: at(30) })).toEqual(NOW_AGAIN)
    expect(dueAt(wrong, 60, { calledAt: at(0) }).kind).toBe('settled')
  })
})

describe('a request', () => {
  it.each<{ name: string; entry: LedgerEntry | undefined; desired?: Partial<DesiredImage>; due: object }>([
    { name: 'that nobody has tried is urgent', entry: undefined, due: NOW_UNTRIED },
    {
      name: 'for an image that failed for an older request is urgent',
      entry: failedEntryOf(IMAGE, 'ImageNotFound'),
      desired: { revision: 2 },
      due: NOW_UNTRIED,
    },
    {
      name: 'for an image that is there in an older version is not urgent',
      entry: entryOf(IMAGE),
      desired: { revision: 2 },
      due: NOW_AGAIN,
    },
    {
      name: 'for an image that has disappeared is not urgent',
      entry: entryOf(IMAGE, { presence: { state: 'Absent', since: at(1), by: 'NodeList' } }),
      due: NOW_AGAIN,
    },
    {
      name: 'for an image that was removed and is wanted again is urgent',
      entry: entryOf(IMAGE, { presence: { state: 'Absent', since: at(1), by: 'Job' } }),
      due: NOW_UNTRIED,
    },
    { name: 'that is answered is settled', entry: entryOf(IMAGE), due: { kind: 'settled' } },
  ])('$name', ({ entry, desired, due }) => {
    expect(dueAt(entry, 60, { ...(desired && { desired }) })).toEqual(due)
  })

  it('waits after three attempts that taught nothing, unless it is new after a failure', () => {
    const unknown = (count: number): LedgerEntry => ({
      image: IMAGE,
      attempt: { state: 'Unknown', revision: 1, count, finishedAt: at(0) },
    })
    expect(dueAt(unknown(2), 1)).toEqual(NOW_AGAIN)
    expect(dueAt(unknown(3), 1).kind).toBe('later')
    expect(dueAt(unknown(3), 60)).toEqual(NOW_AGAIN)
    const failed = failedEntryOf(IMAGE, 'PullFailed', { count: 9, finishedAt: at(0) })
    expect(dueAt(failed, 1, { desired: { revision: 2 } })).toEqual(NOW_UNTRIED)
  })
})

describe('a failed image', () => {
  const silent = failedEntryOf(IMAGE, 'RegistryUnavailable', { message: 'i/o timeout', finishedAt: at(10) })
  const refused = (changes = {}) => failedEntryOf(IMAGE, 'JobRefused', { finishedAt: at(10), ...changes })

  it.each<{ name: string; entry: LedgerEntry; circuits: Partial<Circuits>; kind: string }>([
    { name: 'waits for its pause', entry: silent, circuits: {}, kind: 'later' },
    {
      name: 'is tried when its silent registry has answered',
      entry: silent,
      circuits: { registryAnsweredAt: () => at(11) },
      kind: 'now',
    },
    {
      name: 'waits where the registry answered before the failure',
      entry: silent,
      circuits: { registryAnsweredAt: () => at(9) },
      kind: 'later',
    },
    {
      name: 'waits where its registry gave an error',
      entry: failedEntryOf(IMAGE, 'RegistryUnavailable', { message: '503', finishedAt: at(10) }),
      circuits: { registryAnsweredAt: () => at(11) },
      kind: 'later',
    },
    {
      name: 'is tried when its namespace takes Jobs again',
      entry: refused(),
      circuits: { namespaceOpenedAt: () => at(11) },
      kind: 'now',
    },
    {
      name: 'waits while its namespace refuses Jobs',
      entry: refused(),
      circuits: { namespaceOpenedAt: () => at(11), namespaceRefusal: () => 'exceeded quota' },
      kind: 'later',
    },
  ])('$name', ({ entry, circuits, kind }) => {
    expect(dueAt(entry, 12, { circuits }).kind).toBe(kind)
  })

  it('comes back when its namespace is tried again, where its own Job was refused', () => {
    const circuits = { namespaceRetryAt: () => T0 + 15_000, namespaceRefusal: () => 'exceeded quota' }
    expect(dueAt(refused(), 12, { circuits })).toEqual({ kind: 'later', inMs: 3_000 })
    const without = dueAt(refused({ id: undefined }), 12, { circuits })
    expect(without.kind === 'later' && without.inMs).toBeGreaterThan(20_000)
  })
})

describe('an image that is there', () => {
  const recheckIntervalMs = HOUR_MS

  it('is proved again after the interval, where no whole list has shown it', () => {
    expect(dueAt(entryOf(IMAGE), 60, { recheckIntervalMs }).kind).toBe('later')
    expect(dueAt(entryOf(IMAGE), 4_000, { recheckIntervalMs })).toEqual({
      kind: 'now',
      how: 'prove',
      urgent: false,
    })
    expect(dueAt(entryOf(IMAGE), 4_000)).toEqual({ kind: 'settled' })
    const node = { lists: [[IMAGE]] }
    expect(dueAt(listedEntryOf(IMAGE), 4_000, { recheckIntervalMs, node }).kind).toBe('settled')
    expect(dueAt(entryOf(IMAGE), 4_000, { recheckIntervalMs, node }).kind).toBe('now')
  })

  it.each([-86_400, -120, 0, 120, 86_400])(
    'is proved once for each DiskPressure, by a node whose clock is %i s ahead',
    skew => {
      const node = { diskPressureAt: at(2 + skew) }
      const { presence } = entryOf(IMAGE)
      const before = entryOf(IMAGE)
      expect(dueAt(before, 60, { recheckIntervalMs, node })).toMatchObject({ kind: 'now', how: 'prove' })
      if (!presence) throw new Error('the builder gave no presence')
      const proved = entryOf(IMAGE, { presence: { ...presence, diskPressureAt: at(2 + skew) } })
      expect(dueAt(proved, 60, { recheckIntervalMs, node }).kind).toBe('later')
      const again = { diskPressureAt: at(90 + skew) }
      expect(dueAt(proved, 100, { recheckIntervalMs, node: again }).kind).toBe('now')
      expect(dueAt(proved, 60, { recheckIntervalMs }).kind).toBe('later')
    },
  )

  it('that could not be proved is tried again after a pause', () => {
    const attempt = { state: 'Unknown', revision: 1, count: 1, finishedAt: at(4_000) } as const
    const entry = entryOf(IMAGE, { attempt })
    expect(dueAt(entry, 4_001, { recheckIntervalMs }).kind).toBe('later')
    expect(dueAt(entry, 4_060, { recheckIntervalMs })).toMatchObject({ kind: 'now', how: 'prove' })
  })
})

describe('an image that failed for one of two caches', () => {
  const [a, b] = [compiledOf('a', [IMAGE]), compiledOf('b', [IMAGE])]
  const due = (entry: LedgerEntry, seconds: number) => {
    const [image] = desiredOf([IMAGE], a)
    if (!image) throw new Error('nothing is desired')
    const node = nodeWith('n1', {})
    return pullDue({ ...image, owners: [a.owner, b.owner] }, entry, {
      node,
      inventory: nodeListInventory(node),
      caches: new Map([a, b].map(cache => [cache.owner, cache])),
      circuits: circuitsOf(),
      recheckIntervalMs: 0,
      now: T0 + seconds * 1000,
    })
  }
  const refused = { owner: a.owner, finishedAt: at(0) }
  const record = { owner: b.owner, revision: 1, count: 1, reason: 'Timeout', finishedAt: at(10) }

  it('is due at once for the other one', () => {
    expect(due(failedEntryOf(IMAGE, 'JobRefused', refused), 1)).toEqual(NOW_UNTRIED)
  })

  it('waits for the first of their pauses once it failed for both', () => {
    const entry = failedEntryOf(IMAGE, 'JobRefused', { ...refused, otherFailures: [record] })
    const wait = due(entry, 11)
    expect(wait).toMatchObject({ kind: 'later' })
    expect(wait.kind === 'later' && wait.inMs).toBeLessThan(26_000)
    expect(due(entry, 40)).toEqual(NOW_AGAIN)
  })

  it('is due at once for the other one where its failure is of an older request', () => {
    const old = { ...record, revision: 0 }
    expect(due(failedEntryOf(IMAGE, 'JobRefused', { ...refused, otherFailures: [old] }), 11)).toEqual(
      NOW_UNTRIED,
    )
  })
})
