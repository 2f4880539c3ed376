import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ManualClock } from '../base/manual-clock.ts'
import { KubeError } from './errors.ts'
import { type HandlerResult, type RunOptions, WorkQueue } from './work-queue.ts'

/** Runs everything that is ready to run. A worker may wait for a turn of the event loop. */
async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise(setImmediate)
}

function start(
  queue: WorkQueue<string>,
  handler: (key: string, signal: AbortSignal) => Promise<HandlerResult>,
  options: Partial<RunOptions<string>> = {},
): { stop: () => Promise<void>; ended: () => boolean } {
  const controller = new AbortController()
  let ended = false
  const run = queue
    .run({ workers: 1, handler, signal: controller.signal, ...options })
    .finally(() => (ended = true))
  return {
    stop: () => {
      controller.abort()
      return run
    },
    ended: () => ended,
  }
}

describe('WorkQueue', () => {
  it('hands out a key once however often it is added', async () => {
    const queue = new WorkQueue()
    const handled: string[] = []
    queue.add('a')
    queue.add('a')
    queue.add('b')
    expect(queue.size).toBe(2)
    const { stop } = start(queue, async key => void handled.push(key))
    await settle()
    await stop()
    expect(handled).toEqual(['a', 'b'])
    expect(queue.size).toBe(0)
  })

  it('hands out a key again when it was added while being handled, never to two workers at a time', async () => {
    const queue = new WorkQueue()
    const gates: (() => void)[] = []
    let running = 0
    let most = 0
    const { stop } = start(
      queue,
      async () => {
        most = Math.max(most, ++running)
        await new Promise<void>(resolve => gates.push(resolve))
        running--
      },
      { workers: 3 },
    )
    queue.add('a')
    await settle()
    queue.add('a')
    queue.add('a')
    await settle()
    expect(gates).toHaveLength(1)
    gates[0]?.()
    await settle()
    expect(gates).toHaveLength(2)
    gates[1]?.()
    await settle()
    expect(gates).toHaveLength(2)
    expect(most).toBe(1)
    await stop()
  })

  it('tries a failed key again after 5 ms, doubled at every failure, until it succeeds', async () => {
    const clock = new ManualClock()
    const queue = new WorkQueue({ clock })
    const at: number[] = []
    const errors: unknown[] = []
    const { stop } = start(
      queue,
      async () => {
        at.push(clock.now())
        if (at.length < 5) throw new Error('not yet')
      },
      { onError: (key, error) => errors.push([key, error]) },
    )
    queue.add('a')
    for (let i = 0; i < 200; i++) {
      await settle()
      clock.advance(1)
    }
    expect(at).toEqual([0, 5, 15, 35, 75])
    expect(errors).toHaveLength(4)
    expect(errors[0]).toEqual(['a', new Error('not yet')])
    queue.addRateLimited('a')
    clock.advance(5)
    await settle()
    expect(at, 'success made the back-off start anew').toHaveLength(6)
    await stop()
  })

  it('never waits longer than 1 000 s for one key', () => {
    const clock = new ManualClock()
    const queue = new WorkQueue({ clock })
    for (let i = 0; i < 60; i++) {
      queue.addRateLimited('a')
      clock.advance(1_000_000)
    }
    queue.forget('a')
    expect(queue.size).toBe(1)
    expect(queue.retries).toBe(60)
  })

  it('retries 100 failures at once and 10 per second after that', () => {
    const clock = new ManualClock()
    const queue = new WorkQueue({ clock })
    for (let i = 0; i < 130; i++) queue.addRateLimited(`key-${i}`)
    clock.advance(5)
    expect(queue.size).toBe(100)
    clock.advance(1000)
    expect(queue.size).toBe(110)
    clock.advance(2000)
    expect(queue.size).toBe(130)
  })

  it('drops a key whose error is terminal and counts it', async () => {
    const clock = new ManualClock()
    const queue = new WorkQueue({ clock })
    const seen: unknown[] = []
    let calls = 0
    const error = Object.assign(new Error('never'), { terminal: true })
    const { stop } = start(
      queue,
      async () => {
        calls++
        throw error
      },
      { onError: (_, thrown) => seen.push(thrown) },
    )
    queue.add('a')
    await settle()
    clock.advance(10_000_000)
    await settle()
    expect(calls).toBe(1)
    expect(queue.terminalErrors).toBe(1)
    expect(seen).toEqual([error])
    await stop()
  })

  it('queues a key again when its handler asked for it', async () => {
    const clock = new ManualClock()
    const queue = new WorkQueue({ clock })
    const at: number[] = []
    const { stop } = start(queue, async () => {
      at.push(clock.now())
      return at.length < 3 ? { requeueAfterMs: 100 } : undefined
    })
    queue.add('a')
    await settle()
    for (let i = 0; i < 5; i++) {
      clock.advance(100)
      await settle()
    }
    expect(at).toEqual([0, 100, 200])
    await stop()
  })

  it('keeps the earliest of several delays', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 20 }), delays => {
        const clock = new ManualClock()
        const queue = new WorkQueue({ clock })
        for (const ms of delays) queue.addAfter('a', ms)
        const earliest = Math.min(...delays)
        clock.advance(earliest - 1)
        expect(queue.size).toBe(0)
        clock.advance(1)
        expect(queue.size).toBe(1)
        clock.advance(10_000)
        expect(queue.size).toBe(1)
      }),
    )
  })

  it('finishes running handlers when it ends, and keeps the rest queued', async () => {
    const clock = new ManualClock()
    const queue = new WorkQueue({ clock })
    let release = () => {}
    let cutOff: AbortSignal | undefined
    const handled: string[] = []
    const { stop, ended } = start(queue, async (key, signal) => {
      cutOff = signal
      await new Promise<void>(resolve => (release = resolve))
      handled.push(key)
    })
    queue.add('a')
    queue.add('b')
    await settle()
    const stopped = stop()
    await settle()
    expect(ended()).toBe(false)
    expect(cutOff?.aborted).toBe(false)
    clock.advance(3000)
    expect(cutOff?.aborted, 'the handler is cut off after the drain time').toBe(true)
    release()
    await stopped
    expect(handled).toEqual(['a'])
    expect(queue.size).toBe(1)
  })

  it('cuts running handlers off at once when the lease is lost', async () => {
    const queue = new WorkQueue({ clock: new ManualClock() })
    const stop = new AbortController()
    const reasons: unknown[] = []
    queue.add('a')
    queue.add('b')
    const run = queue.run({
      workers: 2,
      signal: stop.signal,
      handler: (_, signal) =>
        new Promise<void>(resolve => {
          signal.addEventListener('abort', () => {
            reasons.push(signal.reason)
            resolve()
          })
        }),
    })
    await settle()
    const lost = new KubeError('LeaseLost', 'lost')
    stop.abort(lost)
    expect(reasons).toEqual([lost, lost])
    await run
  })

  it('cuts a handler off after its time, and retries the key with back-off', async () => {
    const clock = new ManualClock()
    const queue = new WorkQueue({ clock })
    const startedAt: number[] = []
    const errors: unknown[] = []
    const { stop } = start(
      queue,
      (_, signal) => {
        startedAt.push(clock.now())
        return new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason))
        })
      },
      { handlerTimeoutMs: 60_000, onError: (_key, error) => errors.push(error) },
    )
    queue.add('slow')
    await settle()
    clock.advance(59_999)
    await settle()
    expect(errors).toEqual([])
    expect(queue.longestHandlerMs).toBe(59_999)
    clock.advance(1)
    await settle()
    expect(errors).toEqual([new Error('the handler of "slow" has run for 60 s')])
    expect(queue.longestHandlerMs, 'the worker is free').toBe(0)
    clock.advance(5)
    await settle()
    expect(startedAt).toEqual([0, 60_005])
    const stopped = stop()
    clock.advance(3000)
    await stopped
  })

  it('lets timers fire while the handlers of several queues compute without a pause', async () => {
    const stop = new AbortController()
    const queues = Array.from({ length: 5 }, () => new WorkQueue())
    let left = 100
    const runs = queues.map(queue => {
      for (let i = 0; i < 20; i++) queue.add(`key-${i}`)
      return queue.run({
        workers: 16,
        signal: stop.signal,
        handler: async () => {
          const end = performance.now() + 10
          while (performance.now() < end);
          if (--left === 0) stop.abort()
        },
      })
    })
    let fired = 0
    const timer = setInterval(() => fired++, 20)
    await Promise.all(runs)
    clearInterval(timer)
    // A second of work. Without a pause no timer fires before its end.
    expect(fired).toBeGreaterThan(20)
  })

  it('ends at once when it is idle, and can be run again', async () => {
    const queue = new WorkQueue()
    const handled: string[] = []
    await start(queue, async key => void handled.push(key), { workers: 4 }).stop()
    queue.add('a')
    const { stop } = start(queue, async key => void handled.push(key))
    await settle()
    await stop()
    expect(handled).toEqual(['a'])
  })

  it('handles every key after its last addition, whatever the order of additions and completions', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ key: fc.constantFrom('a', 'b', 'c'), finish: fc.boolean() }), { maxLength: 60 }),
        fc.integer({ min: 1, max: 3 }),
        async (steps, workers) => {
          const queue = new WorkQueue()
          const version = new Map<string, number>()
          const handledVersion = new Map<string, number>()
          const gates: (() => void)[] = []
          const { stop } = start(
            queue,
            async key => {
              handledVersion.set(key, version.get(key) ?? 0)
              await new Promise<void>(resolve => gates.push(resolve))
            },
            { workers },
          )
          for (const { key, finish } of steps) {
            version.set(key, (version.get(key) ?? 0) + 1)
            queue.add(key)
            await settle()
            if (finish) gates.shift()?.()
            await settle()
          }
          while (gates.length > 0) {
            gates.shift()?.()
            await settle()
          }
          await stop()
          expect(handledVersion).toEqual(version)
        },
      ),
      { numRuns: 60 },
    )
  })
})
