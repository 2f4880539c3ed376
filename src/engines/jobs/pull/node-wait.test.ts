import { describe, expect, it } from 'vitest'
import { compiledOf } from '../../../../test/builders/image-cache.ts'
import { jobOf } from '../../../../test/builders/job.ts'
import { desiredOf, entryOf, failedEntryOf } from '../../../../test/builders/node-images.ts'
import { podOf } from '../../../../test/builders/pod.ts'
import { T0, at } from '../../../../test/builders/time.ts'
import { nodeWait } from './node-wait.ts'

const TEN = Array.from({ length: 10 }, (_, index) => `r.test/ten${index}:1`)
const desired = desiredOf(TEN, compiledOf('cache', TEN))

/** What the next Job waits for at that many milliseconds. */
function waitAt(ms: number, changes: Partial<Parameters<typeof nodeWait>[0]> = {}) {
  const nothing = { ledger: [], jobs: [], pods: [], running: [], lacksPod: false, removalRuns: false }
  return nodeWait({ ...nothing, desired, now: T0 + ms, ...changes })
}

/** Entries of ten images that one Job has pulled. */
const pulledBy = (startedAt: string) =>
  TEN.map(image =>
    entryOf(image, { attempt: { state: 'Succeeded', revision: 1, id: '0123456789', startedAt } }),
  )

describe('nodeWait', () => {
  it('lets a Job start on an idle node', () => {
    expect(waitAt(0)).toBeUndefined()
  })

  it('waits for the end of a pull Job, and of a removal Job', () => {
    const job = jobOf(TEN)
    expect(waitAt(60_000, { jobs: [job], running: [job] })).toEqual({ reason: 'PullRuns' })
    expect(waitAt(60_000, { removalRuns: true })).toEqual({ reason: 'RemovalRuns' })
  })

  it('leaves two seconds between the beginnings of two batches of ten, by fractions of seconds', () => {
    const jobs = [{ ...jobOf(TEN), startedAt: at(0.9) }]
    expect(waitAt(2_899, { jobs })).toEqual({ reason: 'PullLimit', inMs: 1 })
    expect(waitAt(2_900, { jobs })).toBeUndefined()
  })

  it('leaves four seconds where the policy is Always: the kubelet asks twice', () => {
    const always = desired.map(image => ({ ...image, pullPolicy: 'Always' as const }))
    const jobs = [{ ...jobOf(TEN), startedAt: at(0.9) }]
    expect(waitAt(4_899, { jobs, desired: always })).toEqual({ reason: 'PullLimit', inMs: 1 })
    expect(waitAt(4_900, { jobs, desired: always })).toBeUndefined()
  })

  it('leaves one second after a Job of one image', () => {
    const jobs = [jobOf(['r.test/a:1'])]
    expect(waitAt(999, { jobs })).toEqual({ reason: 'PullLimit', inMs: 1 })
    expect(waitAt(1_000, { jobs })).toBeUndefined()
  })

  it('counts Jobs that are gone by the ledger', () => {
    const ledger = pulledBy(at(0))
    expect(waitAt(1_500, { ledger })).toEqual({ reason: 'PullLimit', inMs: 500 })
    expect(waitAt(2_000, { ledger })).toBeUndefined()
    const always = desired.map(image => ({ ...image, pullPolicy: 'Always' as const }))
    expect(waitAt(3_999, { ledger, desired: always })).toEqual({ reason: 'PullLimit', inMs: 1 })
    expect(waitAt(4_000, { ledger, desired: always })).toBeUndefined()
  })

  it('counts no failure that came without an attempt', () => {
    const { attempt, ...entry } = failedEntryOf('r.test/ten0:1', 'RegistryUnavailable')
    if (!attempt) throw new Error('the entry has no attempt')
    const { id: _, ...unmade } = attempt
    expect(waitAt(500, { ledger: [{ ...entry, attempt }] })).toEqual({ reason: 'PullLimit', inMs: 500 })
    expect(waitAt(500, { ledger: [{ ...entry, attempt: unmade }] })).toBeUndefined()
  })

  describe('a deleted Pod', () => {
    const waiting = { waiting: { reason: 'ContainerCreating' } }
    const deletedPod = (state: object, deletedAt: number) => {
      const pod = podOf(jobOf(['r.test/gone:1']), { states: [state] })
      return { ...pod, metadata: { ...pod.metadata, deletionTimestamp: at(deletedAt) } }
    }
    const after = (pod: ReturnType<typeof deletedPod>) => waitAt(400_000, { pods: [pod] })

    it('delays the node while its kubelet pulls for it, for five minutes at most', () => {
      expect(after(deletedPod(waiting, 390))).toEqual({ reason: 'DeletedPod', inMs: 30_000 })
      expect(after(deletedPod(waiting, 101))).toBeDefined()
      expect(after(deletedPod(waiting, 99))).toBeUndefined()
    })

    it('delays nothing where it does not pull', () => {
      expect(after(deletedPod({ terminated: { reason: 'Completed' } }, 390))).toBeUndefined()
      expect(after(deletedPod({ waiting: { reason: 'ImagePullBackOff' } }, 390))).toBeUndefined()
      const { startedAt: _, ...untaken } = deletedPod(waiting, 390)
      expect(after(untaken)).toBeUndefined()
    })
  })
})
