import { describe, expect, it } from 'vitest'
import { jobOf } from '../../../test/builders/job.ts'
import type { PullJob } from './pull/index.ts'
import { JobSlots } from './job-slots.ts'

function job(name: string, cache: string): PullJob {
  return { ...jobOf([]), metadata: { name, namespace: 'ns' }, cache }
}

function slots(maxSurge: number, nodeCount = 10, isShared = false) {
  const inFlight: PullJob[] = []
  const woken: string[] = []
  const made = new JobSlots({
    inFlight: () => inFlight,
    nodeCount: () => nodeCount,
    maxSurge,
    isShared: () => isShared,
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

describe('JobSlots of two namespaces', () => {
  const nodes = (prefix: string, count: number) =>
    Array.from({ length: count }, (_, index) => `${prefix}${index}`)

  it('leave slots to the other one where the pulls of one never end', () => {
    const { start } = slots(20, 100, true)
    const trickles = nodes('a', 100).filter(node => start(node, 'loud/cache'))
    expect(trickles).toHaveLength(15)
    expect(nodes('b', 100).filter(node => start(node, 'quiet/cache'))).toHaveLength(4)
    expect(nodes('c', 100).filter(node => start(node, 'third/cache'))).toHaveLength(1)
  })

  it('are all for one where there is only one', () => {
    const { start } = slots(20, 100, false)
    expect(nodes('a', 100).filter(node => start(node, 'loud/cache'))).toHaveLength(20)
  })

  it('give a slot that is free to the namespace with the fewest Jobs, not to the first that waits', () => {
    const { start, end, woken } = slots(4, 100, true)
    for (const node of nodes('a', 6)) start(node, 'loud/cache')
    expect(start('b0', 'quiet/cache')).toBe(true)
    expect(start('b1', 'quiet/cache')).toBe(false)
    end('a0')
    expect(woken).toEqual(['b1'])
  })

  it('let first pulls of one not stop refreshes of the other', () => {
    const { start, end, inFlight, woken } = slots(4, 100, true)
    for (const node of nodes('a', 50)) start(node, 'loud/cache', true)
    for (const node of nodes('b', 50)) start(node, 'quiet/cache', false)
    // Whoever is woken starts; loud has always something new to pull for the first time.
    for (let round = 0; round < 60; round++) {
      const [oldest] = inFlight
      if (!oldest) break
      woken.length = 0
      end(oldest.metadata.name)
      for (const node of woken)
        start(node, node.startsWith('a') ? 'loud/cache' : 'quiet/cache', node.startsWith('a'))
      start(`a-${round}`, 'loud/cache', true)
    }
    expect(inFlight.some(({ cache }) => cache === 'quiet/cache')).toBe(true)
  })
})
