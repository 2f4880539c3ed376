import { describe, expect, it } from 'vitest'
import { circuitsOf } from '../../../test/builders/circuits.ts'
import { compiledOf } from '../../../test/builders/image-cache.ts'
import { desiredOf, entryOf, failedEntryOf } from '../../../test/builders/node-images.ts'
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
}

/** What is due of the image, that many seconds after the tests begin. */
function dueAt(entry: LedgerEntry | undefined, seconds: number, situation: Situation = {}) {
  const { node: options = {}, secrets = [], circuits, recheckIntervalMs = 0, desired } = situation
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

  it('is proved again after the interval, where the list is not whole', () => {
    expect(dueAt(entryOf(IMAGE), 60, { recheckIntervalMs }).kind).toBe('later')
    expect(dueAt(entryOf(IMAGE), 4_000, { recheckIntervalMs })).toEqual({
      kind: 'now',
      how: 'prove',
      urgent: false,
    })
    expect(dueAt(entryOf(IMAGE), 4_000)).toEqual({ kind: 'settled' })
    expect(dueAt(entryOf(IMAGE), 4_000, { recheckIntervalMs, node: { lists: [[IMAGE]] } }).kind).toBe(
      'settled',
    )
  })

  it('is proved at once where the disk was short after the last proof', () => {
    const during = (seconds: number) => ({ recheckIntervalMs, node: { diskPressureAt: at(seconds) } })
    expect(dueAt(entryOf(IMAGE), 60, during(2))).toMatchObject({ kind: 'now', how: 'prove' })
    expect(dueAt(entryOf(IMAGE), 60, during(0)).kind).toBe('later')
  })
})
