import { createHash } from 'node:crypto'
import { Cron } from 'croner'
import { InvalidDurationError, parseDuration } from '../../base/duration.ts'
import type { ImageCache } from '../../api/image-cache.ts'

/** Shortest time between two refreshes of a cache by its author. The CRD admits an interval of `1ns`. */
const MIN_MS = 5_000
/** Shortest time between two refreshes by the flag of the administrator. */
const MIN_FREQUENCY_MS = 1_000
/** Characters of the parser's message that are shown. */
const MAX_WORDS = 120

/**
 * The time of the next refresh of a cache. Undefined: never.
 * Each cache has its own place within the interval, by a hash of its UID: caches do not all ask registries
 * in the same second, and a restart changes nothing. A schedule or interval that cannot be parsed counts as
 * absent.
 *
 * @param frequencyMs `--image-cache-refresh-frequency` in milliseconds, 0: never
 */
export function nextRefresh(cache: ImageCache, frequencyMs: number, after: Date): Date | undefined {
  const { interval, schedule, timeZone, suspend } = cache.spec.refresh ?? {}
  if (suspend) return undefined
  const next = schedule ? bySchedule(schedule, timeZone, after) : undefined
  if (next) return next
  const own = interval ? millisecondsOf(interval) : undefined
  const every = own === undefined ? atLeast(frequencyMs, MIN_FREQUENCY_MS) : atLeast(own, MIN_MS)
  return every > 0 ? byInterval(cache.metadata.uid ?? '', every, after) : undefined
}

/** 0 stays 0: never. */
function atLeast(ms: number, least: number): number {
  return ms > 0 ? Math.max(ms, least) : 0
}

/**
 * Why a schedule cannot be used, in a few words. Undefined where it can. An unknown time zone counts as
 * absent.
 */
export function scheduleError(schedule: string, timeZone: string | undefined): string | undefined {
  try {
    const cron = cronOf(schedule, isTimeZone(timeZone) ? timeZone : undefined)
    return cron.nextRun() === null ? 'it never comes due' : undefined
  } catch (error) {
    return words(error instanceof Error ? error.message : String(error))
  }
}

/** True for a known time zone. Absent: UTC. */
export function isTimeZone(timeZone: string | undefined): boolean {
  if (!timeZone) return true
  try {
    return Boolean(new Intl.DateTimeFormat('en', { timeZone }))
  } catch {
    return false
  }
}

/** The parser's message without class names and without the whole schedule, which may be long. */
function words(message: string): string {
  const [, detail = ''] =
    /^CronPattern: (?:Syntax error, )?((?!invalid configuration format).*?)\.?$/.exec(message) ?? []
  return detail && detail.length <= MAX_WORDS
    ? detail.charAt(0).toLowerCase() + detail.slice(1)
    : 'it takes minute, hour, day of month, month and day of week, as in 30 3 * * 1-5'
}

function bySchedule(schedule: string, timeZone: string | undefined, after: Date): Date | undefined {
  if (!isTimeZone(timeZone) || scheduleError(schedule, timeZone) !== undefined) return undefined
  return cronOf(schedule, timeZone).nextRun(after) ?? undefined
}

function cronOf(schedule: string, timeZone: string | undefined): Cron {
  return new Cron(schedule, { paused: true, mode: '5-part', timezone: timeZone || 'UTC' })
}

function millisecondsOf(interval: string): number | undefined {
  try {
    return parseDuration(interval)
  } catch (error) {
    if (!(error instanceof InvalidDurationError)) throw error
    return undefined
  }
}

function byInterval(uid: string, every: number, after: Date): Date {
  const place = (createHash('sha256').update(uid).digest().readUInt32BE(0) / 2 ** 32) * every
  const turns = Math.floor((after.getTime() - place) / every) + 1
  return new Date(Math.ceil(place + turns * every))
}
