import { describe, expect, it } from 'vitest'
import { deadlineMs, pullDeadlineMs } from './deadline.ts'
import { SETTINGS, T0, at, compiledOf, desiredOf, entryOf, jobOf, nodeOf, podOf, workOf } from './testing.ts'
import type { JobMethod } from './pull-job.ts'
import type { NodeWork } from './node-work.ts'

const IMAGES = ['r.test/a:1', 'r.test/b:1', 'r.test/c:1']
const cache = compiledOf('cache', IMAGES)
const listed = nodeOf('n1', [['pause:1']])

/** Seconds from when the kubelet took the Pod up. */
function deadline(method: JobMethod, images: readonly string[], changes: Partial<NodeWork> = {}): number {
  const job = jobOf(images, method)
  return (deadlineMs(job, podOf(job), workOf(cache, changes)) - T0) / 1000 - 1
}

describe('deadlineMs', () => {
  const ended = [entryOf('r.test/a:1', { job: 'j', finishedAt: at(101) })]
  const always = desiredOf(IMAGES, cache).map(image => ({ ...image, pullPolicy: 'Always' as const }))
  it.each<[string, JobMethod, readonly string[], Partial<NodeWork>, number]>([
    ['one image', 'batch', ['r.test/a:1'], { node: listed }, 300],
    ['a full list: each image adds its own', 'batch', IMAGES, {}, 900],
    ['one container each, a full list: volumes come before all of them', 'single', IMAGES, {}, 900],
    ['a list that tells: one, and its lag', 'batch', IMAGES, { node: listed }, 360],
    ['a list that told: from there on', 'batch', IMAGES, { node: listed, ledger: ended }, 460],
    ['a list that is not believed', 'batch', IMAGES, { node: listed, desired: always }, 900],
    ['containers: from the end of the one before', 'containers', IMAGES, { ledger: ended }, 400],
    ['containers, none ended', 'containers', IMAGES, {}, 300],
  ])('%s', (_, method, images, changes, expected) => {
    expect(deadline(method, images, changes)).toBe(expected)
  })
})

describe('pullDeadlineMs', () => {
  it.each([
    [undefined, 300_000],
    ['', 300_000],
    ['90s', 90_000],
    ['1h', 3_600_000],
    ['0s', 300_000],
    ['soon', 300_000],
  ])('%s', (pullDeadline, expected) => {
    const own = compiledOf('cache', IMAGES, pullDeadline === undefined ? {} : { pullDeadline })
    expect(pullDeadlineMs(own, SETTINGS)).toBe(expected)
    expect(pullDeadlineMs(undefined, SETTINGS)).toBe(300_000)
  })
})
