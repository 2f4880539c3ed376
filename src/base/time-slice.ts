import { Fifo } from './fifo.ts'

/**
 * Longest time in milliseconds that loops run without a turn of the event loop. In a turn timers fire and
 * answers from the network arrive. Promises alone give no turn.
 *
 * A loop that may compute for long asks before each step:
 *
 *     while (isSliceOver()) await nextTurn()
 */
const SLICE_MS = 8

/** Start of the current slice. There is one for the process, because all loops share the event loop. */
let startedAt = 0
/** True when the current slice ends at the next turn. */
let isRunning = false
/** The loops that wait for a turn, in the order of their calls. */
const waiting = new Fifo<() => void>()

/** True when the loops of this process have used up their time until the next turn of the event loop. */
export function isSliceOver(): boolean {
  if (!isRunning) startSlice()
  return performance.now() - startedAt >= SLICE_MS
}

/** Resolves at a later turn of the event loop, when it is the caller's turn. */
export function nextTurn(): Promise<void> {
  if (!isRunning) startSlice()
  return new Promise(resolve => waiting.push(resolve))
}

function startSlice(): void {
  isRunning = true
  startedAt = performance.now()
  setImmediate(() => {
    isRunning = false
    resumeNext()
  })
}

/** Resumes the first loop that waits, then the next one, until the slice is over. */
function resumeNext(): void {
  waiting.shift()?.()
  // The resumed loop runs before this microtask.
  queueMicrotask(() => {
    if (waiting.length > 0 && !isSliceOver()) resumeNext()
  })
}
