import { describe, expect, it } from 'vitest'
import { WriteBudget, type WriteKind } from './write-budget.ts'

/** When each of so many nodes may write, in milliseconds, if all ask at the time 0. */
function turns(budget: WriteBudget, kind: WriteKind, count: number, bytes = 1_000): number[] {
  return Array.from({ length: count }, (_, index) => budget.waitMs(`${kind}-${index}`, kind, bytes, 10_000))
}

describe('the budget of writes', () => {
  it('spreads the writes of many nodes', () => {
    const waits = turns(new WriteBudget(50), 'record', 5_000)
    expect(waits[0]).toBe(0)
    expect(waits.at(-1)).toBeGreaterThan(98_000)
    expect(waits.at(-1)).toBeLessThanOrEqual(100_000)
  })

  it('limits bytes as well', () => {
    expect(turns(new WriteBudget(50), 'record', 11, 1_000_000).at(-1)).toBe(9_500)
  })

  it('keeps the turn of a node that asks again too early', () => {
    const budget = new WriteBudget(1)
    expect(budget.waitMs('first', 'record', 1, 10_000)).toBe(0)
    const wait = budget.waitMs('second', 'record', 1, 10_000)
    expect(wait).toBe(500)
    for (let now = 10_000; now < 10_500; now += 50) budget.waitMs('second', 'record', 1, now)
    expect(budget.waitMs('second', 'record', 1, 10_500)).toBe(0)
    expect(budget.waitMs('second', 'record', 1, 10_501)).toBeGreaterThan(0)
  })

  it('lets work go before thousands of records', () => {
    const budget = new WriteBudget(50)
    turns(budget, 'record', 5_000)
    expect(turns(budget, 'work', 10).at(-1)).toBe(0)
  })
})
