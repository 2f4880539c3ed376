import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ImageCache } from '../../api/image-cache.ts'
import { isTimeZone, nextRefresh, scheduleError } from './refresh-schedule.ts'

const MINUTE = 60_000
const NOON = new Date('2026-03-01T12:00:00.000Z')

function cache(refresh?: ImageCache['spec']['refresh'], uid = 'u'): ImageCache {
  return { metadata: { name: 'c', uid }, spec: { cacheSpec: [], ...(refresh && { refresh }) } }
}

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

  it.each<{
    name: string
    refresh?: ImageCache['spec']['refresh']
    frequency: number
    expected: string | undefined
  }>([
    { name: 'never by the flag', frequency: 0, expected: undefined },
    {
      name: 'never by the cache',
      refresh: { interval: '0s' },
      frequency: 15 * MINUTE,
      expected: undefined,
    },
    {
      name: 'suspended',
      refresh: { suspend: true, interval: '1m' },
      frequency: 15 * MINUTE,
      expected: undefined,
    },
    {
      name: 'a schedule',
      refresh: { schedule: '30 3 * * *' },
      frequency: 0,
      expected: '2026-03-02T03:30:00.000Z',
    },
    {
      name: 'a schedule in a time zone',
      refresh: { schedule: '30 3 * * *', timeZone: 'Asia/Tokyo' },
      frequency: 0,
      expected: '2026-03-01T18:30:00.000Z',
    },
    {
      name: 'a schedule goes before an interval',
      refresh: { schedule: '0 13 * * *', interval: '1m' },
      frequency: 0,
      expected: '2026-03-01T13:00:00.000Z',
    },
    {
      name: 'a schedule that cannot be read',
      refresh: { schedule: 'often' },
      frequency: 0,
      expected: undefined,
    },
  ])('$name', ({ refresh, frequency, expected }) => {
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
