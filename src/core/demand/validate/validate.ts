import { isDeepStrictEqual } from 'node:util'
import { InvalidDurationError, parseDuration } from '../../../base/duration.ts'
import type { ImageCacheSpec } from '../../../api/image-cache.ts'
import { templateProblems } from '../job-template.ts'
import { isTimeZone, scheduleError } from '../refresh-schedule.ts'
import { type Finding, finding, quoted } from './finding.ts'
import { imageFindings } from './images.ts'
import { keyFindings, selectorFindings, valueFindings } from './selectors.ts'
import { specWarnings } from './warnings.ts'

/** Result of a validation. */
export interface Validation {
  /** Reasons to refuse it. */
  readonly errors: readonly string[]
  /** Warnings for the author of an accepted spec. */
  readonly warnings: readonly string[]
}

const FINE: Validation = Object.freeze({ errors: [], warnings: [] })

/**
 * Checks what a schema cannot: image references, duplicates, selectors, durations, schedules. Pure, and
 * linear in the size of the spec.
 *
 * An update is not refused for a fault that the old object has too, so that an existing object can always be
 * changed. An unchanged spec is always valid.
 *
 * @param previous the spec before an update
 */
export function validateImageCache(next: ImageCacheSpec, previous?: ImageCacheSpec): Validation {
  if (isDeepStrictEqual(next, previous)) return FINE
  const known = new Set(previous ? specFindings(previous).map(({ key }) => key) : [])
  const errors = specFindings(next).filter(({ key }) => !known.has(key))
  return {
    errors: [...new Set(errors.map(({ message }) => message))],
    warnings: errors.length > 0 ? [] : [...new Set(specWarnings(next))],
  }
}

function specFindings(spec: ImageCacheSpec): Finding[] {
  return [
    ...spec.cacheSpec.flatMap(list => [...imageFindings(list), ...selectorFindings(list)]),
    ...durationFindings('pullDeadline', spec.pullDeadline, false),
    ...refreshFindings(spec.refresh),
    ...jobTemplateFindings(spec.jobTemplate),
  ]
}

function* durationFindings(field: string, value: string | undefined, zero: boolean): Generator<Finding> {
  if (!value) return
  try {
    const ms = parseDuration(value)
    if (ms < 0 || (ms === 0 && !zero)) {
      yield finding(`${field}: it takes a duration of ${zero ? '0s or more' : 'more than 0s'}`)
    }
  } catch (error) {
    if (!(error instanceof InvalidDurationError)) throw error
    yield finding(`${field}: ${error.message}`)
  }
}

function* refreshFindings(refresh: ImageCacheSpec['refresh']): Generator<Finding> {
  const { interval, schedule, timeZone } = refresh ?? {}
  yield* durationFindings('refresh.interval', interval, true)
  if (!schedule) return
  if (!isTimeZone(timeZone)) {
    yield finding(`refresh.timeZone: ${quoted(timeZone ?? '')} is not a time zone such as Europe/Berlin`)
  }
  const problem = scheduleError(schedule, timeZone)
  if (problem) yield finding(`refresh.schedule: ${quoted(schedule)} is not a schedule: ${problem}`)
}

function* jobTemplateFindings(template: ImageCacheSpec['jobTemplate']): Generator<Finding> {
  for (const problem of templateProblems(template)) yield finding(problem)
  for (const [key, value] of Object.entries(template?.labels ?? {})) {
    yield* keyFindings('jobTemplate.labels', key)
    yield* valueFindings('jobTemplate.labels', value)
  }
  // Keys of annotations have the same grammar, but their prefix may be in any case.
  for (const key of Object.keys(template?.annotations ?? {})) {
    yield* keyFindings('jobTemplate.annotations', key.toLowerCase())
  }
}
