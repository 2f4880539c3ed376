import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ImageCache } from '../../api/image-cache.ts'
import type { DesiredImage, LedgerEntry } from '../../api/node-images.ts'
import { type TagAnswer, needsPull, withAnswers } from './refresh.ts'
import { nextRefresh, isTimeZone, scheduleError } from '../demand/index.ts'

const MINUTE = 60_000
const NOON = new Date('2026-03-01T12:00:00.000Z')

function cache(refresh?: ImageCache['spec']['refresh'], uid = 'u'): ImageCache {
  return { metadata: { name: 'c', uid }, spec: { cacheSpec: [], ...(refresh && { refresh }) } }
}

describe('needsPull', () => {
  const entry = (change: Partial<LedgerEntry>): LedgerEntry => ({ image: 'i', state: 'Present', ...change })
  it.each<[string, string | undefined, LedgerEntry | undefined, boolean]>([
    ['the registry could not be asked', undefined, entry({ registryDigest: 'd1' }), true],
    ['the same digest as when it was pulled', 'd1', entry({ registryDigest: 'd1' }), false],
    ['the tag moved', 'd2', entry({ registryDigest: 'd1' }), true],
    ['the node lists this digest', 'd1', entry({ digest: 'd1' }), false],
    ['the node lists another digest', 'd2', entry({ digest: 'd1' }), true],
    [
      'what the pull was asked for goes before what the runtime lists',
      'd2',
      entry({ registryDigest: 'd2', digest: 'd1' }),
      false,
    ],
    ['nothing is known', 'd1', entry({}), true],
    ['it failed before', 'd1', entry({ state: 'Failed', registryDigest: 'd1' }), true],
    ['it was never pulled', 'd1', undefined, true],
  ])('%s', (_, digest, ledger, expected) => {
    expect(needsPull({ at: '', ...(digest && { digest }) }, ledger)).toBe(expected)
  })
})

describe('withAnswers', () => {
  const at = (minute: number) => `2026-03-01T12:${String(minute).padStart(2, '0')}:00.000Z`
  const image = (change: Partial<DesiredImage> = {}): DesiredImage => ({
    image: 'i',
    pullPolicy: 'Always',
    owners: [],
    requestedAt: at(0),
    ...change,
  })
  const answer = (minute: number, digest?: string): TagAnswer => ({
    at: at(minute),
    ...(digest !== undefined && { digest }),
  })
  const held = (change: Partial<LedgerEntry> = {}): LedgerEntry => ({
    image: 'i',
    state: 'Present',
    requestedAt: at(0),
    registryDigest: 'd1',
    ...change,
  })
  const asked = { digest: 'd1', digestAt: at(0) }
  it.each<
    [
      string,
      { refresh?: TagAnswer; beforePull?: TagAnswer },
      DesiredImage | undefined,
      LedgerEntry | undefined,
      Partial<DesiredImage>,
    ]
  >([
    [
      'what is new is noted before it is pulled',
      { beforePull: answer(1, 'd1') },
      undefined,
      undefined,
      { digest: 'd1', digestAt: at(1) },
    ],
    ['nothing is noted without an answer', { beforePull: answer(1) }, undefined, undefined, {}],
    [
      'the same answer again changes nothing',
      { beforePull: answer(1, 'd1') },
      image(asked),
      undefined,
      asked,
    ],
    [
      'what another node asks for changes nothing of what is held',
      { beforePull: answer(5, 'd2') },
      image(asked),
      held(),
      asked,
    ],
    ['a refresh that finds the same changes nothing', { refresh: answer(5, 'd1') }, image(), held(), {}],
    [
      'a refresh that finds another asks for it',
      { refresh: answer(5, 'd2') },
      image(asked),
      held(),
      { digest: 'd2', digestAt: at(5), requestedAt: at(5) },
    ],
    [
      'a refresh that could not ask has the node ask',
      { refresh: answer(5) },
      image(asked),
      held(),
      { ...asked, requestedAt: at(5) },
    ],
    [
      'the latest answer is noted',
      { refresh: answer(5, 'd2'), beforePull: answer(7, 'd3') },
      image(asked),
      held(),
      { digest: 'd3', digestAt: at(7), requestedAt: at(5) },
    ],
    [
      'a refresh that was answered is done with',
      { refresh: answer(5, 'd2') },
      image({ digest: 'd3', digestAt: at(7) }),
      held({ requestedAt: at(5), registryDigest: 'd3' }),
      { digest: 'd3', digestAt: at(7) },
    ],
    [
      'a retry notes what is said now',
      { beforePull: answer(5, 'd2') },
      image(asked),
      held({ state: 'Failed', reason: 'RegistryUnavailable' }),
      { digest: 'd2', digestAt: at(5) },
    ],
  ])('%s', (_, answers, old, entry, expected) => {
    expect(withAnswers(image(), answers, old, entry)).toEqual(image(expected))
  })

  it('leaves alone what is not asked for again', () => {
    const fixed = image({ pullPolicy: 'IfNotPresent' })
    expect(withAnswers(fixed, { refresh: answer(5, 'd2') }, fixed, held())).toBe(fixed)
  })
})

describe('nextRefresh', () => {
  it('comes once in every interval, at the same place, after whatever moment', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 10_000 }), fc.nat(1e9), (uid, minutes, offset) => {
        const every = minutes * MINUTE
        const after = new Date(NOON.getTime() + offset)
        const next = nextRefresh(cache(undefined, uid), every, after)
        const wait = (next?.getTime() ?? 0) - after.getTime()
        expect(wait).toBeGreaterThan(0)
        expect(wait).toBeLessThanOrEqual(every + 1)
        const following = nextRefresh(cache(undefined, uid), every, next ?? after)
        expect(Math.abs((following?.getTime() ?? 0) - (next?.getTime() ?? 0) - every)).toBeLessThanOrEqual(1)
      }),
    )
  })

  it('is not the same second for all caches', () => {
    const times = Array.from({ length: 50 }, (_, index) =>
      nextRefresh(cache(undefined, `u${index}`), 15 * MINUTE, NOON),
    )
    expect(new Set(times.map(time => Math.floor((time?.getTime() ?? 0) / 1000))).size).toBeGreaterThan(40)
  })

  it.each<[string, ImageCache['spec']['refresh'], number, string | undefined]>([
    ['never by the flag', undefined, 0, undefined],
    ['never by the cache', { interval: '0s' }, 15 * MINUTE, undefined],
    ['suspended', { suspend: true, interval: '1m' }, 15 * MINUTE, undefined],
    ['a schedule', { schedule: '30 3 * * *' }, 0, '2026-03-02T03:30:00.000Z'],
    [
      'a schedule in a time zone',
      { schedule: '30 3 * * *', timeZone: 'Asia/Tokyo' },
      0,
      '2026-03-01T18:30:00.000Z',
    ],
    [
      'a schedule goes before an interval',
      { schedule: '0 13 * * *', interval: '1m' },
      0,
      '2026-03-01T13:00:00.000Z',
    ],
    ['a schedule that cannot be read', { schedule: 'often' }, 0, undefined],
  ])('%s', (_, refresh, frequency, expected) => {
    expect(nextRefresh(cache(refresh), frequency, NOON)?.toISOString()).toBe(expected)
  })

  it.each(['1ns', '1ms', '0.1s'])('every %s is not taken at its word', interval => {
    const first = nextRefresh(cache({ interval }), 15 * MINUTE, NOON) ?? NOON
    const second = nextRefresh(cache({ interval }), 15 * MINUTE, first) ?? NOON
    expect(second.getTime() - first.getTime()).toBeGreaterThanOrEqual(999)
  })

  it('an interval of the cache goes before the flag', () => {
    const next = nextRefresh(cache({ interval: '1m' }), 24 * 60 * MINUTE, NOON)
    expect((next?.getTime() ?? 0) - NOON.getTime()).toBeLessThanOrEqual(MINUTE + 1)
  })
})

describe('scheduleError', () => {
  it('is nothing for what can be used, and words for what cannot', () => {
    expect(scheduleError('*/5 * * * *', 'Europe/Berlin')).toBeUndefined()
    expect(scheduleError('often', undefined)).toMatch(/\w/)
    expect(scheduleError('*/5 * * * *', 'Mars/Olympus'), 'the schedule itself').toBeUndefined()
  })
})

describe('isTimeZone', () => {
  it.each([
    [undefined, true],
    ['', true],
    ['Europe/Berlin', true],
    ['Mars/Olympus', false],
  ])('%j: %j', (timeZone, known) => {
    expect(isTimeZone(timeZone)).toBe(known)
  })
})
