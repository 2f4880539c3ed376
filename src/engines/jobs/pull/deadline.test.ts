import { describe, expect, it } from 'vitest'
import { compiledOf } from '../../../../test/builders/image-cache.ts'
import { SETTINGS, jobOf } from '../../../../test/builders/job.ts'
import { desiredOf, entryOf, failedEntryOf } from '../../../../test/builders/node-images.ts'
import { nodeOf } from '../../../../test/builders/node.ts'
import { podOf } from '../../../../test/builders/pod.ts'
import { T0, at } from '../../../../test/builders/time.ts'
import { nodeListInventory } from '../../../core/node/index.ts'
import { deadlineMs, pullDeadlineMs } from './deadline.ts'
import type { JobMethod } from './pull-job.ts'
import { type PullWork, workOf } from './testing-decide.ts'

const IMAGES = ['r.test/a:1', 'r.test/b:1', 'r.test/c:1']
const cache = compiledOf('cache', IMAGES)
const listed = nodeOf('n1', [['pause:1']])

/** Seconds from when the kubelet took the Pod up. */
function deadline(method: JobMethod, images: readonly string[], changes: Partial<PullWork>): number {
  const job = jobOf(images, method)
  const work = workOf(cache, changes)
  return (deadlineMs(job, podOf(job), { ...work, inventory: nodeListInventory(work.node) }) - T0) / 1000 - 1
}

describe('deadlineMs', () => {
  const present = { state: 'Present', since: at(101), by: 'Job', revision: 1 } as const
  const ended = [entryOf('r.test/a:1', { presence: present })]
  const failed = [failedEntryOf('r.test/a:1', 'PullFailed', { finishedAt: at(101) })]
  const always = desiredOf(IMAGES, cache).map(image => ({ ...image, pullPolicy: 'Always' as const }))
  it.each<{
    name: string
    method: JobMethod
    images: readonly string[]
    changes: Partial<PullWork>
    seconds: number
  }>([
    { name: 'one image', method: 'batch', images: ['r.test/a:1'], changes: { node: listed }, seconds: 300 },
    {
      name: 'a full list: each image adds its own',
      method: 'batch',
      images: IMAGES,
      changes: {},
      seconds: 900,
    },
    {
      name: 'one container for each image, a full list: all volumes come before the first container',
      method: 'single',
      images: IMAGES,
      changes: {},
      seconds: 900,
    },
    {
      name: 'a whole list: one image, and the delay of the list',
      method: 'batch',
      images: IMAGES,
      changes: { node: listed },
      seconds: 360,
    },
    {
      name: 'a whole list that has shown an image: from there on',
      method: 'batch',
      images: IMAGES,
      changes: { node: listed, ledger: ended },
      seconds: 460,
    },
    {
      name: 'a list that proves nothing for moving tags',
      method: 'batch',
      images: IMAGES,
      changes: { node: listed, desired: always },
      seconds: 900,
    },
    {
      name: 'containers: from the end of the image before',
      method: 'containers',
      images: IMAGES,
      changes: { ledger: ended },
      seconds: 400,
    },
    {
      name: 'containers: from the failure of the image before',
      method: 'containers',
      images: IMAGES,
      changes: { ledger: failed },
      seconds: 400,
    },
    {
      name: 'containers, none of which has ended',
      method: 'containers',
      images: IMAGES,
      changes: {},
      seconds: 300,
    },
  ])('$name', ({ method, images, changes, seconds }) => {
    expect(deadline(method, images, changes)).toBe(seconds)
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
