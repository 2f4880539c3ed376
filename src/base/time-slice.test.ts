import { expect, it } from 'vitest'
import { isSliceOver, nextTurn } from './time-slice.ts'

function burn(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}

it('lets timers fire while many loops compute, and gives each loop its turn', async () => {
  const done = Array.from({ length: 20 }, () => 0)
  let fired = 0
  const timer = setInterval(() => (fired += 1), 1)
  const until = performance.now() + 1000
  await Promise.all(
    done.map(async (_, i) => {
      while (performance.now() < until) {
        while (isSliceOver()) await nextTurn()
        burn(2)
        done[i] = (done[i] ?? 0) + 1
      }
    }),
  )
  clearInterval(timer)
  // Without a yield no timer fires, and the first loop takes all the time.
  expect(fired).toBeGreaterThan(3)
  expect(Math.min(...done)).toBeGreaterThan(1)
})

it('counts a slice from the first question after a turn', async () => {
  await new Promise(setImmediate)
  expect(isSliceOver()).toBe(false)
  burn(10)
  expect(isSliceOver()).toBe(true)
  await nextTurn()
  expect(isSliceOver()).toBe(false)
})
