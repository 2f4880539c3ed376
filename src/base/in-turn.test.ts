import fc from 'fast-check'
import { expect, it } from 'vitest'
import { inTurn } from './in-turn.ts'

const group = (item: string) => item.slice(0, 1)

it('gives each group its turn', () => {
  expect(inTurn(['a1', 'a2', 'a3', 'b1', 'c1', 'c2'], group)).toEqual(['a1', 'b1', 'c1', 'a2', 'c2', 'a3'])
  expect(inTurn([], group)).toEqual([])
})

it('loses nothing, and keeps the order within a group', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.nat())), items => {
      const turns = inTurn(items, ([name]) => name)
      for (const name of ['a', 'b', 'c']) {
        const own = ([other]: readonly [string, number]) => other === name
        expect(turns.filter(own)).toEqual(items.filter(own))
      }
    }),
  )
})
