import { describe, expect, it } from 'vitest'
import { isKubeError } from './errors.ts'
import { ManualClock } from '../base/manual-clock.ts'
import { TokenBucket } from './token-bucket.ts'

describe('TokenBucket', () => {
  it('grants the burst at once and the rest in order, spaced by the rate', () => {
    const clock = new ManualClock()
    const bucket = new TokenBucket(10, 3, clock)
    expect([1, 2, 3, 4, 5].map(() => bucket.reserve())).toEqual([0, 0, 0, 100, 200])
    clock.advance(200)
    expect(bucket.reserve()).toBe(100)
  })

  it('never holds more than the burst', () => {
    const clock = new ManualClock()
    const bucket = new TokenBucket(10, 2, clock)
    clock.advance(60_000)
    expect([1, 2, 3].map(() => bucket.tryTake())).toEqual([true, true, false])
    clock.advance(100)
    expect(bucket.tryTake()).toBe(true)
  })

  it('returns the token of an aborted wait', async () => {
    const bucket = new TokenBucket(1, 1, new ManualClock())
    await bucket.take()
    const before = bucket.reserve()
    const error = await bucket.take(AbortSignal.abort()).catch((thrown: unknown) => thrown)
    expect(isKubeError(error, 'Aborted')).toBe(true)
    expect(bucket.reserve() - before).toBe(1000)
  })
})
