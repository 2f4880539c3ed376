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

  it('is given up after half a minute without a word', () => {
    expect(after(30.001)).toEqual({ kind: 'refused', message: 'the job controller made no Pod' })
  })

  it('without a creation time is given up', () => {
    expect(after(1, { metadata: { name: 'j', uid: 'u' } })).toMatchObject({ kind: 'refused' })
  })

  it('had a Pod where it has finished, or is being deleted', () => {
    expect(after(1, { finished: true })).toEqual({ kind: 'gone' })
    expect(after(60, { metadata: { ...job.metadata, deletionTimestamp: at(50) } })).toEqual({ kind: 'gone' })
  })
})
