import { describe, expect, it } from 'vitest'
import type { LedgerEntry } from '../../../api/node-images.ts'
import type { NodeFacts } from '../../../core/node/index.ts'
import { compileCache } from '../../../core/demand/index.ts'
import { decide, refuse } from './decide.ts'
import type { NodeWork } from './node-work.ts'
import {
  type PodOptions,
  T0,
  at,
  cacheOf,
  compiledOf,
  desiredOf,
  entryOf,
  jobOf,
  nodeOf,
  podOf,
  workOf,
} from './testing.ts'
import type { PullJob } from './pull-job.ts'
import type { PullPod } from './pull-pod.ts'

const IMAGES = ['r.test/a:1', 'r.test/b:1']
const cache = compiledOf('cache', IMAGES)

/** Decides with one Job and its Pod, a minute after the Job began. */
function withJob(job: PullJob, pod: PodOptions, changes: Partial<NodeWork> = {}) {
  return decide(workOf(cache, { jobs: [job], pods: [podOf(job, pod)], now: T0 + 60_000, ...changes }))
}

const states = (ledger: readonly LedgerEntry[]) => ledger.map(({ state, reason }) => reason ?? state)

describe('decide', () => {
  it('starts one Job for what is wanted, and none beside a running one', () => {
    const first = decide(workOf(cache))
    expect(first.start).toMatchObject({ method: 'batch', requestedAt: at(0), urgent: true })
    expect(first.start?.images.map(({ image }) => image)).toEqual(IMAGES)
    expect(decide(workOf(cache)).start?.name).toBe(first.start?.name)
    const job = jobOf(['r.test/a:1'])
    expect(withJob(job, {}).start).toBeUndefined()
  })

  it('keeps a Job until it is read, and lets it go then', () => {
    const job = jobOf(IMAGES)
    const running = withJob(job, { states: [{ waiting: { reason: 'ContainerCreating' } }] })
    expect(running.finished).toEqual([])
    expect(states(running.ledger)).toEqual(['Pulling', 'Pulling'])
    const ended = withJob(job, { states: [{ terminated: { reason: 'Completed' } }], phase: 'Succeeded' })
    expect(ended.finished).toEqual([job])
    expect(states(ended.ledger)).toEqual(['Present', 'Present'])
    expect(ended.start).toBeUndefined()
  })

  it('says the same of what it has recorded', () => {
    const job = jobOf(IMAGES)
    for (const pod of [
      { states: [{ terminated: { reason: 'Completed' } }] },
      {
        states: [
          { waiting: { reason: 'ErrImagePull', message: 'failed to resolve image: r.test/a:1: not found' } },
        ],
      },
      { states: [{ waiting: { reason: 'ErrImagePull', message: 'pull QPS exceeded' } }] },
      { phase: 'Failed', reason: 'OutOfpods' },
    ]) {
      const { ledger } = withJob(job, pod)
      expect(withJob(job, pod, { ledger }).ledger).toEqual(ledger)
      expect(withJob(job, pod, { ledger, now: T0 + 90_000 }).ledger).toEqual(ledger)
    }
  })

  it('leaves two seconds between the beginnings of two batches of ten, by fractions of seconds', () => {
    const ten = Array.from({ length: 10 }, (_, index) => `r.test/ten${index}:1`)
    const job = { ...jobOf(ten), startedAt: at(0.9) }
    const pod = podOf(job, { states: [{ terminated: { reason: 'Completed' } }], phase: 'Succeeded' })
    const after = (ms: number) => decide(workOf(cache, { jobs: [job], pods: [pod], now: T0 + ms }))
    expect(after(2_899).start).toBeUndefined()
    expect(after(2_900).start).toMatchObject({ startedAt: at(2.9) })
  })

  it('leaves four where they are asked for by Always, which the kubelet does twice', () => {
    const ten = Array.from({ length: 10 }, (_, index) => `r.test/ten${index}:latest`)
    const moving = compiledOf('cache', [...ten, 'r.test/last:1'], { pullPolicy: 'Always' })
    const desired = desiredOf([...ten, 'r.test/last:1'], moving).map(image => ({
      ...image,
      pullPolicy: 'Always' as const,
    }))
    const job = { ...jobOf(ten), startedAt: at(0.9) }
    const pod = podOf(job, { states: [{ terminated: { reason: 'Completed' } }], phase: 'Succeeded' })
    const look = (ms: number, changes: Partial<NodeWork>) =>
      decide(workOf(moving, { desired, now: T0 + ms, ...changes }))
    const read = { jobs: [job], pods: [pod] }
    expect([look(4_899, read).start, look(4_900, read).start?.images.length]).toEqual([undefined, 1])
    // The Job is gone, and the ledger knows it by the second.
    const { ledger } = look(2_000, read)
    expect([look(3_999, { ledger }).start, look(4_000, { ledger }).start?.images.length]).toEqual([
      undefined,
      1,
    ])
  })

  it('starts nothing while a deleted Pod holds up the pulls of the node, for five minutes at most', () => {
    const job = jobOf(['r.test/gone:1'])
    const going = (state: object, deletedAt: number) => {
      const pod = podOf(job, { states: [state] })
      return { ...pod, metadata: { ...pod.metadata, deletionTimestamp: at(deletedAt) } }
    }
    const waiting = { waiting: { reason: 'ContainerCreating' } }
    const decision = (pod: ReturnType<typeof going>) =>
      decide(workOf(cache, { jobs: [], pods: [pod], now: T0 + 400_000 }))
    expect(decision(going(waiting, 390)).start).toBeUndefined()
    expect(decision(going(waiting, 390)).lookAgainMs).toBe(30_000)
    expect(decision(going(waiting, 99)).start).toBeDefined()
    expect(decision(going({ terminated: { reason: 'Completed' } }, 390)).start).toBeDefined()
    expect(decision(going({ waiting: { reason: 'ImagePullBackOff' } }, 390)).start).toBeDefined()
  })

  it('deletes a Job that nobody wants any more, and one of another Node of the same name', () => {
    const job = jobOf(['r.test/other:1'])
    expect(withJob(job, {}).finished).toEqual([job])
    const foreign = { ...jobOf(IMAGES), nodeUid: 'another' }
    const decision = withJob(foreign, { states: [{ terminated: { reason: 'Completed' } }] })
    expect(decision.finished).toEqual([foreign])
    expect(states(decision.ledger)).toEqual(['Pending', 'Pending'])
    expect(decision.start).toBeDefined()
  })

  it('gives a slow pull up at its deadline', () => {
    const job = jobOf(['r.test/a:1'])
    const pod = { states: [{ waiting: { reason: 'ContainerCreating' } }] }
    const before = withJob(job, pod, { now: T0 + 300_999 })
    expect([before.finished.length, before.lookAgainMs]).toEqual([0, 50])
    const after = withJob(job, pod, { now: T0 + 301_000 })
    expect(after.finished).toEqual([job])
    expect(after.ledger[0]).toMatchObject({ state: 'Failed', reason: 'Timeout', attempts: 1 })
  })

  it('asks why a Job has no Pod, and gives it up with the API server’s words', () => {
    const job = jobOf(IMAGES)
    const without = (seconds: number, changes: Partial<NodeWork> = {}) =>
      decide(workOf(cache, { jobs: [job], now: T0 + seconds * 1000, ...changes }))
    expect(without(1)).toMatchObject({ unexplained: [], lookAgainMs: 2000 })
    expect(without(10)).toMatchObject({ unexplained: [job], finished: [] })
    const refused = without(10, { refusals: new Map([['uid-of-job', 'exceeded quota']]) })
    expect(refused.finished).toEqual([job])
    expect(refused.ledger[0]).toMatchObject({ reason: 'JobRefused', message: 'exceeded quota' })
    expect(states(without(31).ledger)).toEqual(['JobRefused', 'JobRefused'])
  })

  it('isolates images after a failure that may be theirs, and not after one that cannot be', () => {
    const entry = (image: string, changes: Partial<LedgerEntry>) =>
      entryOf(image, { attempts: 1, finishedAt: at(1), verifiedAt: undefined, ...changes })
    const start = (changes: Partial<LedgerEntry>, method: NodeWork['method'] = 'image-volumes') =>
      decide(workOf(cache, { method, ledger: IMAGES.map(image => entry(image, changes)), now: T0 + 600_000 }))
        .start
    expect(start({ state: 'Failed', reason: 'PullFailed' })?.method).toBe('single')
    expect(start({ state: 'Pending', reason: 'Unproven', requestedAt: undefined })?.method).toBe('single')
    expect(start({ state: 'Pending', message: 'the Pod went away', requestedAt: undefined })?.method).toBe(
      'batch',
    )
    for (const reason of ['NodeRefused', 'JobRefused', 'HelperImageUnavailable']) {
      expect(start({ state: 'Failed', reason })?.method).toBe('batch')
    }
    expect(start({ state: 'Failed', reason: 'PullFailed' }, 'containers')?.method).toBe('containers')
    expect(start({ state: 'Failed', reason: 'Timeout' })?.images).toHaveLength(1)
    expect(start({ state: 'Failed', reason: 'ImageNotFound' })).toBeUndefined()
  })

  it('leaves the kubelet’s limit time to recover, also when the last Job is gone', () => {
    const many = Array.from({ length: 20 }, (_, index) => `r.test/app:${index + 10}`)
    const crowd = compiledOf('cache', many)
    const ledger = many
      .slice(0, 10)
      .map(image => entryOf(image, { job: 'j', startedAt: at(0), finishedAt: at(1) }))
    expect(decide(workOf(crowd, { ledger, now: T0 + 1500 }))).toMatchObject({ lookAgainMs: 500 })
    expect(decide(workOf(crowd, { ledger, now: T0 + 1500 })).start).toBeUndefined()
    expect(decide(workOf(crowd, { ledger, now: T0 + 2000 })).start?.images).toHaveLength(10)
  })

  it('tries an unknown registry with one image, and looks again where another node tries a silent one', () => {
    const view = (state: 'unknown' | 'failing', may: boolean): NodeWork['registries'] => ({
      state: () => state,
      lastSuccess: () => undefined,
      mayProbe: () => may,
    })
    expect(decide(workOf(cache, { registries: view('unknown', true) })).start?.images).toHaveLength(1)
    const settled = decide(workOf(cache, { registries: view('failing', true) }))
    expect(states(settled.ledger)).toEqual(['RegistryUnavailable', 'RegistryUnavailable'])
    expect(settled.start).toBeUndefined()
    const { ledger } = settled
    const due = { ledger, now: T0 + 600_000 }
    expect(decide(workOf(cache, { ...due, registries: view('failing', true) })).start?.images).toHaveLength(1)
    const waiting = decide(workOf(cache, { ...due, registries: view('failing', false) }))
    expect(waiting.start).toBeUndefined()
    expect(waiting.lookAgainMs).toBe(60_000)
  })

  it('keeps who wants an image that cannot be had, so that another look changes nothing', () => {
    const failing = { ...workOf(cache).registries, state: () => 'failing' as const, mayProbe: () => false }
    const hopeless = decide(workOf(cache, { registries: failing })).ledger
    expect(states(hopeless)).toEqual(['RegistryUnavailable', 'RegistryUnavailable'])
    expect(decide(workOf(cache, { registries: failing, ledger: hopeless })).ledger).toEqual(hopeless)

    const { start, ledger } = decide(workOf(cache))
    if (!start) throw new Error('nothing starts')
    const refused = refuse(ledger, start, 'exceeded quota', at(0))
    expect(decide(workOf(cache, { ledger: refused, refusedIn: () => 'exceeded quota' })).ledger).toEqual(
      refused,
    )
  })

  it('believes a whole list of the node, and asks for what it lost', () => {
    const node = nodeOf('n1', [['r.test/a:1']], at(600))
    const found = decide(workOf(cache, { node, now: T0 + 600_000 }))
    expect(states(found.ledger)).toEqual(['Present', 'Pending'])
    expect(found.ledger[0]).toMatchObject({ pulledByUs: false })
    const ledger = IMAGES.map(image => entryOf(image))
    const lost = decide(workOf(cache, { node, ledger, now: T0 + 600_000 }))
    expect(states(lost.ledger)).toEqual(['Present', 'Disappeared'])
    expect(lost.start?.images.map(({ image }) => image)).toEqual(['r.test/b:1'])
    const recent = ledger.map(entry => ({ ...entry, verifiedAt: at(590) }))
    expect(states(decide(workOf(cache, { node, ledger: recent, now: T0 + 600_000 })).ledger)).toEqual([
      'Present',
      'Present',
    ])
  })

  it('pulls what several want for one whose namespace admits Jobs', () => {
    const plain = cacheOf('younger', IMAGES)
    const younger = compileCache(
      { ...plain, metadata: { ...plain.metadata, namespace: 'other' } },
      'IfNotPresent',
    )
    const desired = desiredOf(IMAGES, cache).map(image => ({
      ...image,
      owners: [cache.owner, younger.owner],
    }))
    const caches = new Map([cache, younger].map(each => [each.owner, each]))
    const refusedIn = (namespace: string) => (namespace === 'team' ? 'exceeded quota' : undefined)
    expect(decide(workOf(cache, { desired, caches })).start?.cache.key).toBe('team/cache')
    expect(decide(workOf(cache, { desired, caches, refusedIn })).start?.cache.key).toBe('other/younger')
  })

  it('tries a namespace that refused its Job again when the pause is over, before the image’s own back-off', () => {
    const refused = { state: 'Failed', reason: 'JobRefused', attempts: 5, finishedAt: at(0) } as const
    const look = (entry: Partial<LedgerEntry>, seconds: number, changes: Partial<NodeWork>) => {
      const ledger = IMAGES.map(image => entryOf(image, { ...refused, ...entry }))
      return decide(workOf(cache, { ledger, now: T0 + seconds * 1000, ...changes }))
    }
    const paused = { refusedIn: () => 'exceeded quota', refusedUntil: () => T0 + 60_000 }
    expect(look({ job: '0123456789' }, 20, paused)).toMatchObject({ lookAgainMs: 40_000 })
    expect(look({}, 20, paused).lookAgainMs).toBeGreaterThan(400_000)
    const open = { refusedUntil: () => T0 + 70_000, admittedAt: () => at(60) }
    expect(look({ job: '0123456789' }, 60, open).start?.images).toHaveLength(2)
    const others = { ...open, refusedIn: () => 'exceeded quota' }
    expect(look({ job: '0123456789' }, 60, others).start).toBeUndefined()
  })

  it('believes of the API server only what Jobs of its own show', () => {
    const job = jobOf(IMAGES)
    const pod: PodOptions = { withoutVolumes: true }
    expect(withJob(job, pod).volumesDropped).toBe(true)
    expect(withJob({ ...job, nodeUid: 'somebody-else' }, pod).volumesDropped).toBe(false)
    expect(withJob({ ...job, images: [] }, pod).volumesDropped).toBe(false)
  })

  it('reads the Pod that the job controller made, not one that only has its labels', () => {
    const job = jobOf(['r.test/a:1'])
    const failure = { waiting: { reason: 'ErrImagePull', message: 'r.test/a:1: not found' } }
    const pod = podOf(job, { states: [failure] })
    const one = compiledOf('cache', job.images)
    const ledger = (pods: PullPod[]) => decide(workOf(one, { jobs: [job], pods, now: T0 + 2000 })).ledger
    expect(ledger([pod])[0]).toMatchObject({ state: 'Failed', reason: 'ImageNotFound' })
    expect(ledger([{ ...pod, jobUid: '' }])[0]).toMatchObject({ state: 'Pulling' })
    expect(ledger([{ ...pod, jobUid: 'uid-of-another' }, pod])[0]).toMatchObject({ state: 'Failed' })
  })

  it('lets a Job speak against images of its own cache only', () => {
    const job = { ...jobOf(['r.test/a:1']), ownerUid: 'uid-of-another' }
    const failure = { waiting: { reason: 'ErrImagePull', message: 'r.test/a:1: not found' } }
    const one = compiledOf('cache', job.images)
    const ledger = (states: PodOptions['states']) =>
      decide(workOf(one, { jobs: [job], pods: [podOf(job, { states: states ?? [] })], now: T0 + 2000 }))
        .ledger
    expect(ledger([failure])[0]).toMatchObject({ state: 'Pending', attempts: 1 })
    expect(ledger([{ terminated: { reason: 'Completed' } }])[0]).toMatchObject({ state: 'Present' })
  })

  it('counts as ours what kube-fledged pulled before, where the ledger of a node begins', () => {
    const old = {
      ...cacheOf('cache', ['r.test/a:1']),
      status: { status: 'Succeeded', completionTime: at(-60) },
    }
    const adopted = compileCache(old, 'IfNotPresent')
    const node = (created: number): NodeFacts => {
      const facts = nodeOf('n1', [['r.test/a:1']])
      return { ...facts, metadata: { ...facts.metadata, creationTimestamp: at(created) } }
    }
    const isOurs = (changes: Partial<NodeWork>) =>
      decide(workOf(adopted, changes)).ledger.find(({ image }) => image === 'r.test/a:1')?.pulledByUs
    expect(isOurs({ node: node(-3600) })).toBe(true)
    expect(isOurs({ node: node(-30) })).toBe(false)
    expect(isOurs({ node: node(-3600), ledger: [entryOf('r.test/other:1')] })).toBe(false)
    expect(decide(workOf(compiledOf('cache', ['r.test/a:1']), { node: node(-3600) })).ledger).toMatchObject([
      { state: 'Present', pulledByUs: false },
    ])
  })

  it.each<[string, Parameters<typeof compiledOf>[2], string, boolean]>([
    ['a fixed tag', {}, 'r.test/a:1', false],
    ['a moving tag', { pullPolicy: 'Always' }, 'r.test/a:1', false],
    ['what is pulled with a secret', { imagePullSecrets: [{ name: 's' }] }, 'r.test/a:1', false],
    ['what the node does not list', { pullPolicy: 'Always' }, 'r.test/b:1', true],
  ])('knows what was there before from what we pull: %s', (_, spec, image, ours) => {
    const policy = { pullPolicy: spec?.pullPolicy ?? 'IfNotPresent' } as const
    const compiled = compiledOf('cache', [image], spec)
    const desired = desiredOf([image], compiled).map(each => ({ ...each, ...policy }))
    const node = nodeOf('n1', [['r.test/a:1']])
    const first = decide(workOf(compiled, { node, desired }))
    expect(first.ledger).toMatchObject([{ image, pulledByUs: ours }])
    const again = decide(workOf(compiled, { node: nodeOf('n1', [[image]]), desired, ledger: first.ledger }))
    expect(again.ledger).toMatchObject([{ image, pulledByUs: ours }])
  })

  it('counts as ours what it pulled by another name, and what it pulls after it had gone', () => {
    const node = nodeOf('n1', [['docker.io/library/a:1']], at(600))
    const work = workOf(compiledOf('cache', ['a:1']), { node, now: T0 + 600_000 })
    const isOurs = (ledger: LedgerEntry[]) =>
      decide({ ...work, ledger }).ledger.find(({ image }) => image === 'a:1')?.pulledByUs
    expect(isOurs([])).toBe(false)
    expect(isOurs([entryOf('docker.io/a:1')])).toBe(true)
    expect(isOurs([entryOf('docker.io/a:1', { pulledByUs: false })])).toBe(false)
    const foreign = entryOf('r.test/b:1', { pulledByUs: false })
    const lost = decide(
      workOf(compiledOf('cache', ['r.test/b:1']), { node, ledger: [foreign], now: T0 + 600_000 }),
    )
    expect(lost.ledger).toMatchObject([{ reason: 'Disappeared', pulledByUs: true }])
  })

  it('takes no retained Job for a proof that what the node lost is there', () => {
    const job: PullJob = { ...jobOf(IMAGES), finished: true }
    const pod: PodOptions = { states: [{ terminated: { reason: 'Completed' } }], phase: 'Succeeded' }
    const settings = { ...workOf(cache).settings, retainJobs: true }
    const proved = withJob(job, pod, { settings })
    expect(states(proved.ledger)).toEqual(['Present', 'Present'])
    const node = nodeOf('n1', [['r.test/a:1']], at(600))
    const lost = withJob(job, pod, { settings, node, ledger: proved.ledger, now: T0 + 600_000 })
    expect(states(lost.ledger)).toEqual(['Present', 'Disappeared'])
    // No slot was free, so that nothing was started.
    const again = withJob(job, pod, { settings, node, ledger: lost.ledger, now: T0 + 610_000 })
    expect(states(again.ledger)).toEqual(['Present', 'Disappeared'])
    expect(again.start?.images.map(({ image }) => image)).toEqual(['r.test/b:1'])
  })

  it('has the registry asked what moving tags stand for before it pulls them', () => {
    const moving = compiledOf('cache', IMAGES, { pullPolicy: 'Always' })
    const desired = IMAGES.map((image, index) => ({
      ...desiredOf([image], moving)[0],
      ...(index === 0 && { pullPolicy: 'Always' as const }),
    })) as NodeWork['desired']
    const unasked = decide(workOf(moving, { desired, isToBeAsked: () => true }))
    expect(unasked.start).toBeUndefined()
    expect(unasked.ask?.map(({ image }) => image)).toEqual([IMAGES[0]])
    const asked = decide(workOf(moving, { desired, isToBeAsked: ({ image }) => image !== IMAGES[0] }))
    expect(asked.ask).toBeUndefined()
    expect(asked.start?.images).toHaveLength(2)
  })

  it('asks no registry for what is fixed', () => {
    expect(decide(workOf(cache, { isToBeAsked: () => true })).start?.images).toHaveLength(2)
  })

  it('proves again, without asking the registry, what a full list does not tell', () => {
    const always = compiledOf('cache', IMAGES, { pullPolicy: 'Always' })
    const ledger = IMAGES.map(image => entryOf(image))
    const settings = { ...workOf(always).settings, recheckIntervalMs: 3_600_000 }
    const soon = decide(workOf(always, { ledger, settings, now: T0 + 1_800_000 }))
    expect([soon.start, (soon.lookAgainMs ?? 0) > 1_000_000]).toEqual([undefined, true])
    const later = decide(workOf(always, { ledger, settings, now: T0 + 2 * 3_600_000 }))
    expect(later.start).toMatchObject({ proofOnly: true, urgent: false, method: 'batch' })
    expect(new Set(later.start?.images.map(({ pullPolicy }) => pullPolicy))).toEqual(
      new Set(['IfNotPresent']),
    )
  })
})
