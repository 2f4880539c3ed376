import { describe, expect, it } from 'vitest'
import { circuitsOf } from '../../../../test/builders/circuits.ts'
import { compiledOf } from '../../../../test/builders/image-cache.ts'
import { jobOf } from '../../../../test/builders/job.ts'
import { desiredOf, entryOf, failedEntryOf, listedEntryOf } from '../../../../test/builders/node-images.ts'
import { nodeOf, nodeWith } from '../../../../test/builders/node.ts'
import { type PodOptions, podOf } from '../../../../test/builders/pod.ts'
import { T0, at } from '../../../../test/builders/time.ts'
import type { LedgerEntry } from '../../../api/node-images.ts'
import type { Circuits } from '../../../core/ledger/index.ts'
import type { PullJob } from './pull-job.ts'
import { type PullWork, decidePulls, wordOf, workOf } from './testing-decide.ts'

/** Jobs are read, the ledger is updated, and the next Job is chosen: what these parts do together. */

const IMAGES = ['r.test/a:1', 'r.test/b:1']
const cache = compiledOf('cache', IMAGES)
const completed: PodOptions = { states: [{ terminated: { reason: 'Completed' } }], phase: 'Succeeded' }

/** Decides with one Job and its Pod, a minute after the Job began. */
function withJob(job: PullJob, pod: PodOptions, changes: Partial<PullWork> = {}) {
  return decidePulls(workOf(cache, { jobs: [job], pods: [podOf(job, pod)], now: T0 + 60_000, ...changes }))
}

const words = (ledger: readonly LedgerEntry[]) => ledger.map(wordOf)
const started = ({ start }: ReturnType<typeof decidePulls>) => start?.images.map(({ image }) => image)

describe('Jobs and the ledger', () => {
  it('start one Job for all that is wanted, and none beside a running one', () => {
    expect(started(decidePulls(workOf(cache)))).toEqual(IMAGES)
    const beside = withJob(jobOf(['r.test/a:1']), {})
    expect([beside.start, beside.wait]).toEqual([undefined, 'PullRuns'])
  })

  it('show a pull from its beginning to its end', () => {
    const job = jobOf(IMAGES)
    const running = withJob(job, { states: [{ waiting: { reason: 'ContainerCreating' } }] })
    expect(words(running.ledger)).toEqual(['Pulling', 'Pulling'])
    const ended = withJob(job, completed, { ledger: running.ledger })
    expect(words(ended.ledger)).toEqual(['Present', 'Present'])
    expect(ended.ledger[0]?.attempt).toEqual({
      state: 'Succeeded',
      revision: 1,
      id: '0123456789',
      startedAt: at(0),
    })
    expect(ended.start).toBeUndefined()
  })

  it('count a pull that is too slow as an attempt', () => {
    const pod = { states: [{ waiting: { reason: 'ContainerCreating' } }] }
    const { ledger } = withJob(jobOf(['r.test/a:1']), pod, { now: T0 + 301_000 })
    expect(ledger[0]?.attempt).toMatchObject({ state: 'Failed', reason: 'Timeout', count: 1 })
  })

  it('pull again what a Job of another Node of the same name has pulled', () => {
    const decision = withJob({ ...jobOf(IMAGES), nodeUid: 'another' }, completed)
    expect(words(decision.ledger)).toEqual(['Pending', 'Pending'])
    expect(started(decision)).toEqual(IMAGES)
  })

  it.each<{ name: string; pod: PodOptions }>([
    { name: 'all images are there', pod: { states: [{ terminated: { reason: 'Completed' } }] } },
    {
      name: 'an image is not found',
      pod: {
        states: [
          { waiting: { reason: 'ErrImagePull', message: 'failed to resolve image: r.test/a:1: not found' } },
        ],
      },
    },
    {
      name: 'the kubelet limits pulls',
      pod: { states: [{ waiting: { reason: 'ErrImagePull', message: 'pull QPS exceeded' } }] },
    },
    { name: 'the node refuses the Pod', pod: { phase: 'Failed', reason: 'OutOfpods' } },
  ])('record once what a Job shows: $name', ({ pod }) => {
    const job = jobOf(IMAGES)
    const { ledger } = withJob(job, pod)
    expect(withJob(job, pod, { ledger }).ledger).toEqual(ledger)
    expect(withJob(job, pod, { ledger, now: T0 + 90_000 }).ledger).toEqual(ledger)
  })

  it('start no image whose failure is permanent, and another one at once', () => {
    const [gone, other] = IMAGES
    const ledger = [failedEntryOf(gone ?? '', 'ImageNotFound')]
    expect(started(decidePulls(workOf(cache, { ledger, now: T0 + 600_000 })))).toEqual([other])
  })

  it('let a Job speak against images of its own cache only', () => {
    const job = { ...jobOf(['r.test/a:1']), ownerUid: 'uid-of-another' }
    const failure = { waiting: { reason: 'ErrImagePull', message: 'r.test/a:1: not found' } }
    const one = compiledOf('cache', job.images)
    const entry = (states: NonNullable<PodOptions['states']>) =>
      decidePulls(workOf(one, { jobs: [job], pods: [podOf(job, { states })], now: T0 + 2000 })).ledger[0]
    expect(entry([failure])?.attempt).toMatchObject({ state: 'Unknown', count: 1 })
    expect(entry([{ terminated: { reason: 'Completed' } }])?.presence).toMatchObject({ state: 'Present' })
  })

  it('take no retained Job for a proof of an image that the node has lost', () => {
    const job: PullJob = { ...jobOf(IMAGES), finished: true }
    const settings = { ...workOf(cache).settings, retainJobs: true }
    const proved = withJob(job, completed, { settings })
    expect(words(proved.ledger)).toEqual(['Present', 'Present'])
    const node = nodeOf('n1', [['r.test/a:1']], at(600))
    const ledger = proved.ledger.map(({ image, ...entry }) => listedEntryOf(image, entry))
    const lost = withJob(job, completed, { settings, node, ledger, now: T0 + 600_000 })
    expect(words(lost.ledger)).toEqual(['Present', 'Disappeared'])
    // No slot was free, so that nothing was started.
    const again = withJob(job, completed, { settings, node, ledger: lost.ledger, now: T0 + 610_000 })
    expect(words(again.ledger)).toEqual(['Present', 'Disappeared'])
    expect(started(again)).toEqual(['r.test/b:1'])
  })

  it('answer no newer request with an older Job', () => {
    const job = jobOf(IMAGES)
    const desired = desiredOf(IMAGES, cache).map(image => ({
      ...image,
      pullPolicy: 'Always' as const,
      revision: 2,
    }))
    const ended = withJob(job, completed, { desired })
    expect(ended.ledger[0]).toMatchObject({ presence: { state: 'Present' }, attempt: { revision: 1 } })
    expect(ended.ledger[0]?.presence?.revision).toBeUndefined()
    expect(ended.start).toMatchObject({ revision: 2 })
    const answered = withJob({ ...job, revision: 2 }, completed, { desired })
    expect(answered.ledger[0]?.presence?.revision).toBe(2)
    expect(answered.start).toBeUndefined()
  })

  it('pull an image again whose Job was deleted unread, and call it failed after five times', () => {
    const one = compiledOf('cache', ['r.test/a:1'])
    let ledger: readonly LedgerEntry[] = []
    const said: string[] = []
    for (let time = 0; time < 5; time += 1) {
      const job = jobOf(['r.test/a:1'], 'batch', time * 1000)
      const metadata = { ...job.metadata, name: `cache-000000000${time}` }
      const now = T0 + time * 1_000_000 + 1_000
      ledger = decidePulls(workOf(one, { jobs: [{ ...job, metadata }], ledger, now })).ledger
      const lost = decidePulls(workOf(one, { ledger, now: now + 900_000 }))
      expect(started(lost)).toEqual(['r.test/a:1'])
      ledger = lost.ledger
      said.push(...words(ledger))
    }
    expect(said).toEqual(['Unknown', 'Unknown', 'Unknown', 'Unknown', 'PullFailed'])
  })
})

describe('a registry that does not answer', () => {
  const seenAs = (registry: ReturnType<Circuits['registry']>, mayProbe = true) => ({
    circuits: circuitsOf({ registry: () => registry, mayProbeRegistry: () => mayProbe }),
  })

  it('fails all images that wait for it, which are tried again after a pause, on one node at a time', () => {
    const blocked = decidePulls(workOf(cache, seenAs('open')))
    expect(words(blocked.ledger)).toEqual(['RegistryUnavailable', 'RegistryUnavailable'])
    expect(blocked.start).toBeUndefined()
    const due = { ledger: blocked.ledger, now: T0 + 600_000 }
    expect(started(decidePulls(workOf(cache, { ...due, ...seenAs('open') })))).toHaveLength(1)
    const waiting = decidePulls(workOf(cache, { ...due, ...seenAs('open', false) }))
    expect(waiting).toMatchObject({ wait: 'RegistryTrial', lookAgainMs: 60_000 })
    expect(waiting.start).toBeUndefined()
  })

  it('changes nothing at the next look', () => {
    const changes = seenAs('open', false)
    const { ledger } = decidePulls(workOf(cache, changes))
    expect(decidePulls(workOf(cache, { ...changes, ledger })).ledger).toEqual(ledger)
  })
})

describe('a node that takes no work any more while it pulls', () => {
  const nothing = new Set<string>()
  const job = jobOf(IMAGES)
  const pods = (pod: PodOptions) => ({ jobs: [job], pods: [podOf(job, pod)], now: T0 + 60_000 })

  it.each<{ name: string; pod: PodOptions; words: string }>([
    { name: 'ends', pod: completed, words: 'Present' },
    { name: 'is evicted', pod: { phase: 'Failed', reason: 'Evicted' }, words: 'NodeRefused' },
    { name: 'is deleted', pod: { deleted: true }, words: 'Unknown' },
  ])('gets no other Job where its Pod $name', ({ pod, words: expected }) => {
    const running = decidePulls(workOf(cache, pods({})), nothing)
    expect(running).toMatchObject({ finished: [], ledger: [{}, {}] })
    const { ledger } = running
    const ended = decidePulls(workOf(cache, { ...pods(pod), ledger }), nothing)
    expect([ended.start, ended.finished]).toEqual([undefined, [job]])
    expect(words(ended.ledger)).toEqual([expected, expected])
    const later = decidePulls(workOf(cache, { ledger: ended.ledger, now: T0 + 3_600_000 }), nothing)
    expect([later.start, later.lookAgainMs]).toEqual([undefined, undefined])
  })
})

describe('an image of two caches of which one namespace refuses Jobs', () => {
  const other = compiledOf('other', IMAGES, {}, {}, { namespace: 'other' })
  const caches = new Map([cache, other].map(each => [each.owner, each]))
  const desired = desiredOf(['r.test/a:1'], cache).map(image => ({
    ...image,
    owners: [cache.owner, other.owner],
  }))

  it('fails for both at once where it failed for the first, and waits for no turn', () => {
    const attempt = { owner: cache.owner, finishedAt: at(0) }
    const circuits = circuitsOf({
      namespaceRefusal: namespace => (namespace === 'other' ? 'exceeded quota' : undefined),
    })
    const ledger = [failedEntryOf('r.test/a:1', 'NodeRefused', attempt)]
    const decision = decidePulls(workOf(cache, { caches, desired, ledger, circuits, now: T0 + 1_000 }))
    expect(decision.start).toBeUndefined()
    expect(decision.ledger[0]?.attempt?.otherFailures).toMatchObject([
      { owner: other.owner, reason: 'JobRefused', message: 'exceeded quota' },
    ])
    expect(decision.lookAgainMs).toBeLessThan(40_000)
  })
})

describe('a namespace that refuses Jobs', () => {
  const look = (seconds: number, circuits: Partial<Circuits>, isOwn: boolean) => {
    const refused = { count: 5, finishedAt: at(0) }
    const ledger = IMAGES.map(image => {
      const { attempt, ...entry } = failedEntryOf(image, 'JobRefused', refused)
      if (!attempt) throw new Error('the entry has no attempt')
      const { id, ...others } = attempt
      return { ...entry, attempt: isOwn ? { ...others, id } : others }
    })
    return decidePulls(workOf(cache, { ledger, now: T0 + seconds * 1000, circuits: circuitsOf(circuits) }))
  }
  const paused = { namespaceRefusal: () => 'exceeded quota', namespaceRetryAt: () => T0 + 60_000 }
  const open = { namespaceRetryAt: () => T0 + 70_000, namespaceOpenedAt: () => at(60) }

  it('is tried again by a node whose Job it refused, before the pause of the image is over', () => {
    expect(look(20, paused, true)).toMatchObject({ lookAgainMs: 40_000 })
    expect(look(20, paused, false).lookAgainMs).toBeGreaterThan(400_000)
  })

  it('is used again by all when it admits Jobs', () => {
    expect(started(look(60, open, true))).toEqual(IMAGES)
    expect(look(60, { ...open, namespaceRefusal: () => 'exceeded quota' }, true).start).toBeUndefined()
  })

  it('fails the images that wait for it, once', () => {
    const circuits = circuitsOf({ namespaceRefusal: () => 'exceeded quota' })
    const { ledger } = decidePulls(workOf(cache, { circuits }))
    expect(ledger[0]?.attempt).toMatchObject({ reason: 'JobRefused', message: 'exceeded quota' })
    expect(ledger[0]?.owners).toEqual([cache.owner])
    expect(decidePulls(workOf(cache, { circuits, ledger })).ledger).toEqual(ledger)
  })
})

describe('the image list of the node', () => {
  it('is believed where it is whole, and what it has lost is pulled again', () => {
    const node = nodeOf('n1', [['r.test/a:1']], at(600))
    const found = decidePulls(workOf(cache, { node, now: T0 + 600_000 }))
    expect(words(found.ledger)).toEqual(['Present', 'Pending'])
    expect(found.ledger[0]).toMatchObject({ pulledByUs: false })
    const ledger = IMAGES.map(image => listedEntryOf(image))
    const lost = decidePulls(workOf(cache, { node, ledger, now: T0 + 600_000 }))
    expect(words(lost.ledger)).toEqual(['Present', 'Disappeared'])
    expect(started(lost)).toEqual(['r.test/b:1'])
  })

  it('has an image proved once that it has never shown, and then no more', () => {
    // The image has gone, or the kubelet lists few images, or the runtime lists it under another name.
    const node = nodeOf('n1', [['r.test/large:1'], ['r.test/larger:1']], at(600))
    const pulled = IMAGES.map(image => entryOf(image))
    const work = { node, now: T0 + 600_000, recheckIntervalMs: 3_600_000 }
    const first = decidePulls(workOf(cache, { ...work, ledger: pulled }))
    expect(words(first.ledger)).toEqual(['Present', 'Present'])
    expect(started(first)).toEqual(IMAGES)
    const job: PullJob = { ...jobOf(IMAGES), finished: true }
    const proved = withJob(job, completed, { ...work, ledger: pulled })
    expect(proved.ledger.map(({ presence }) => presence?.unlisted)).toEqual([true, true])
    const later = { ...work, ledger: proved.ledger, node: nodeOf('n1', [['r.test/large:1']], at(1_200)) }
    expect(decidePulls(workOf(cache, { ...later, now: T0 + 1_200_000 })).start).toBeUndefined()
    expect(started(decidePulls(workOf(cache, { ...later, now: T0 + 2 * 3_600_000 })))).toEqual(IMAGES)
  })

  it('has an image pulled at once that is gone, although its last refresh failed for good', () => {
    const node = nodeOf('n1', [['r.test/b:1']], at(600))
    const desired = desiredOf(['r.test/a:1'], cache).map(image => ({ ...image, revision: 2 }))
    const { attempt } = failedEntryOf('r.test/a:1', 'ImageNotFound', { revision: 2, finishedAt: at(599) })
    const ledger = [listedEntryOf('r.test/a:1', { ...(attempt && { attempt }) })]
    const lost = decidePulls(workOf(cache, { node, desired, ledger, now: T0 + 600_000 }))
    expect(lost.ledger[0]?.presence?.state).toBe('Absent')
    expect(started(lost)).toEqual(['r.test/a:1'])
  })

  it('is not believed about an image that was proved since', () => {
    const node = nodeOf('n1', [['r.test/a:1']], at(600))
    const recent = { state: 'Present', since: at(590), by: 'Job', revision: 1 } as const
    const ledger = IMAGES.map(image => entryOf(image, { presence: recent }))
    const decision = decidePulls(workOf(cache, { node, ledger, now: T0 + 600_000 }))
    expect(words(decision.ledger)).toEqual(['Present', 'Present'])
  })
})

describe('pulledByUs', () => {
  const isOurs = (ledger: readonly LedgerEntry[], image: string) =>
    ledger.find(entry => entry.image === image)?.pulledByUs

  it('is true of what kube-fledged pulled before, where the ledger of a node begins', () => {
    const status = { status: 'Succeeded', completionTime: at(-60) }
    const adopted = compiledOf('cache', ['r.test/a:1'], {}, status)
    const node = (created: number) => nodeWith('n1', { lists: [['r.test/a:1']], madeAt: at(created) })
    const look = (changes: Partial<PullWork>) =>
      isOurs(decidePulls(workOf(adopted, changes)).ledger, 'r.test/a:1')
    expect(look({ node: node(-3600) })).toBe(true)
    expect(look({ node: node(-30) })).toBe(false)
    expect(look({ node: node(-3600), ledger: [entryOf('r.test/other:1')] })).toBe(false)
    const fresh = decidePulls(workOf(compiledOf('cache', ['r.test/a:1']), { node: node(-3600) }))
    expect(isOurs(fresh.ledger, 'r.test/a:1')).toBe(false)
  })

  it.each<{ name: string; spec: Parameters<typeof compiledOf>[2]; image: string; ours: boolean }>([
    { name: 'a fixed tag', spec: {}, image: 'r.test/a:1', ours: false },
    { name: 'a moving tag', spec: { pullPolicy: 'Always' }, image: 'r.test/a:1', ours: false },
    {
      name: 'an image that is pulled with a secret',
      spec: { imagePullSecrets: [{ name: 's' }] },
      image: 'r.test/a:1',
      ours: false,
    },
    {
      name: 'an image that the node does not list',
      spec: { pullPolicy: 'Always' },
      image: 'r.test/b:1',
      ours: true,
    },
  ])('is $ours of $name, and stays so', ({ spec, image, ours }) => {
    const policy = { pullPolicy: spec?.pullPolicy ?? 'IfNotPresent' } as const
    const compiled = compiledOf('cache', [image], spec)
    const desired = desiredOf([image], compiled).map(each => ({ ...each, ...policy }))
    const { ledger } = decidePulls(workOf(compiled, { node: nodeOf('n1', [['r.test/a:1']]), desired }))
    expect(ledger).toMatchObject([{ image, pulledByUs: ours }])
    const again = decidePulls(workOf(compiled, { node: nodeOf('n1', [[image]]), desired, ledger }))
    expect(again.ledger).toMatchObject([{ image, pulledByUs: ours }])
  })

  it('is true of an image that was pulled by another name, and never becomes true for one that was there before', () => {
    const node = nodeOf('n1', [['docker.io/library/a:1']], at(600))
    const work = workOf(compiledOf('cache', ['a:1']), { node, now: T0 + 600_000 })
    const look = (ledger: LedgerEntry[]) => isOurs(decidePulls({ ...work, ledger }).ledger, 'a:1')
    expect(look([])).toBe(false)
    expect(look([entryOf('docker.io/a:1')])).toBe(true)
    expect(look([entryOf('docker.io/a:1', { pulledByUs: false })])).toBe(false)
    const foreign = listedEntryOf('r.test/b:1', { pulledByUs: false })
    const lost = decidePulls(
      workOf(compiledOf('cache', ['r.test/b:1']), { node, ledger: [foreign], now: T0 + 600_000 }),
    )
    expect(words(lost.ledger)).toEqual(['Disappeared'])
    expect(lost.ledger).toMatchObject([{ pulledByUs: false }])
  })
})
