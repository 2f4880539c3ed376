import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { HostGate } from './host-gate.ts'
import { RegistryError } from './registry-error.ts'

/** Work that the test ends. */
function openWork() {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  let started = false
  const work = () => {
    started = true
    return promise
  }
  return { work, resolve, reject, isStarted: () => started }
}

test('requests to one host run up to the limit, in order, and other hosts do not wait', async () => {
  const gate = new HostGate(2)
  const jobs = [openWork(), openWork(), openWork(), openWork()]
  const results = jobs.map(({ work }) => gate.run('a', undefined, work))
  expect(await gate.run('b', undefined, async () => 'other')).toBe('other')
  expect(jobs.map(job => job.isStarted())).toEqual([true, true, false, false])
  jobs[1]?.reject(new Error('broken'))
  await expect(results[1]).rejects.toThrow('broken')
  await turn()
  expect(jobs.map(job => job.isStarted())).toEqual([true, true, true, false])
  for (const job of jobs) job.resolve('done')
  expect(await Promise.all([results[0], results[2], results[3]])).toEqual(['done', 'done', 'done'])
})

test('an aborted wait takes no place', async () => {
  const gate = new HostGate(1)
  const [first, second, third] = [openWork(), openWork(), openWork()]
  const called = new AbortController()
  const one = gate.run('a', undefined, first.work)
  const two = gate.run('a', called.signal, second.work)
  const three = gate.run('a', undefined, third.work)
  called.abort(new Error('enough'))
  await expect(two).rejects.toThrow('enough')
  first.resolve('1')
  third.resolve('3')
  expect([await one, await three]).toEqual(['1', '3'])
  expect(second.isStarted()).toBe(false)
  await expect(gate.run('a', called.signal, second.work)).rejects.toThrow('enough')
})

test('after a 429 waiting and new requests fail until the pause ends', async () => {
  let now = 0
  const gate = new HostGate(1, () => now)
  const job = openWork()
  const limited = gate.run('a', undefined, job.work)
  const waiting = gate.run('a', undefined, async () => 'never')
  job.reject(new RegistryError('RateLimited', '429', { retryAfterMs: 5000 }))
  await expect(limited).rejects.toMatchObject({ code: 'RateLimited', retryAfterMs: 5000, message: '429' })
  await expect(waiting).rejects.toMatchObject({ code: 'RateLimited', retryAfterMs: 5000 })
  now = 4000
  await expect(gate.run('a', undefined, async () => 'never')).rejects.toMatchObject({ retryAfterMs: 1000 })
  expect(await gate.run('b', undefined, async () => 'other')).toBe('other')
  now = 5000
  expect(await gate.run('a', undefined, async () => 'again')).toBe('again')
})

test('a 429 without Retry-After is a pause of one minute', async () => {
  const gate = new HostGate(1, () => 0)
  const fail = () => Promise.reject(new RegistryError('RateLimited', '429'))
  await expect(gate.run('a', undefined, fail)).rejects.toMatchObject({ retryAfterMs: 60_000 })
})

test('a shorter pause does not end a longer one', async () => {
  const gate = new HostGate(2, () => 0)
  const [long, short] = [openWork(), openWork()]
  const results = [gate.run('a', undefined, long.work), gate.run('a', undefined, short.work)]
  long.reject(new RegistryError('RateLimited', '429', { retryAfterMs: 9000 }))
  short.reject(new RegistryError('RateLimited', '429', { retryAfterMs: 1000 }))
  await Promise.allSettled(results)
  await expect(gate.run('a', undefined, async () => '')).rejects.toMatchObject({ retryAfterMs: 9000 })
})
