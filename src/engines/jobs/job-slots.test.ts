import { describe, expect, it } from 'vitest'
import { jobOf } from '../../../test/builders/job.ts'
import type { PullJob } from './pull/index.ts'
import { JobSlots } from './job-slots.ts'

function job(name: string, cache: string): PullJob {
  return { ...jobOf([]), metadata: { name, namespace: 'ns' }, cache }
}

function slots(maxSurge: number, nodeCount = 10) {
  const inFlight: PullJob[] = []
  const woken: string[] = []
  const made = new JobSlots({
    inFlight: () => inFlight,
    nodeCount: () => nodeCount,
    maxSurge,
    wake: node => woken.push(node),
  })
  /** Takes a slot and makes the Job, as the reconciler does. */
  const start = (node: string, cache: string, urgent = true): boolean => {
    const taken = made.tryTake(node, cache, urgent)
    if (taken) inFlight.push(job(node, cache))
    made.release(node)
    return taken
  }
  const end = (name: string): void => {
    inFlight.splice(
      inFlight.findIndex(each => each.metadata.name === name),
      1,
    )
    made.wakeNext()
  }
  return { made, start, end, woken, inFlight }
}

describe('JobSlots', () => {
  it('never gives more slots than the limit', () => {
    const { start, inFlight } = slots(3)
    const taken = Array.from({ length: 10 }, (_, index) => start(`n${index}`, 'c'))
    expect(taken.filter(Boolean)).toHaveLength(3)
    expect(inFlight).toHaveLength(3)
  })

  it('counts a slot from the moment it is taken, before the Job is seen', () => {
    const { made } = slots(1)
    expect(made.tryTake('a', 'c', true)).toBe(true)
    expect(made.tryTake('b', 'c', true)).toBe(false)
  })

  it('gives the slot of a Job that was read to its end to the next one of its node, and to no other', () => {
    const { made, start, inFlight } = slots(1)
    start('a', 'c')
    const ended = inFlight.filter(each => each.metadata.name === 'a')
    expect(made.tryTake('b', 'c', true)).toBe(false)
    expect(made.tryTake('a', 'c', true)).toBe(false)
    expect(made.tryTake('a', 'c', true, ended)).toBe(true)
  })

  it('is as wide as the cluster where nothing is said, 100 at most', () => {
    const few = slots(0, 4)
    expect(Array.from({ length: 9 }, (_, index) => few.start(`n${index}`, 'c')).filter(Boolean)).toHaveLength(
      4,
    )
    const many = slots(0, 5000)
    expect(
      Array.from({ length: 120 }, (_, index) => many.start(`n${index}`, 'c')).filter(Boolean),
    ).toHaveLength(100)
  })

  it('wakes who waits when a Job ends, images that nobody has tried first', () => {
    const { start, end, woken } = slots(1)
    start('a', 'c')
    start('refresh', 'c', false)
    start('new', 'c', true)
    end('a')
    expect(woken).toEqual(['new'])
  })

  it('lets no refresh past somebody who waits for a first pull', () => {
    const { made, start, end } = slots(2)
    start('a', 'c')
    start('b', 'c')
    expect(start('new', 'c', true)).toBe(false)
    // One slot is free, and "new" was not woken yet.
    made.leave('nobody')
    expect(start('refresh', 'c', false)).toBe(false)
    end('a')
    expect(start('new', 'c', true)).toBe(true)
  })

  it('gives the next turn to the cache with the fewest Jobs', () => {
    const { start, end, woken } = slots(3)
    start('a', 'big')
    start('b', 'big')
    start('c', 'small')
    start('d', 'big')
    start('e', 'small')
    end('c')
    expect(woken).toEqual(['e'])
  })

  it('forgets who has nothing to start any more', () => {
    const { made, start, end, woken } = slots(1)
    start('a', 'c')
    start('b', 'c')
    made.leave('b')
    end('a')
    expect(woken).toEqual([])
  })
})
