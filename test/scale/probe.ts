/**
 * Runs inside the controller's process (`node --import`) and answers the questions of the scale run:
 * event-loop delay and heap. So every build can be measured, whatever its metrics are.
 */
import { appendFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Event-loop delay since the last reset, in milliseconds. */
export interface LoopDelay {
  readonly p99: number
  readonly longest: number
}

/** What the probe can be asked. */
export type Question = 'delay' | 'reset' | 'heap'

/** Resolution of the timer that measures the delay; part of each value, as in prom-client. */
const RESOLUTION_MS = 10

const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
histogram.enable()

function delay(): LoopDelay {
  return { p99: histogram.percentile(99) / 1e6, longest: histogram.max / 1e6 }
}

/** Bytes of the heap that are in use after a garbage collection. */
function heapInUse(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  return process.memoryUsage().heapUsed
}

function answer(question: Question): unknown {
  switch (question) {
    case 'delay':
      return delay()
    case 'reset':
      return histogram.reset()
    case 'heap':
      return heapInUse()
  }
}

process.on('message', ({ id, question }: { id: number; question: Question }) => {
  process.send?.({ id, answer: answer(question) })
})
// The channel must not keep the process alive.
process.channel?.unref()
process.on('exit', () => {
  const file = process.env['SCALE_DELAYS']
  if (file) appendFileSync(file, `${JSON.stringify(delay())}\n`)
})
