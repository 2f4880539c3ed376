import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { removalOf } from '../../../../test/builders/node-images.ts'
import { nodeOf } from '../../../../test/builders/node.ts'
import { endedRemovalPodOf, removalJobOf, removalPodOf } from '../../../../test/builders/removal-job.ts'
import { T0, at } from '../../../../test/builders/time.ts'
import type { LedgerEntry } from '../../../api/node-images.ts'
import { encodeResult } from '../../../cri/removal/index.ts'
import { isRemovalAnswered } from '../../../core/ledger/index.ts'
import type { RemovalRequest } from './choose-removal.ts'
import type { RemovalJob } from './removal-job.ts'
import { readRemovalJobs } from './verdicts.ts'
import { type RemovalWork, afterStart, decideRemovals, workOf } from './testing-decide.ts'

const READ = { helperPullSecrets: [], deadlineMs: 300_000 }

/** Removal Jobs are read, the ledger is updated, and the next Job is chosen: what these parts do together. */

function started(work: RemovalWork): { work: RemovalWork; job: RemovalJob; request: RemovalRequest } {
  const { start } = decideRemovals(work)
  if (!start) throw new Error('nothing was started')
  const job = removalJobOf(start)
  return { request: start, job, work: { ...work, jobs: [job], ledger: afterStart(work, start) } }
}

const words = (ledger: readonly LedgerEntry[]) =>
  Object.fromEntries(
    ledger.map(({ image, removal }) => [
      image,
      [removal?.state, removal?.reason].filter(Boolean).join(' ') || 'nothing',
    ]),
  )

describe('removals', () => {
  it('are asked for in one Job, and the ledger says so', () => {
    const { request, work } = started(workOf(['r.io/a:1', 'r.io/b:1'], { ownImages: ['r.io/k:1'] }))
    expect(request).toMatchObject({
      remove: ['r.io/a:1', 'r.io/b:1'],
      keep: ['r.io/k:1'],
      revision: 1,
      startedAt: at(0),
    })
    expect(words(work.ledger)).toEqual({ 'r.io/a:1': 'Removing', 'r.io/b:1': 'Removing' })
    const next = decideRemovals(work)
    expect(next.start).toBeUndefined()
    expect(next.ledger).toEqual(work.ledger)
    expect(next.finished).toEqual([])
  })

  it('are in the ledger before their Job is made', () => {
    const { ledger } = decideRemovals(workOf(['r.io/a:1']))
    expect(words(ledger)).toEqual({ 'r.io/a:1': 'Waiting' })
    expect(decideRemovals(workOf(['r.io/a:1'], { ledger, now: T0 + 60_000 })).ledger).toEqual(ledger)
  })

  it('are recorded image by image, and then the Job goes', () => {
    const images = ['r.io/a:1', 'r.io/b:1', 'r.io/c:1', 'r.io/d:1', 'r.io/e:1']
    const { work, job } = started(workOf(images))
    const outcomes = ['Removed', 'NotFound', 'InUse', 'SharedId', 'Failed'] as const
    const decision = decideRemovals({
      ...work,
      pods: [endedRemovalPodOf(job, outcomes, 'words')],
      now: T0 + 2_000,
    })
    expect(words(decision.ledger)).toEqual({
      'r.io/a:1': 'Removed',
      'r.io/b:1': 'Removed',
      'r.io/c:1': 'Kept InUse',
      'r.io/d:1': 'Kept NotOurs',
      'r.io/e:1': 'Failed RemovalFailed',
    })
    expect(decision.ledger.map(({ presence }) => presence?.state)).toEqual([
      'Absent',
      'Absent',
      'Present',
      'Present',
      'Present',
    ])
    expect(decision.ledger[2]?.removal).toMatchObject({ message: 'words', revision: 1, finishedAt: at(2) })
    expect(decision.finished).toEqual([job])
    expect(work.removals.every((removal, index) => isRemovalAnswered(removal, decision.ledger[index]))).toBe(
      true,
    )
    // The failed one and the one in use are tried again, after a pause.
    expect(decision.start).toBeUndefined()
    expect(decision.lookAgainMs).toBeGreaterThan(20_000)
    const later = decideRemovals({ ...work, jobs: [], ledger: decision.ledger, now: T0 + 120_000 })
    expect(later.start?.remove).toEqual(['r.io/c:1', 'r.io/e:1'])
    expect(later.start?.name).not.toBe(job.metadata.name)
  })

  it.each<{ name: string; status: object; reason: string; message: RegExp }>([
    {
      name: 'ended without a word',
      status: { phase: 'Failed', reason: 'Evicted', message: 'low disk' },
      reason: 'NodeRefused',
      message: /low disk/,
    },
    {
      name: 'was refused',
      status: { phase: 'Failed', reason: 'OutOfpods', message: 'too many' },
      reason: 'NodeRefused',
      message: /too many/,
    },
    {
      name: 'cannot have its image',
      status: {
        phase: 'Pending',
        containerStatuses: [{ state: { waiting: { reason: 'ErrImagePull', message: 'no' } } }],
      },
      reason: 'HelperImageUnavailable',
      message: /ErrImagePull: no/,
    },
    {
      name: 'was killed',
      status: { phase: 'Failed', containerStatuses: [{ state: { terminated: { reason: 'OOMKilled' } } }] },
      reason: 'RemovalFailed',
      message: /OOMKilled/,
    },
    {
      name: 'reached no runtime',
      status: {
        phase: 'Failed',
        containerStatuses: [
          {
            state: {
              terminated: {
                message: encodeResult({ kind: 'Error', code: 'Unavailable', message: 'x.sock' }),
              },
            },
          },
        ],
      },
      reason: 'RemovalFailed',
      message: /Unavailable: x\.sock/,
    },
  ])('report a Pod that $name', ({ status, reason, message }) => {
    const { work, job } = started(workOf(['r.io/a:1']))
    const [entry] = decideRemovals({ ...work, pods: [removalPodOf(job, status)] }).ledger
    expect(entry?.presence?.state).toBe('Present')
    expect(entry?.removal).toMatchObject({ state: 'Failed', reason, count: 1 })
    expect(entry?.removal?.message).toMatch(message)
  })

  it('report a Job that gets no Pod in the words of the API server, and a Job that takes too long', () => {
    const { work, job } = started(workOf(['r.io/a:1']))
    expect(decideRemovals({ ...work, now: T0 + 4_000 }).unexplained).toEqual([job])
    const refusals = new Map([[job.metadata.uid ?? '', 'violates PodSecurity']])
    const refused = decideRemovals({ ...work, refusals, now: T0 + 5_000 })
    expect(refused.ledger[0]?.removal).toMatchObject({
      reason: 'JobRefused',
      message: 'violates PodSecurity',
    })
    const slow = removalPodOf(job, { phase: 'Running' })
    const early = decideRemovals({ ...work, pods: [slow], now: T0 + 1_000 })
    expect(words(early.ledger)).toEqual({ 'r.io/a:1': 'Removing' })
    const late = decideRemovals({ ...work, pods: [slow], now: T0 + 301_000 })
    expect(late.ledger[0]?.removal).toMatchObject({ state: 'Failed', reason: 'Timeout' })
    expect(late.finished).toEqual([job])
  })

  it('wait for a node that can take work', () => {
    expect(decideRemovals(workOf(['r.io/a:1'], { mayRemove: false })).start).toBeUndefined()
  })

  it('are not asked for of an image that stays', () => {
    const removals = [removalOf('r.io/a:1', { stays: 'WantedByOthers' })]
    const { start, ledger } = decideRemovals(workOf(['r.io/a:1'], { removals }))
    expect(start).toBeUndefined()
    expect(words(ledger)).toEqual({ 'r.io/a:1': 'nothing' })
  })

  it('are tried again after a refusal, with a pause that grows', () => {
    const work = workOf(['r.io/a:1'])
    const { start } = decideRemovals(work)
    if (!start) throw new Error('nothing was started')
    const ledger = afterStart(work, start, { kind: 'failed', reason: 'JobRefused', message: 'quota' })
    expect(ledger[0]?.removal).toMatchObject({
      state: 'Failed',
      reason: 'JobRefused',
      count: 1,
      message: 'quota',
    })
    const soon = decideRemovals(workOf(['r.io/a:1'], { ledger, now: T0 + 1_000 }))
    expect(soon.start).toBeUndefined()
    expect(soon.lookAgainMs).toBeGreaterThan(20_000)
    expect(decideRemovals(workOf(['r.io/a:1'], { ledger, now: T0 + 60_000 })).start).toBeDefined()
  })

  it('believe no Job of another machine, and let it go', () => {
    const { work, job } = started(workOf(['r.io/a:1']))
    const decision = decideRemovals({
      ...work,
      node: nodeOf('n2'),
      pods: [endedRemovalPodOf(job, ['Removed'])],
    })
    expect(decision.finished).toEqual([job])
    expect(words(decision.ledger)['r.io/a:1']).toBe('Removing')
  })

  it('fail with the name of the directory that the node does not have', () => {
    const { work, job } = started(workOf(['r.io/a:1']))
    const pod = removalPodOf(job, { phase: 'Pending' })
    const pods = [{ ...pod, metadata: { ...pod.metadata, uid: 'p1' } }]
    const early = readRemovalJobs([job], { ...work, pods, ...READ, now: T0 + 4_000 }, 'uid-of-n1')
    expect(early.running).toMatchObject([{ lookAgainMs: 5_000 }])
    expect(early.running[0]).not.toHaveProperty('slowPod')
    const late = readRemovalJobs([job], { ...work, pods, ...READ, now: T0 + 6_000 }, 'uid-of-n1')
    expect(late.running).toMatchObject([{ lookAgainMs: 5_000, slowPod: pods[0] }])
    const mountFailures = new Map([['p1', 'the node has no directory /run/none']])
    const decision = decideRemovals({ ...work, pods, mountFailures, now: T0 + 6_000 })
    expect(decision.ledger[0]?.removal).toMatchObject({
      state: 'Failed',
      reason: 'RemovalFailed',
      message: 'the node has no directory /run/none',
    })
    expect(decision.finished).toEqual([job])
  })

  it('of a newer request are not answered by an older Job', () => {
    const { work, job } = started(workOf(['r.io/a:1']))
    const removals = [removalOf('r.io/a:1', { revision: 2 })]
    const decision = decideRemovals({ ...work, removals, pods: [endedRemovalPodOf(job, ['InUse'])] })
    expect(decision.ledger[0]?.removal).toMatchObject({ state: 'Waiting', revision: 2 })
    // Two attempts at an image have a pause between them.
    expect(decision.start).toBeUndefined()
    const later = decideRemovals({
      ...work,
      removals,
      jobs: [],
      ledger: decision.ledger,
      now: T0 + 120_000,
    })
    expect(later.start).toMatchObject({ revision: 2 })
    expect(later.start?.name).not.toBe(job.metadata.name)
  })
})

describe('whatever happens to removal Jobs', () => {
  const event = fc.constantFrom('ends', 'fails', 'is deleted', 'crash before the ledger', 'nothing')

  it('all removals are answered once Jobs end well, and no Job is made beside another', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 12 }), events => {
        const images = ['r.io/a:1', 'r.io/b:1']
        let work = workOf(images)
        let onNode = new Set(images)
        let now = T0
        const all = [...events, ...Array.from({ length: 6 }, () => 'ends')]
        for (const what of all) {
          now += 700_000
          const [job] = work.jobs
          const removed = job?.keys.map(() => 'Removed' as const) ?? []
          const pods = job && what === 'ends' ? [endedRemovalPodOf(job, removed)] : []
          if (job && what === 'ends') onNode = new Set([...onNode].filter(image => !job.keys.includes(image)))
          const seen =
            job && what === 'fails' ? [removalPodOf(job, { phase: 'Failed', reason: 'Error' })] : pods
          // A Job is as old as the news of its Pod: other tests are about time alone.
          const fresh = work.jobs.map(each => ({
            ...each,
            metadata: { ...each.metadata, creationTimestamp: new Date(now - 1_000).toISOString() },
          }))
          const jobs = what === 'is deleted' ? [] : fresh
          const decision = decideRemovals({ ...work, jobs, pods: seen, now })
          expect(Boolean(decision.start) && jobs.length > decision.finished.length).toBe(false)
          const left = jobs.filter(each => !decision.finished.includes(each))
          const next = decision.start ? [...left, removalJobOf(decision.start)] : left
          const ledger = decision.start
            ? afterStart({ ...work, ledger: decision.ledger, now }, decision.start)
            : decision.ledger
          work =
            what === 'crash before the ledger'
              ? { ...work, jobs: [...jobs, ...next.slice(left.length)] }
              : { ...work, jobs: next, ledger }
        }
        expect(words(work.ledger)).toEqual({ 'r.io/a:1': 'Removed', 'r.io/b:1': 'Removed' })
        expect([...onNode]).toEqual([])
      }),
    )
  })
})
