import { describe, expect, it } from 'vitest'
import { WAITS } from '../../engines/engine.ts'
import { WaitLog } from './wait-log.ts'

/** A log of waits, and its lines as level, node and reason. */
function newWaitLog() {
  const lines: string[] = []
  const keep = (level: string) => (fields: object, message: string) => {
    const { node, waitingFor } = fields as { node: string; waitingFor: keyof typeof WAITS }
    expect(message).toBe(WAITS[waitingFor])
    lines.push(`${level} ${node} ${waitingFor}`)
  }
  const log = { debug: keep('debug'), info: keep('info'), warn: keep('warn'), error: keep('error') }
  return { waits: new WaitLog(log), lines }
}

describe('WaitLog', () => {
  it('says once what a node waits for, and once more when that changes', () => {
    const { waits, lines } = newWaitLog()
    waits.note('n1', 3, 'JobSlot')
    waits.note('n1', 2, 'JobSlot')
    waits.note('n2', 1, 'JobSlot')
    waits.note('n1', 2, 'RegistryTrial')
    expect(lines).toEqual(['info n1 JobSlot', 'info n2 JobSlot', 'info n1 RegistryTrial'])
  })

  it('says it again after the node has started something, or had nothing to start', () => {
    const { waits, lines } = newWaitLog()
    waits.note('n1', 3, 'JobSlot')
    waits.note('n1', 3, undefined)
    waits.note('n1', 3, 'JobSlot')
    waits.note('n1', 0, 'JobSlot')
    waits.note('n1', 3, 'JobSlot')
    expect(lines).toEqual(['info n1 JobSlot', 'info n1 JobSlot', 'info n1 JobSlot'])
  })

  it('says at the level debug what is part of each pull', () => {
    const { waits, lines } = newWaitLog()
    waits.note('n1', 3, 'PullRuns')
    waits.note('n1', 3, 'PullLimit')
    waits.note('n1', 3, 'DeletedPod')
    expect(lines).toEqual(['debug n1 PullRuns', 'debug n1 PullLimit', 'info n1 DeletedPod'])
  })

  it('dumps what nodes wait for now, and forgets nodes that are gone', () => {
    const { waits } = newWaitLog()
    waits.note('n1', 3, 'JobSlot')
    waits.note('n2', 1, 'PullRuns')
    waits.note('n2', 2, 'PullRuns')
    waits.note('n3', 2, 'PullRuns')
    waits.note('n3', 0, undefined)
    expect(waits.dump()).toEqual([
      { node: 'n1', open: 3, waitingFor: 'JobSlot' },
      { node: 'n2', open: 2, waitingFor: 'PullRuns' },
    ])
    waits.forget('n1')
    expect(waits.dump()).toEqual([{ node: 'n2', open: 2, waitingFor: 'PullRuns' }])
  })
})
