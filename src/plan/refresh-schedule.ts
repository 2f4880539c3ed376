import { createHash } from 'node:crypto'
import { Cron } from 'croner'
import { InvalidDurationError, parseDuration } from '../api/duration.ts'
import type { ImageCache } from '../api/image-cache.ts'

/** Least time between two refreshes: an interval of `1ns` is for the CRD a duration like any other. */
const LEAST_MS = 1_000

/**
 * When a cache is refreshed next, after a moment; undefined where never. By interval, each cache has its own place in
 * the interval, by a hash of its UID: not all of them ask the registries in the same second, and a restart changes nothing.
 * A schedule or interval that cannot be read counts as none given: the CRD and the webhook refuse it.
 *
 * @param frequencyMs `--image-cache-refresh-frequency` in milliseconds, 0: never
 */
export function nextRefresh(cache: ImageCache, frequencyMs: number, after: Date): Date | undefined {
  const { interval, schedule, timeZone, suspend } = cache.spec.refresh ?? {}
  if (suspend) return undefined
  const next = schedule ? bySchedule(schedule, timeZone, after) : undefined
  if (next) return next
  const every = interval ? millisecondsOf(interval, frequencyMs) : frequencyMs
  return every > 0 ? byInterval(cache.metadata.uid ?? '', Math.max(every, LEAST_MS), after) : undefined
}

/** Why a schedule cannot be used; undefined where it can. */
export function scheduleError(schedule: string, timeZone: string | undefined): string | undefined {
  try {
    return cronOf(schedule, timeZone).nextRun() === null ? 'it never comes due' : undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function bySchedule(schedule: string, timeZone: string | undefined, after: Date): Date | undefined {
  if (scheduleError(schedule, timeZone) !== undefined) return undefined
  return cronOf(schedule, timeZone).nextRun(after) ?? undefined
}

function cronOf(schedule: string, timeZone: string | undefined): Cron {
  return new Cron(schedule, { paused: true, timezone: timeZone || 'UTC' })
}

function millisecondsOf(interval: string, otherwise: number): number {
  try {
    return parseDuration(interval)
  } catch (error) {
    if (!(error instanceof InvalidDurationError)) throw error
    return otherwise
  }
}

function byInterval(uid: string, every: number, after: Date): Date {
  const place = (createHash('sha256').update(uid).digest().readUInt32BE(0) / 2 ** 32) * every
  const turns = Math.floor((after.getTime() - place) / every) + 1
  return new Date(Math.ceil(place + turns * every))
}
