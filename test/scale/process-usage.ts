import { readFileSync, writeFileSync } from 'node:fs'

/** What a process has used, as /proc shows it. */
export interface Usage {
  readonly cpuSeconds: number
  /** Greatest resident memory since the start or the last reset, in bytes. */
  readonly peakRss: number
}

/** Undefined when the process is gone. */
export function readUsage(pid: number): Usage | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // Fields 14 and 15 of proc(5). The name before them is in brackets. Linux has 100 clock ticks per second.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const peak = /^VmHWM:\s+(\d+) kB$/m.exec(status)
    // A zombie has no memory.
    if (!peak) return undefined
    return {
      cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100,
      peakRss: Number(peak[1]) * 1024,
    }
  } catch {
    return undefined
  }
}

/** Sets the greatest resident memory of a process to its present one. */
export function resetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
}
