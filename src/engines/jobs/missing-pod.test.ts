import { describe, expect, it } from 'vitest'
import { T0, at } from '../../../test/builders/time.ts'
import { readMissingPod } from './missing-pod.ts'

const job = { metadata: { name: 'j', uid: 'u', creationTimestamp: at(0) }, finished: false }
const after = (seconds: number, changes: object = {}, refusals = new Map<string, string>()) =>
  readMissingPod({ ...job, ...changes }, refusals, T0 + seconds * 1000)

describe('a Job without a Pod', () => {
  it('gives the job controller three seconds', () => {
    expect(after(1)).toEqual({ kind: 'waiting', unexplained: false, lookAgainMs: 2_000 })
  })

  it('is to be explained after that', () => {
    expect(after(3)).toEqual({ kind: 'waiting', unexplained: true, lookAgainMs: 3_000 })
    expect(after(30)).toMatchObject({ kind: 'waiting' })
  })

  it('is refused where the API server says why, at once', () => {
    expect(after(1, {}, new Map([['u', 'exceeded quota']]))).toEqual({
      kind: 'refused',
      message: 'exceeded quota',
    })
    expect(after(1, {}, new Map([['another', 'exceeded quota']]))).toMatchObject({ kind: 'waiting' })
  })

  it('waits while the job controller is only slow', () => {
    expect(after(31)).toMatchObject({ kind: 'waiting', unexplained: true })
    expect(after(600)).toMatchObject({ kind: 'waiting', unexplained: true })
  })

  it('is given up after ten minutes without a word, and not taken for refused', () => {
    const message = 'kube-controller-manager made no Pod for the Job in 10 minutes'
    expect(after(600.001)).toEqual({ kind: 'silent', message })
  })

  it('without a creation time is given up', () => {
    expect(after(1, { metadata: { name: 'j', uid: 'u' } })).toMatchObject({ kind: 'silent' })
  })

  it('had a Pod where it has finished, or is being deleted', () => {
    expect(after(1, { finished: true })).toEqual({ kind: 'gone' })
    expect(after(60, { metadata: { ...job.metadata, deletionTimestamp: at(50) } })).toEqual({ kind: 'gone' })
  })
})
