import { describe, expect, it } from 'vitest'
import { compiledOf } from '../../../../test/builders/image-cache.ts'
import { jobOf } from '../../../../test/builders/job.ts'
import { desiredOf } from '../../../../test/builders/node-images.ts'
import { type PodOptions, podOf } from '../../../../test/builders/pod.ts'
import { T0 } from '../../../../test/builders/time.ts'
import { shortHash } from '../../../core/demand/index.ts'
import { nodeListInventory } from '../../../core/node/index.ts'
import type { PullJob } from './pull-job.ts'
import type { PullPod } from './pull-pod.ts'
import { type PullWork, workOf } from './testing-decide.ts'
import { readPullJobs } from './verdicts.ts'

const IMAGES = ['r.test/a:1', 'r.test/b:1']
const cache = compiledOf('cache', IMAGES)
const creating: PodOptions = { states: [{ waiting: { reason: 'ContainerCreating' } }] }
const completed: PodOptions = { states: [{ terminated: { reason: 'Completed' } }], phase: 'Succeeded' }

/** Reads Jobs of the node `n1`, whose newest request has the revision 3. */
function read(jobs: readonly PullJob[], pods: readonly PullPod[], changes: Partial<PullWork> = {}) {
  const work = workOf(cache, { now: T0 + 60_000, ...changes })
  return readPullJobs(
    jobs,
    { ...work, pods, inventory: nodeListInventory(work.node) },
    work.node.metadata.uid ?? '',
    3,
  )
}

function readOne(job: PullJob, pod: PodOptions, changes: Partial<PullWork> = {}) {
  return read([job], [podOf(job, pod)], changes)
}

const kinds = ({ evidence }: ReturnType<typeof read>) =>
  evidence.map(({ verdict }) => (verdict.kind === 'failed' ? verdict.reason : verdict.kind))

describe('readPullJobs', () => {
  it('keeps a Job that runs, and lets a Job go that was read to its end', () => {
    const job = jobOf(IMAGES)
    const running = readOne(job, creating)
    expect(running.running.map(each => each.job)).toEqual([job])
    expect(running.finished).toEqual([])
    expect(kinds(running)).toEqual(['pulling', 'pulling'])
    const ended = readOne(job, completed)
    expect(ended.running).toEqual([])
    expect(ended.finished).toEqual([job])
    expect(kinds(ended)).toEqual(['present', 'present'])
  })

  it('names the attempt, the request that it answers, and the cache that it was made for', () => {
    const [evidence] = readOne(
      { ...jobOf(['r.test/a:1']), credential: 'team:secret', revision: 2 },
      {},
    ).evidence
    expect(evidence).toEqual({
      key: 'r.test/a:1 team:secret',
      id: '0123456789',
      revision: 2,
      startedAt: jobOf([]).startedAt,
      owner: shortHash('uid-of-cache'),
      verdict: { kind: 'pulling' },
    })
  })

  it('takes a Job for no answer that claims a revision that was never asked for', () => {
    const revisions = [3, 4].map(
      revision => readOne({ ...jobOf(['r.test/a:1']), revision }, completed).evidence[0]?.revision,
    )
    expect(revisions).toEqual([3, 0])
  })

  it('lets a Job go that pulls what nobody wants any more', () => {
    const other = jobOf(['r.test/other:1'])
    const { running, finished } = readOne(other, creating)
    expect([running, finished]).toEqual([[], [other]])
    const withSecret = { ...jobOf(IMAGES), credential: 'team:secret' }
    expect(readOne(withSecret, creating).finished).toEqual([withSecret])
    const half = jobOf(['r.test/a:1', 'r.test/other:1'])
    expect(readOne(half, creating).running.map(({ job }) => job)).toEqual([half])
  })

  it('believes no Job of another Node of the same name, and lets it go', () => {
    const foreign = { ...jobOf(IMAGES), nodeUid: 'another' }
    for (const pod of [creating, completed]) {
      expect(readOne(foreign, pod)).toMatchObject({ evidence: [], running: [], finished: [foreign] })
    }
  })

  it('reads a Job that is being deleted, and deletes it not once more', () => {
    const job = jobOf(IMAGES)
    const going = { ...job, metadata: { ...job.metadata, deletionTimestamp: 'now' } }
    const readings = readOne(going, completed)
    expect([kinds(readings), readings.running, readings.finished]).toEqual([['present', 'present'], [], []])
    expect(kinds(read([going], []))).toEqual(['unknown', 'unknown'])
  })

  it('gives a slow pull up at its deadline', () => {
    const job = jobOf(['r.test/a:1'])
    const before = readOne(job, creating, { now: T0 + 300_999 })
    expect([before.finished, before.running[0]?.lookAgainMs]).toEqual([[], 1])
    const after = readOne(job, creating, { now: T0 + 301_000 })
    expect(after.finished).toEqual([job])
    expect(kinds(after)).toEqual(['Timeout'])
  })

  it('blames the node where its kubelet never took the Pod up', () => {
    const job = jobOf(['r.test/a:1'])
    const { startedAt: _, ...pod } = podOf(job)
    expect(kinds(read([job], [pod], { now: T0 + 301_000 }))).toEqual(['NodeUnavailable'])
  })

  it('asks why a Job has no Pod, and gives it up with the words of the API server', () => {
    const job = jobOf(IMAGES)
    const without = (seconds: number, changes: Partial<PullWork> = {}) =>
      read([job], [], { now: T0 + seconds * 1000, ...changes })
    expect(without(1).running).toMatchObject([{ unexplained: false, lookAgainMs: 2_000 }])
    expect(without(10).running).toMatchObject([{ unexplained: true }])
    const refused = without(10, { refusals: new Map([['uid-of-job', 'exceeded quota']]) })
    expect(refused.finished).toEqual([job])
    expect(refused.evidence[0]?.verdict).toEqual({
      kind: 'failed',
      reason: 'JobRefused',
      message: 'exceeded quota',
    })
    expect(kinds(without(31))).toEqual(['pulling', 'pulling'])
    expect(kinds(without(601))).toEqual(['PodNotMade', 'PodNotMade'])
  })

  it('learns from Jobs of this node only in which namespace Pods lose their image volumes', () => {
    const job = jobOf(IMAGES)
    const pod: PodOptions = { withoutVolumes: true }
    expect(readOne(job, pod).withoutVolumes).toEqual(['team'])
    expect(readOne({ ...job, nodeUid: 'another' }, pod).withoutVolumes).toEqual([])
    expect(readOne({ ...job, images: [] }, pod).withoutVolumes).toEqual([])
  })

  it('reads the Pod that the job controller made, not one that only has its labels', () => {
    const job = jobOf(['r.test/a:1'])
    const failure = { waiting: { reason: 'ErrImagePull', message: 'r.test/a:1: not found' } }
    const pod = podOf(job, { states: [failure] })
    const after = (pods: PullPod[]) => kinds(read([job], pods, { now: T0 + 2_000 }))
    expect(after([pod])).toEqual(['ImageNotFound'])
    expect(after([{ ...pod, jobUid: '' }])).toEqual(['pulling'])
    expect(after([{ ...pod, jobUid: 'uid-of-another' }, pod])).toEqual(['ImageNotFound'])
    expect(after([{ ...pod, metadata: { ...pod.metadata, namespace: 'other' } }])).toEqual(['pulling'])
  })

  it('counts no image as wanted that another credential wants', () => {
    const secret = compiledOf('secret', IMAGES, { imagePullSecrets: [{ name: 's' }] })
    const job = jobOf(IMAGES)
    expect(readOne(job, creating, { desired: desiredOf(IMAGES, secret) }).finished).toEqual([job])
  })
})
