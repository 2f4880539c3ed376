import { describe, expect, it } from 'vitest'
import { compiledOf } from '../../../../test/builders/image-cache.ts'
import { jobOf } from '../../../../test/builders/job.ts'
import { desiredOf, entryOf, failedEntryOf } from '../../../../test/builders/node-images.ts'
import { nodeOf } from '../../../../test/builders/node.ts'
import { podOf } from '../../../../test/builders/pod.ts'
import { T0, at } from '../../../../test/builders/time.ts'
import { nodeListInventory } from '../../../core/node/index.ts'
import { deadlineMs } from './deadline.ts'
import type { JobMethod } from './pull-job.ts'
import { type PullWork, workOf } from './testing-decide.ts'

const IMAGES = ['r.test/a:1', 'r.test/b:1', 'r.test/c:1']
const cache = compiledOf('cache', IMAGES)
const listed = nodeOf('n1', [['pause:1']])

/** Seconds from when the Pod was made. */
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

describe('a deadline that an author sets', () => {
  const after = (method: JobMethod, count: number, pullDeadline: string, changes: Partial<PullWork> = {}) => {
    const images = Array.from({ length: count }, (_, index) => `r.test/app:${index}`)
    const own = compiledOf('cache', images, { pullDeadline })
    return deadline(method, images, { caches: new Map([[own.owner, own]]), ...changes })
  }

  it.each([
    { pullDeadline: '1ns', count: 1, seconds: 10 },
    { pullDeadline: '1000h', count: 1, seconds: 3_600 },
    { pullDeadline: '30m', count: 10, seconds: 3_600 },
    { pullDeadline: '1m', count: 10, seconds: 600 },
  ])(
    'of $pullDeadline holds a Job of $count images for $seconds s at most',
    ({ pullDeadline, count, seconds }) => {
      expect(after('batch', count, pullDeadline)).toBe(seconds)
    },
  )

  it('holds a Job for an hour at most, also where one image after another ends late', () => {
    const since = at(3_500)
    const ledger = [entryOf('r.test/app:0', { presence: { state: 'Present', since, by: 'Job' } })]
    expect(after('containers', 3, '1h', { ledger })).toBe(3_600)
  })
})

it.each([-86_400, -120, 120, 86_400])('a kubelet whose clock is %i s ahead changes no deadline', skew => {
  const job = jobOf(['r.test/a:1'])
  const work = workOf(cache)
  const input = { ...work, inventory: nodeListInventory(work.node) }
  expect(deadlineMs(job, podOf(job, { skew }), input)).toBe(deadlineMs(job, podOf(job), input))
})
