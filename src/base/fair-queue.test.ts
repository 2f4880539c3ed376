import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FairQueue } from './fair-queue.ts'

function drain(queue: FairQueue<string>): string[] {
  const taken: string[] = []
  for (let item = queue.take(); item !== undefined; item = queue.take()) taken.push(item)
  return taken
}

describe('a fair queue', () => {
  it('gives each group its turn', () => {
    const queue = new FairQueue<string>(10)
    for (const item of ['a1', 'a2', 'a3', 'b1', 'b2', 'c1']) queue.add(item.slice(0, 1), item)
    expect(drain(queue)).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3'])
  })

  it('takes from the largest group when it is full', () => {
    const queue = new FairQueue<string>(4)
    for (const item of ['a1', 'a2', 'a3', 'a4']) expect(queue.add('a', item)).toBeUndefined()
    expect(queue.add('b', 'b1')).toBe('a1')
    expect(queue.add('a', 'a5')).toBe('a2')
    expect(queue.add('b', 'b2')).toBe('a3')
    expect(drain(queue)).toEqual(['a4', 'b1', 'a5', 'b2'])
  })

  it('holds an item once', () => {
    const queue = new FairQueue<string>(4)
    queue.add('a', 'x')
    queue.add('a', 'x')
    expect(queue.size).toBe(1)
    expect(queue.clear()).toBe(1)
    expect(queue.take()).toBeUndefined()
  })

  it('loses nothing of a group within its share, whatever the others add', () => {
    const step = fc.record({ group: fc.constantFrom('a', 'b', 'c'), take: fc.boolean() })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), steps => {
        const capacity = 12
        const queue = new FairQueue<string>(capacity)
        const held = new Set<string>()
        steps.forEach(({ group, take }, i) => {
          if (take) {
            const item = queue.take()
            expect(item !== undefined).toBe(held.size > 0)
            if (item !== undefined) expect(held.delete(item)).toBe(true)
            return
          }
          held.add(`${group}${i}`)
          const lost = queue.add(group, `${group}${i}`)
          if (lost === undefined) return
          expect(held.delete(lost)).toBe(true)
          const left = [...held].filter(item => item.startsWith(lost.slice(0, 1))).length
          expect(left, 'the loser keeps its share').toBeGreaterThanOrEqual(capacity / 3 - 1)
        })
        expect(queue.size).toBe(held.size)
        expect(queue.size).toBeLessThanOrEqual(capacity)
      }),
    )
  })
})
