import { describe, expect, it } from 'vitest'
import { jobOf } from '../../../test/builders/job.ts'
import { T0 } from '../../../test/builders/time.ts'
import { CircuitBreaker } from '../../state/circuit-breaker.ts'
import { Admission, type StartRequest } from './admission.ts'
import { JobSlots } from './job-slots.ts'
import type { PullJob } from './pull/index.ts'

/** The admission of a cluster where one Job may run at a time. */
function admissionOfOne() {
  const inFlight: PullJob[] = []
  const woken: string[] = []
  const slots = new JobSlots({
    inFlight: () => inFlight,
    nodeCount: () => 10,
    maxSurge: 1,
    isShared: () => false,
    wake: node => woken.push(node),
  })
  const breaker = new CircuitBreaker()
  const admission = new Admission(slots, breaker)
  const mayStart = (nodeName: string, changes: Partial<StartRequest> = {}, now = T0) =>
    admission.mayStart(
      {
        work: 'pulls',
        nodeName,
        owner: 'team/cache',
        namespace: 'team',
        urgent: true,
        ended: [],
        ...changes,
      },
      now,
    )
  return { admission, breaker, inFlight, woken, mayStart }
}

describe('Admission', () => {
  it('lets as many Jobs start as there are slots, and wakes the next node when one is done', () => {
    const { admission, woken, mayStart } = admissionOfOne()
    expect(mayStart('n1')).toBeUndefined()
    expect(mayStart('n2')).toEqual({ reason: 'JobSlot', inMs: 30_000 })
    admission.done('n1')
    expect(woken).toEqual(['n2'])
    expect(mayStart('n2')).toBeUndefined()
  })

  it('counts a Job that was made, and not its reservation any more', () => {
    const { admission, inFlight, woken, mayStart } = admissionOfOne()
    expect(mayStart('n1')).toBeUndefined()
    inFlight.push(jobOf(['r.test/a:1']))
    admission.done('n1')
    expect(mayStart('n2')).toMatchObject({ reason: 'JobSlot' })
    expect(woken).toEqual([])
  })

  it('gives the slot of a Job that was read to its end to the next Job of its node', () => {
    const { inFlight, mayStart } = admissionOfOne()
    const job = jobOf(['r.test/a:1'])
    inFlight.push(job)
    expect(mayStart('n1')).toMatchObject({ reason: 'JobSlot' })
    expect(mayStart('n1', { ended: [job] })).toBeUndefined()
  })

  it('forgets a node that has nothing to start any more', () => {
    const { admission, woken, mayStart } = admissionOfOne()
    mayStart('n1')
    mayStart('n2')
    admission.leave('n2')
    admission.done('n1')
    expect(woken).toEqual([])
  })

  it('waits for a namespace that refuses Jobs, and keeps no slot meanwhile', () => {
    const { breaker, mayStart } = admissionOfOne()
    breaker.refuseNamespace('pulls', 'team', 'exceeded quota', T0)
    expect(mayStart('n1')).toEqual({ reason: 'NamespaceRefuses', inMs: 5_000 })
    expect(mayStart('n2', { namespace: 'other' })).toBeUndefined()
  })

  it('lets one node try such a namespace after its pause, and the others wait for the outcome', () => {
    const { admission, breaker, mayStart } = admissionOfOne()
    breaker.refuseNamespace('pulls', 'team', 'exceeded quota', T0)
    expect(mayStart('n1', {}, T0 + 5_000)).toBeUndefined()
    admission.done('n1')
    expect(mayStart('n2', {}, T0 + 5_001)).toMatchObject({ reason: 'NamespaceRefuses' })
    breaker.openNamespace('pulls', 'team', T0 + 5_002)
    expect(mayStart('n2', {}, T0 + 5_003)).toBeUndefined()
  })

  it('tells removals from pulls in a namespace', () => {
    const { breaker, mayStart } = admissionOfOne()
    breaker.refuseNamespace('removals', 'team', 'violates PodSecurity', T0)
    expect(mayStart('n1')).toBeUndefined()
    expect(mayStart('n1', { work: 'removals', owner: '' })).toMatchObject({ reason: 'JobSlot' })
  })
})
