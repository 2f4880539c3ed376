import type { Step, Wait } from '../engine.ts'

/**
 * The part of a step that waits.
 *
 * @param lookAgainMs when other work of the node is due, in milliseconds from now
 */
export function waitingStep(wait: Wait, lookAgainMs?: number): Pick<Step, 'wait' | 'lookAgainMs'> {
  const times = [wait.inMs, lookAgainMs].filter(ms => ms !== undefined)
  return { wait, ...(times.length > 0 && { lookAgainMs: Math.min(...times) }) }
}
