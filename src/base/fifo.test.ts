import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Fifo } from './fifo.ts'

it('gives back what was added, in order, for every sequence of calls', () => {
  // Runs of up to 3 000 calls, so that the queue also drops its taken places.
  const run = fc.record({ add: fc.boolean(), times: fc.integer({ min: 1, max: 3000 }) })
  fc.assert(
    fc.property(fc.array(run, { maxLength: 12 }), runs => {
      const fifo = new Fifo<number>()
      let [added, taken] = [0, 0]
      for (const { add, times } of runs) {
        for (let i = 0; i < times; i++) {
          if (add) fifo.push(added++)
          else if (taken < added) expect(fifo.shift()).toBe(taken++)
          else expect(fifo.shift()).toBeUndefined()
        }
        expect(fifo.length).toBe(added - taken)
      }
    }),
    { numRuns: 30 },
  )
})
