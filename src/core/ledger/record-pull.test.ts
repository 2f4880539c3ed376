import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compiledOf } from '../../../test/builders/image-cache.ts'
import { desiredOf, entryOf, failedEntryOf } from '../../../test/builders/node-images.ts'
import { at } from '../../../test/builders/time.ts'
import type { DesiredImage, LedgerEntry } from '../../api/node-images.ts'
import { backoffMs } from '../../base/backoff.ts'
import { isPullAnswered } from './entry.ts'
import type { AttemptFacts, PullVerdict } from './evidence.ts'
import { shortMessage } from './message.ts'
import { failureFor } from './owner-failures.ts'
import { recordPull } from './record-pull.ts'

const IMAGE = 'r.test/a:1'
const [DESIRED] = desiredOf([IMAGE], compiledOf('cache', [IMAGE]))
if (!DESIRED) throw new Error('the builder gave no image')
const FACTS: AttemptFacts = { id: 'j1', revision: 1, startedAt: at(1) }
const NOW = at(5)
const FAILED: PullVerdict = { kind: 'failed', reason: 'RegistryUnavailable', message: '503' }

/** An entry whose last attempt taught nothing, twice. */
const TWICE_UNKNOWN: LedgerEntry = {
  image: IMAGE,
  attempt: { state: 'Unknown', revision: 1, count: 2, id: 'j0', startedAt: at(-1), finishedAt: at(0) },
  pulledByUs: true,
}

describe('recordPull', () => {
  const ended = { revision: 1, count: 3, id: 'j1', startedAt: at(1), finishedAt: NOW }
  it.each<{ name: string; verdict: PullVerdict; expected: Partial<LedgerEntry> }>([
    {
      name: 'present',
      verdict: { kind: 'present', digest: 'd' },
      expected: {
        presence: { state: 'Present', since: NOW, by: 'Job', revision: 1, digest: 'd' },
        attempt: { state: 'Succeeded', revision: 1, id: 'j1', startedAt: at(1) },
      },
    },
    {
      name: 'failed',
      verdict: FAILED,
      expected: {
        attempt: { state: 'Failed', ...ended, reason: 'RegistryUnavailable', message: '503' },
      },
    },
    {
      name: 'unproven',
      verdict: { kind: 'unproven' },
      expected: { attempt: { state: 'Unproven', ...ended } },
    },
    {
      name: 'unknown',
      verdict: { kind: 'unknown', message: 'gone' },
      expected: { attempt: { state: 'Unknown', ...ended, message: 'gone' } },
    },
  ])('records $name', ({ verdict, expected }) => {
    const entry = recordPull(DESIRED, TWICE_UNKNOWN, verdict, FACTS, NOW)
    expect(entry).toEqual({ image: IMAGE, pulledByUs: true, ...expected })
  })

  it.each<{
    name: string
    desired: Partial<DesiredImage>
    old?: LedgerEntry
    revision?: number
    expected: string | undefined
  }>([
    { name: 'of a first pull', desired: { registryDigest: 'd2' }, expected: 'd2' },
    { name: 'not where the registry was not asked', desired: {}, expected: undefined },
    {
      name: 'not of a request that is newer than the attempt',
      desired: { registryDigest: 'd2', revision: 2 },
      expected: undefined,
    },
    {
      name: 'of before, where the attempt answers an older request',
      desired: { registryDigest: 'd2', revision: 2 },
      old: entryOf(IMAGE, {
        presence: { state: 'Present', since: at(0), by: 'Job', revision: 0, registryDigest: 'd1' },
      }),
      expected: 'd1',
    },
    {
      name: 'of before, where the registry was not asked this time',
      desired: { revision: 2 },
      revision: 2,
      old: entryOf(IMAGE, {
        presence: { state: 'Present', since: at(0), by: 'Job', revision: 1, registryDigest: 'd1' },
      }),
      expected: 'd1',
    },
    {
      name: 'of before, where the attempt only proved that the image is there',
      desired: { registryDigest: 'd2' },
      old: entryOf(IMAGE, {
        presence: { state: 'Present', since: at(0), by: 'Job', revision: 1, registryDigest: 'd1' },
      }),
      expected: 'd1',
    },
    {
      name: 'of a retry, where the last refresh failed',
      desired: { registryDigest: 'd2' },
      old: {
        ...failedEntryOf(IMAGE, 'RegistryUnavailable'),
        presence: { state: 'Present', since: at(0), by: 'Job', revision: 1, registryDigest: 'd1' },
      },
      expected: 'd2',
    },
    {
      name: 'not of an attempt that answers no request',
      desired: { registryDigest: 'd2' },
      revision: 0,
      expected: undefined,
    },
  ])('keeps the digest of the registry: $name', ({ desired, old, revision = 1, expected }) => {
    const asked: DesiredImage = { ...DESIRED, pullPolicy: 'Always', ...desired }
    const entry = recordPull(asked, old, { kind: 'present' }, { ...FACTS, revision }, NOW)
    expect(entry.presence?.registryDigest).toBe(expected)
  })

  it.each<{ name: string; old: LedgerEntry }>([
    { name: 'an image that is there', old: entryOf(IMAGE) },
    { name: 'a failure', old: failedEntryOf(IMAGE, 'ImageNotFound') },
  ])('keeps $name on record while an attempt runs', ({ old }) => {
    expect(recordPull(DESIRED, old, { kind: 'pulling' }, FACTS, NOW)).toBe(old)
  })

  it('shows that an attempt runs, and keeps the count', () => {
    const pulling = recordPull(DESIRED, TWICE_UNKNOWN, { kind: 'pulling' }, FACTS, NOW)
    const attempt = { state: 'Pulling', revision: 1, count: 2, id: 'j1', startedAt: at(1) }
    expect(pulling).toEqual({ ...TWICE_UNKNOWN, attempt })
    expect(recordPull(DESIRED, pulling, { kind: 'pulling' }, FACTS, at(9))).toBe(pulling)
  })

  it.each<{ requested: number; answered: number; expected: boolean }>([
    { requested: 1, answered: 1, expected: true },
    { requested: 2, answered: 1, expected: false },
    { requested: 1, answered: 2, expected: true },
    { requested: 1, answered: 0, expected: false },
  ])(
    'an attempt of revision $answered answers a request of revision $requested: $expected',
    ({ requested, answered, expected }) => {
      const desired = { ...DESIRED, revision: requested }
      for (const verdict of [{ kind: 'present' }, FAILED] as const) {
        const entry = recordPull(desired, undefined, verdict, { ...FACTS, revision: answered }, NOW)
        expect(isPullAnswered(entry, desired)).toBe(expected)
        // A number that no request has yet must not answer that request when it comes.
        expect(isPullAnswered(entry, { ...desired, revision: requested + 1 })).toBe(false)
      }
    },
  )

  it('counts failures since the last success or request', () => {
    const record = (old: LedgerEntry | undefined, revision = 1, verdict: PullVerdict = FAILED) =>
      recordPull({ ...DESIRED, revision }, old, verdict, { ...FACTS, revision }, NOW)
    const once = record(undefined)
    const twice = record(once)
    expect([once.attempt?.count, twice.attempt?.count]).toEqual([1, 2])
    expect(record(twice, 2).attempt?.count).toBe(1)
    const present = record(twice, 1, { kind: 'present' })
    expect(present.attempt).not.toHaveProperty('count')
    expect(record(present).attempt?.count).toBe(1)
  })

  it('keeps that an image was there before the operator', () => {
    const old = entryOf(IMAGE, { pulledByUs: false })
    for (const verdict of [FAILED, { kind: 'present' }, { kind: 'unproven' }] as const) {
      expect(recordPull(DESIRED, old, verdict, FACTS, NOW).pulledByUs).toBe(false)
    }
  })
})

describe('an image that is there', () => {
  const old = entryOf(IMAGE)
  const isPresentAfter = (verdict: PullVerdict, desired: Partial<DesiredImage>, before = old) => {
    const facts = { ...FACTS, revision: 2 }
    return recordPull({ ...DESIRED, ...desired }, before, verdict, facts, NOW).presence?.state === 'Present'
  }
  const refresh = { pullPolicy: 'Always', revision: 2 } as const

  it.each<{ name: string; verdict: PullVerdict }>([
    { name: 'fails', verdict: FAILED },
    { name: 'shared a Job that failed', verdict: { kind: 'unproven' } },
    { name: 'teaches nothing', verdict: { kind: 'unknown', message: '' } },
  ])('stays when a refresh $name, and is unknown when a first pull does', ({ verdict }) => {
    expect(isPresentAfter(verdict, refresh)).toBe(true)
    expect(isPresentAfter(verdict, { pullPolicy: 'IfNotPresent', revision: 2 })).toBe(false)
  })

  it.each<{ name: string; verdict: PullVerdict; stays: boolean }>([
    { name: 'the registry fails', verdict: FAILED, stays: false },
    {
      name: 'AlwaysPullImages asks a registry that fails',
      verdict: { ...FAILED, askedRegistry: true },
      stays: true,
    },
    {
      name: 'its helper is unavailable',
      verdict: { ...FAILED, reason: 'HelperImageUnavailable' },
      stays: true,
    },
    { name: 'its Job is refused', verdict: { ...FAILED, reason: 'JobRefused' }, stays: true },
    { name: 'it shared a Job that failed', verdict: { kind: 'unproven' }, stays: true },
    { name: 'it teaches nothing', verdict: { kind: 'unknown', message: '' }, stays: true },
  ])('is there after a proof where $name: $stays', ({ verdict, stays }) => {
    for (const pullPolicy of ['Always', 'IfNotPresent'] as const) {
      expect(isPresentAfter(verdict, { pullPolicy })).toBe(stays)
    }
  })

  it('is no failure where it could not be proved, however often', () => {
    let entry = old
    for (let time = 0; time < 20; time++) {
      entry = recordPull(DESIRED, entry, { ...FAILED, askedRegistry: true }, FACTS, NOW)
    }
    expect(entry.presence).toEqual(old.presence)
    const message = 'could not be proved: 503'
    const reason = 'RegistryUnavailable'
    expect(entry.attempt).toMatchObject({ state: 'Unknown', count: 20, reason, message })
  })

  it('stays when the retry of a refresh fails', () => {
    const failed = { ...failedEntryOf(IMAGE, 'RegistryUnavailable'), presence: old.presence }
    expect(isPresentAfter(FAILED, { pullPolicy: 'Always' }, failed)).toBe(true)
  })

  it.each(['HelperImageUnavailable', 'NodeRefused', 'JobRefused', 'NodeUnavailable'] as const)(
    'stays when an attempt fails with %s, which says nothing of the image',
    reason => {
      expect(isPresentAfter({ kind: 'failed', reason, message: '' }, {})).toBe(true)
    },
  )

  it('keeps its digest where a proof gives none, and loses it where a new pull gives none', () => {
    const before = entryOf(IMAGE, {
      presence: { state: 'Present', since: at(0), by: 'Job', revision: 1, digest: 'd1' },
    })
    const digestAfter = (revision: number) =>
      recordPull({ ...DESIRED, revision }, before, { kind: 'present' }, { ...FACTS, revision }, NOW).presence
        ?.digest
    expect([digestAfter(1), digestAfter(2)]).toEqual(['d1', undefined])
  })
})

describe('shortMessage', () => {
  it('keeps the words of the registry, which come last', () => {
    const image = `registry.example/${'team/'.repeat(20)}app:1`
    const message = `failed to pull and unpack image "${image}": failed to resolve image: unexpected status from HEAD request to https://${image}:\n403 Forbidden\ndenied: requested access to the resource is denied`
    const short = shortMessage(message)
    expect(short).toMatch(/^failed to pull and unpack image "registry\.example/)
    expect(short).toMatch(/403 Forbidden denied: requested access to the resource is denied$/)
  })

  it('gives at most 256 bytes and no broken character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 0, maxLength: 600 }), message => {
        const short = shortMessage(message)
        expect(Buffer.byteLength(short)).toBeLessThanOrEqual(256)
        if (!message.includes('\uFFFD')) expect(short).not.toContain('\uFFFD')
        expect(shortMessage(short)).toBe(short)
      }),
    )
  })
})

describe('backoffMs', () => {
  it('grows from 30 s to 10 min, is a fifth longer at most, and is the same each time', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 31 }), fc.string(), (attempts, key) => {
        const pause = backoffMs(attempts, key)
        const least = Math.min(600_000, 15_000 * 2 ** attempts)
        expect(pause).toBeGreaterThanOrEqual(least)
        expect(pause).toBeLessThanOrEqual(least * 1.2)
        expect(backoffMs(attempts + 1, key)).toBeGreaterThanOrEqual(pause)
        expect(backoffMs(attempts, key)).toBe(pause)
      }),
    )
  })

  it('differs between keys', () => {
    const pauses = Array.from({ length: 100 }, (_, index) => backoffMs(1, `k${index}`))
    expect(new Set(pauses).size).toBeGreaterThan(90)
  })
})

describe('an image that nothing is learned of', () => {
  it('fails after five attempts, so that its cache does not wait for ever', () => {
    let entry: LedgerEntry | undefined
    const states = Array.from({ length: 6 }, (_, index) => {
      entry = recordPull(DESIRED, entry, { kind: 'unknown', message: 'gone' }, FACTS, at(index))
      return entry.attempt?.reason ?? entry.attempt?.state
    })
    expect(states).toEqual(['Unknown', 'Unknown', 'Unknown', 'Unknown', 'PullFailed', 'PullFailed'])
    expect(entry?.attempt?.message).toContain('gone')
  })
})

describe('an image that several caches want', () => {
  const owners = ['a', 'b', 'c']
  const shared = { ...DESIRED, owners }
  const refusedFor = (owner: string, message = `refused for ${owner}`): [PullVerdict, string] => [
    { kind: 'failed', reason: 'JobRefused', message },
    owner,
  ]
  const after = (...steps: readonly [PullVerdict, string][]) => {
    let entry: LedgerEntry | undefined
    for (const [verdict, owner] of steps) entry = recordPull(shared, entry, verdict, { ...FACTS, owner }, NOW)
    if (!entry) throw new Error('no step was given')
    return entry
  }
  const answered = (entry: LedgerEntry) => owners.filter(owner => isPullAnswered(entry, shared, owner))
  const wordsFor = (entry: LedgerEntry) => owners.map(owner => failureFor(entry, owner)?.message)

  it('fails for the cache whose Job was refused, and for no other', () => {
    const entry = after(refusedFor('a'))
    expect(answered(entry)).toEqual(['a'])
    expect(wordsFor(entry)).toEqual(['refused for a', undefined, undefined])
    expect(isPullAnswered(entry, shared)).toBe(false)
  })

  it('fails for all once each of them has failed, with words of its own', () => {
    const entry = after(refusedFor('a'), refusedFor('b'), refusedFor('a', 'again'), refusedFor('c'))
    expect(wordsFor(entry)).toEqual(['again', 'refused for b', 'refused for c'])
    expect(isPullAnswered(entry, shared)).toBe(true)
    expect(failureFor(entry, 'a')).toMatchObject({ count: 2 })
    expect(failureFor(entry, 'c')).toMatchObject({ count: 1 })
  })

  it('keeps the failure of one while the attempt of another has not ended', () => {
    for (const kind of ['unproven', 'pulling'] as const) {
      expect(wordsFor(after(refusedFor('a'), [{ kind }, 'b']))[0]).toBe('refused for a')
    }
    const lost = after(refusedFor('a'), [{ kind: 'unknown', message: '' }, 'b'], [{ kind: 'pulling' }, 'b'])
    expect(answered(lost)).toEqual(['a'])
  })

  it('is there for all once one has brought it', () => {
    const entry = after(refusedFor('a'), [{ kind: 'present' }, 'b'])
    expect(answered(entry)).toEqual(owners)
    expect(wordsFor(entry)).toEqual([undefined, undefined, undefined])
  })

  it('fails for all at once where the registry does not have it', () => {
    const missing: PullVerdict = { kind: 'failed', reason: 'ImageNotFound', message: 'not found' }
    expect(answered(after(refusedFor('a'), [missing, 'b']))).toEqual(owners)
  })

  it('keeps few failures, whatever number of caches have refused Jobs', () => {
    const many = Array.from({ length: 300 }, (_, index) => `owner-${index}`)
    let entry: LedgerEntry | undefined
    const desired = { ...DESIRED, owners: many }
    for (const owner of many) {
      const [verdict] = refusedFor(owner)
      entry = recordPull(desired, entry, verdict, { ...FACTS, owner }, NOW)
    }
    expect(entry?.attempt?.otherFailures).toHaveLength(8)
    expect(entry && isPullAnswered(entry, desired)).toBe(true)
  })
})
