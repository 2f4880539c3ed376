import { megabytes } from '../bench/common.ts'
import type { Measured } from './measure.ts'

/** The table: figures of each scenario beside their budgets. */

/** One line of the table. */
export interface Figure {
  readonly what: string
  readonly value: string
  /** The budget as text. Absent for a figure without one. */
  readonly budget?: string
  /** Whether the figure is within its budget. */
  readonly isOk?: boolean
}

/** What a scenario has shown. */
export interface Result {
  readonly title: string
  readonly figures: readonly Figure[]
  /** What did not work at all. Makes the run fail. */
  readonly wrong?: string
}

/** Writes per second that the controller allows itself over all nodes. */
const WRITES_PER_SECOND = 50
/** Part of that rate at which everything must settle. */
const SLACK = 1.3
const MAX_RSS = 300e6
const MAX_DELAY_MS = 100

/** A figure with an upper limit. */
export function atMost(what: string, value: number, limit: number, unit: string, digits = 1): Figure {
  return {
    what,
    value: `${value.toFixed(digits)} ${unit}`,
    budget: `${limit.toFixed(Number.isInteger(limit) ? 0 : digits)} ${unit}`,
    isOk: value <= limit,
  }
}

/** A figure without budget. */
export function plain(what: string, value: number, unit: string, digits = 1): Figure {
  return { what, value: `${value.toFixed(digits)} ${unit}` }
}

/** Time until caches have settled, against the time that their writes take at the allowed rate. */
export function settledIn(what: string, isSettled: boolean, seconds: number, writes: number): Figure {
  if (!isSettled) return { what, value: `not in ${seconds.toFixed(0)} s`, isOk: false }
  return atMost(what, seconds, Math.max(2, (SLACK * writes) / WRITES_PER_SECOND), 's')
}

/** The figures that every scenario has. */
export function costs(measured: Measured): Figure[] {
  return [
    plain('CPU of the controller', measured.cpuSeconds, 's'),
    {
      what: 'memory (RSS), greatest',
      value: `${megabytes(measured.peakRss)} MB`,
      budget: `${megabytes(MAX_RSS)} MB`,
      isOk: measured.peakRss <= MAX_RSS,
    },
    atMost('event-loop delay, p99', measured.delay.p99, MAX_DELAY_MS, 'ms', 0),
    plain('event-loop delay, longest', measured.delay.longest, 'ms', 0),
    atMost('lease lost', measured.leaseLost, 0, 'times', 0),
    atMost('controller ended by itself', measured.ends, 0, 'times', 0),
  ]
}

/** Writes of NodeImages and to etcd, for each of so many nodes. */
export function writes(
  measured: Measured,
  nodes: number,
  budget?: { writes?: number; bytes?: number },
): Figure[] {
  const perNode = measured.nodeWrites / nodes
  const bytes = measured.etcdBytes / nodes
  return [
    budget?.writes === undefined
      ? plain('writes of NodeImages per node', perNode, '', 2)
      : atMost('writes of NodeImages per node', perNode, budget.writes, '', 2),
    plain('puts to etcd, by anybody', measured.etcdPuts, '', 0),
    budget?.bytes === undefined
      ? plain('bytes to etcd per node', bytes / 1e3, 'KB')
      : atMost('bytes to etcd per node', bytes / 1e3, budget.bytes / 1e3, 'KB'),
  ]
}

/** Prints a table. */
export function print({ title, figures, wrong }: Result): void {
  console.log(`\n${title}`)
  for (const { what, value, budget, isOk } of figures) {
    const beside = budget === undefined ? '' : `at most ${budget}`
    const word = isOk === undefined ? '' : isOk ? 'ok' : 'over'
    console.log(`  ${what.padEnd(34)}${value.trim().padEnd(18)}${beside.padEnd(26)}${word}`.trimEnd())
  }
  if (wrong !== undefined) console.log(`  WRONG: ${wrong}`)
}
