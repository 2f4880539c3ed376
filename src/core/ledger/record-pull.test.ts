import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { DesiredImage, LedgerEntry } from '../../api/node-images.ts'
import { backoffMs } from '../../base/backoff.ts'
import { jobHash, jobName } from '../../engines/jobs/pull/index.ts'
import { answers, byKey, clip, record } from './ledger.ts'
import { at, compiledOf, desiredOf, entryOf } from '../../engines/jobs/pull/testing.ts'
import type { Verdict } from '../../engines/jobs/pull/index.ts'

const IMAGE = 'r.test/a:1'
const [DESIRED] = desiredOf([IMAGE], compiledOf('cache', [IMAGE]))
if (!DESIRED) throw new Error('the builder gave no image')
const attempt = { job: 'j1', requestedAt: at(0), startedAt: at(1), now: at(5) }
const failed: Verdict = { kind: 'failed', reason: 'RegistryUnavailable', message: '503' }

describe('record', () => {
  it.each<[string, Verdict, object]>([
    [
      'present',
      { kind: 'present', digest: 'd' },
      { state: 'Present', digest: 'd', requestedAt: at(0), verifiedAt: at(5) },
    ],
    [
      'failed',
      failed,
      { state: 'Failed', reason: 'RegistryUnavailable', message: '503', attempts: 3, requestedAt: at(0) },
    ],
    ['unproven', { kind: 'unproven' }, { state: 'Pending', reason: 'Unproven', attempts: 3 }],
    ['unknown', { kind: 'unknown', message: 'gone' }, { state: 'Pending', message: 'gone', attempts: 3 }],
  ])('%s', (_, verdict, expected) => {
    const old = entryOf(IMAGE, {
      state: 'Pending',
      attempts: 2,
      requestedAt: undefined,
      verifiedAt: undefined,
    })
    const times = { job: 'j1', startedAt: at(1), finishedAt: at(5), pulledByUs: true }
    expect(record(DESIRED, old, verdict, attempt)).toEqual({ image: IMAGE, ...times, ...expected })
  })

  it.each<[string, Partial<DesiredImage>, LedgerEntry | undefined, object, string | undefined]>([
    ['what it said before the pull', { digest: 'd2', digestAt: at(0) }, undefined, {}, 'd2'],
    ['nothing where it was not asked', {}, undefined, {}, undefined],
    [
      'nothing that it said while the pull was under way',
      { digest: 'd2', digestAt: at(3) },
      undefined,
      {},
      undefined,
    ],
    [
      'what was known where it was asked too late',
      { digest: 'd2', digestAt: at(3) },
      entryOf(IMAGE, { requestedAt: at(-9), registryDigest: 'd1' }),
      {},
      'd1',
    ],
    [
      'what was known where an older request is answered',
      { digest: 'd2', digestAt: at(0), requestedAt: at(2) },
      entryOf(IMAGE, { requestedAt: at(-9), registryDigest: 'd1' }),
      {},
      'd1',
    ],
    [
      'what was known where it was only proved to be there',
      { digest: 'd2', digestAt: at(0) },
      entryOf(IMAGE, { registryDigest: 'd1' }),
      {},
      'd1',
    ],
    [
      'what it said before the retry',
      { digest: 'd2', digestAt: at(0) },
      entryOf(IMAGE, { registryDigest: 'd1', reason: 'RegistryUnavailable' }),
      {},
      'd2',
    ],
    [
      'nothing where it is not known when the Job was made',
      { digest: 'd2', digestAt: at(0) },
      undefined,
      { madeAt: undefined },
      undefined,
    ],
  ])('records of the registry %s', (_, change, old, times, expected) => {
    const desired: DesiredImage = { ...DESIRED, pullPolicy: 'Always', ...change }
    const made = { ...attempt, madeAt: at(1), ...times }
    expect(record(desired, old, { kind: 'present' }, made).registryDigest).toBe(expected)
  })

  it('a running pull takes nothing from what is known', () => {
    for (const state of ['Present', 'Failed'] as const) {
      const old = entryOf(IMAGE, { state })
      expect(record(DESIRED, old, { kind: 'pulling' }, attempt)).toBe(old)
    }
    expect(record(DESIRED, undefined, { kind: 'pulling' }, attempt)).toMatchObject({
      state: 'Pulling',
      job: 'j1',
    })
  })

  it.each([
    ['2026-01-01T00:00:00Z', true],
    ['2026-01-01T00:00:00.000Z', true],
    ['2026-01-01T00:00:00.001Z', false],
    ['2026-01-01T00:00:01Z', false],
  ])('a Job of 00:00:00 answers a request of %s: %s', (requestedAt, expected) => {
    for (const spelling of ['2026-01-01T00:00:00Z', '2026-01-01T00:00:00.000Z']) {
      const desired = { ...DESIRED, requestedAt }
      const entry = record(desired, undefined, { kind: 'present' }, { ...attempt, requestedAt: spelling })
      expect(answers(entry, desired)).toBe(expected)
    }
  })

  it('counts failures since the last success or request', () => {
    const later = { ...DESIRED, requestedAt: at(60) }
    const again = { ...attempt, requestedAt: at(60), now: at(70) }
    const once = record(DESIRED, undefined, failed, attempt)
    const twice = record(DESIRED, once, failed, attempt)
    expect([once.attempts, twice.attempts]).toEqual([1, 2])
    expect(record(later, twice, failed, again).attempts).toBe(1)
    expect(record(DESIRED, twice, { kind: 'present' }, attempt).attempts).toBeUndefined()
  })

  it('keeps that an image was there before us', () => {
    const old = entryOf(IMAGE, { pulledByUs: false })
    for (const verdict of [failed, { kind: 'present' }, { kind: 'unproven' }] as const) {
      expect(record(DESIRED, old, verdict, attempt).pulledByUs).toBe(false)
    }
  })
})

describe('clip', () => {
  it('a long message keeps the words of the registry, which come last', () => {
    const image = `registry.example/${'team/'.repeat(20)}app:1`
    const message = `failed to pull and unpack image "${image}": failed to resolve image: unexpected status from HEAD request to https://${image}:\n403 Forbidden\ndenied: requested access to the resource is denied`
    const clipped = clip(message)
    expect(clipped).toMatch(/^failed to pull and unpack image "registry\.example/)
    expect(clipped).toMatch(/403 Forbidden denied: requested access to the resource is denied$/)
  })

  it('a message has 256 bytes at most and no broken character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 0, maxLength: 600 }), message => {
        const clipped = clip(message)
        expect(Buffer.byteLength(clipped)).toBeLessThanOrEqual(256)
        if (!message.includes('\uFFFD')) expect(clipped).not.toContain('\uFFFD')
        expect(clip(clipped)).toBe(clipped)
      }),
    )
  })
})

describe('backoffMs', () => {
  it('grows from 30 s to 10 min, a fifth longer at most, and is the same each time', () => {
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
    expect(
      new Set(Array.from({ length: 100 }, (_, index) => backoffMs(1, `k${index}`))).size,
    ).toBeGreaterThan(90)
  })
})

describe('an image that nothing is learned of', () => {
  it('fails after five attempts, so that its cache comes to an end', () => {
    let entry: ReturnType<typeof record> | undefined
    const states = Array.from({ length: 6 }, (_, index) => {
      entry = record(DESIRED, entry, { kind: 'unknown', message: 'gone' }, { ...attempt, now: at(index) })
      return entry.reason ?? entry.state
    })
    expect(states).toEqual(['Pending', 'Pending', 'Pending', 'Pending', 'PullFailed', 'PullFailed'])
    expect(entry?.message).toContain('gone')
  })
})

describe('jobName', () => {
  const images = [DESIRED]
  const name = (entry?: Parameters<typeof byKey>[0][number], cache = 'cache', uid = 'u', method = 'batch') =>
    jobName(compiledOf(cache, []), uid, method, images, byKey(entry ? [entry] : []))

  it('differs with all that makes a Job another one, and with nothing else', () => {
    const once = record(DESIRED, undefined, failed, attempt)
    const present = record(DESIRED, once, { kind: 'present' }, { ...attempt, now: at(8) })
    const after = record(DESIRED, present, failed, { ...attempt, now: at(9) })
    const again = record(DESIRED, after, failed, { ...attempt, now: at(10) })
    const names = [
      name(),
      name(undefined, 'cache', 'other'),
      name(undefined, 'cache', 'u', 'single'),
      ...[once, present, after, again].map(entry => name(entry)),
      jobName(compiledOf('cache', []), 'u', 'batch', [{ ...DESIRED, requestedAt: at(1) }], new Map()),
      jobName(compiledOf('cache', []), 'u', 'batch', [{ ...DESIRED, credential: 'team:1' }], new Map()),
      jobName(compiledOf('cache', []), 'u', 'batch', [{ ...DESIRED, pullPolicy: 'Always' }], new Map()),
    ]
    expect(new Set(names).size).toBe(names.length)
    expect(name(once)).toBe(name({ ...once }))
  })

  it.each(['a', 'a'.repeat(253), `${'a'.repeat(39)}.b`, `${'a'.repeat(38)}.-${'b'.repeat(9)}`, '0.1'])(
    '%s',
    cache => {
      const result = name(undefined, cache)
      expect(result).toMatch(/^(?=.{1,63}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/)
      expect(jobHash(result)).toMatch(/^[0-9a-f]{10}$/)
    },
  )
})
