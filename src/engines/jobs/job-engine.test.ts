import { afterEach, describe, expect, it } from 'vitest'
import { cacheOf, compiledOf } from '../../../test/builders/image-cache.ts'
import { HELPER, SETTINGS, jobOf, recentJobOf } from '../../../test/builders/job.ts'
import { desiredOf, entryOf, removalOf } from '../../../test/builders/node-images.ts'
import { nodeOf } from '../../../test/builders/node.ts'
import { podOf } from '../../../test/builders/pod.ts'
import { REMOVAL_ANNOTATIONS } from '../../api/constants.ts'
import { type LedgerEntry, type NodeImagesSpec, entryKey } from '../../api/node-images.ts'
import { openWork } from '../../core/ledger/index.ts'
import { nodeListInventory } from '../../core/node/index.ts'
import { type ApiAnswer, type ApiRequest, apiServer } from '../../state/testing.ts'
import type { NodeView, StepInput } from '../engine.ts'
import { makeEngine } from './testing-engine.ts'

const IMAGE = 'registry.test/app:1'
const GONE = 'registry.test/gone:1'
const NODE = nodeOf('n1')
const cache = compiledOf('cache', [IMAGE])

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

const signal = () => new AbortController().signal
const creates = ({ method, path }: ApiRequest) => method === 'POST' && path.endsWith('/jobs')

/** Gives back the object that was sent, as if it was stored. */
function echo({ body }: ApiRequest): ApiAnswer {
  const { metadata = {}, ...object } = (body ?? {}) as { metadata?: object }
  const creationTimestamp = new Date().toISOString()
  return { body: { ...object, metadata: { uid: 'uid-of-made', creationTimestamp, ...metadata } } }
}

/** An engine of one node and one cache, before an API server. */
async function engineBefore(
  answer: (request: ApiRequest) => ApiAnswer = echo,
  options: Parameters<typeof makeEngine>[1] = {},
) {
  const { client, requests, close } = await apiServer(answer)
  const parts = makeEngine(client, options)
  closers.push(close, parts.close)
  const { cluster, breaker, engine } = parts
  cluster.nodeInformer.upsert(NODE)
  cluster.cacheInformer.upsert(cacheOf('cache', [IMAGE]))
  const viewOf = (plan: NodeImagesSpec, ledger: readonly LedgerEntry[] = []): NodeView => ({
    node: NODE,
    plan: { revision: 1, ...plan },
    ledger,
    caches: new Map(cluster.compiledCaches().map(each => [each.owner, each])),
    now: cluster.now(),
  })
  const inputOf = (view: NodeView): StepInput => {
    const desired = view.plan.images ?? []
    const common = {
      ...view,
      inventory: nodeListInventory(NODE),
      circuits: breaker.viewOf('n1', view.now, () => false),
    }
    const open = openWork({
      ...common,
      desired,
      removals: view.plan.remove ?? [],
      recheckIntervalMs: 0,
      startable: new Set(desired.map(entryKey)),
      mayRemove: true,
    })
    return { ...common, open }
  }
  const step = (plan: NodeImagesSpec, ledger?: readonly LedgerEntry[]) => {
    const view = viewOf(plan, ledger)
    return engine.step(inputOf(view), engine.verdicts(view), signal())
  }
  const release = (plan: NodeImagesSpec) => {
    const view = viewOf(plan)
    return engine.release(view, engine.verdicts(view), signal())
  }
  const made = () => requests.filter(creates).map(({ body }) => body as MadeJob)
  return { ...parts, requests, viewOf, step, release, made }
}

interface MadeJob {
  readonly metadata: { readonly name: string; readonly namespace: string }
  readonly spec: {
    readonly template: { readonly metadata: { readonly annotations: Readonly<Record<string, string>> } }
  }
}

const images = desiredOf([IMAGE], cache)
const remove = [removalOf(GONE)]

describe('JobEngine.step', () => {
  it('starts a pull, and says so', async () => {
    const { step, made } = await engineBefore()
    const { evidence } = await step({ images })
    expect(made().map(({ metadata }) => metadata.namespace)).toEqual(['team'])
    const [{ metadata } = { metadata: { name: '' } }] = made()
    expect(evidence).toMatchObject({
      pulls: [{ key: IMAGE, id: metadata.name.slice(-10), revision: 1, verdict: { kind: 'pulling' } }],
      removals: [],
    })
  })

  it('finds a Job that it made before a crash, and makes no other', async () => {
    const { step, made } = await engineBefore(request =>
      creates(request)
        ? { status: 409, body: { kind: 'Status', reason: 'AlreadyExists', code: 409 } }
        : { body: {} },
    )
    expect((await step({ images })).evidence.pulls).toMatchObject([{ verdict: { kind: 'pulling' } }])
    await step({ images })
    expect(new Set(made().map(({ metadata }) => metadata.name)).size).toBe(1)
  })

  it('starts nothing beside a pull that runs', async () => {
    const { step, state, made } = await engineBefore()
    state.pullJobs.upsert(recentJobOf([IMAGE], 1))
    const others = desiredOf(['registry.test/other:1'], cache)
    expect((await step({ images: [...images, ...others] })).wait).toEqual({ reason: 'PullRuns' })
    expect(made()).toEqual([])
  })

  it('starts a removal before a pull, and one Job at a time', async () => {
    const { step, made } = await engineBefore()
    const { evidence } = await step({ images, remove }, [entryOf(GONE)])
    expect(made().map(({ metadata }) => metadata.namespace)).toEqual(['kube-fledged'])
    expect(evidence).toMatchObject({ pulls: [], removals: [{ key: GONE, verdict: { kind: 'removing' } }] })
    const next = await step({ images, remove }, [entryOf(GONE)])
    expect(next.wait).toMatchObject({ reason: 'RemovalRuns' })
    expect(made()).toHaveLength(1)
  })

  it('tells a removal to keep what caches want of its repository, and the images of the operator', async () => {
    const { cluster, step, made } = await engineBefore()
    const other = GONE.replace(/:.*/, ':kept')
    cluster.cacheInformer.upsert(cacheOf('suspended', [other, 'registry.test/far:1'], { suspend: true }))
    await step({ remove }, [entryOf(GONE)])
    const request = made()[0]?.spec.template.metadata.annotations[REMOVAL_ANNOTATIONS.request] ?? '{}'
    expect(JSON.parse(request)).toMatchObject({
      remove: [GONE],
      keep: [HELPER, other],
    })
  })

  it('removes no image that is being pulled, and looks again soon', async () => {
    const { state, step, made } = await engineBefore(echo, { maxJobs: 2 })
    state.pullJobs.upsert(recentJobOf([GONE], 1))
    const both = { remove: [...remove, removalOf('registry.test/other:1')] }
    const ledger = [entryOf(GONE), entryOf('registry.test/other:1')]
    const { wait, lookAgainMs } = await step({ remove }, ledger)
    expect([wait?.reason, lookAgainMs]).toEqual(['ImagePulled', 5_000])
    const { evidence } = await step(both, ledger)
    expect(evidence.removals.map(({ key }) => key)).toEqual(['registry.test/other:1'])
    expect(made()).toHaveLength(1)
  })

  it('goes on with pulls while the namespace of removals refuses Jobs', async () => {
    const { breaker, cluster, step, made } = await engineBefore()
    breaker.refuseNamespace('removals', 'kube-fledged', 'violates PodSecurity', cluster.now())
    const { evidence } = await step({ images, remove }, [entryOf(GONE)])
    expect(evidence.removals).toMatchObject([{ verdict: { kind: 'failed', reason: 'JobRefused' } }])
    expect(evidence.pulls).toMatchObject([{ verdict: { kind: 'pulling' } }])
    expect(made()).toHaveLength(1)
  })

  it('blocks the namespace where a Job is refused, and not where the Job itself is at fault', async () => {
    const answer = { status: 403, reason: 'Forbidden' }
    const { breaker, cluster, step } = await engineBefore(() => ({
      status: answer.status,
      body: { kind: 'Status', reason: answer.reason, code: answer.status, message: 'no' },
    }))
    const refused = () => breaker.refusal('pulls', 'team', cluster.now())
    Object.assign(answer, { status: 422, reason: 'Invalid' })
    expect((await step({ images })).evidence.pulls).toMatchObject([{ verdict: { reason: 'JobRefused' } }])
    expect(refused()).toBeUndefined()
    Object.assign(answer, { status: 403, reason: 'Forbidden' })
    expect((await step({ images })).evidence.pulls).toMatchObject([{ verdict: { reason: 'JobRefused' } }])
    expect(refused()).toContain('no (create')
  })

  it('waits a moment where another request changes the quota at the same time', async () => {
    const conflict = {
      kind: 'Status',
      reason: 'Conflict',
      code: 409,
      message: 'the object has been modified',
    }
    const { breaker, cluster, step } = await engineBefore(() => ({ status: 409, body: conflict }))
    const { evidence, wait, lookAgainMs } = await step({ images })
    expect(evidence.pulls).toEqual([])
    expect([wait?.reason, lookAgainMs]).toEqual(['QuotaBusy', 1_000])
    expect(breaker.refusal('pulls', 'team', cluster.now())).toBeUndefined()
  })

  it('has the registry asked for the digests of moving tags first, and not for fixed ones', async () => {
    const { asked, step, made } = await engineBefore()
    const moving = desiredOf(['registry.test/moving'], cache)
    const always = moving.map(image => ({ ...image, pullPolicy: 'Always' as const }))
    const { wait } = await step({ images: always })
    expect(wait).toEqual({ reason: 'TagDigest' })
    expect(asked).toEqual(['registry.test/moving'])
    expect(made()).toEqual([])
    await step({ images })
    expect(asked).toEqual(['registry.test/moving'])
    expect(made()).toHaveLength(1)
  })
})

describe('JobEngine.verdicts', () => {
  it.each([
    { namespace: 'team', method: 'containers' },
    { namespace: 'other', method: 'batch' },
  ])('pulls by $method in $namespace where Pods of team lose their image volumes', async expected => {
    const { namespace, method } = expected
    const { engine, cluster, state, viewOf, step, made } = await engineBefore()
    const job = jobOf(['registry.test/other:1'])
    state.pullJobs.upsert(job)
    state.pullPods.upsert(podOf(job, { withoutVolumes: true }))
    engine.verdicts(viewOf({ images }))
    cluster.cacheInformer.upsert(cacheOf('its', [IMAGE], {}, {}, { namespace }))
    const its = compiledOf('its', [IMAGE], {}, {}, { namespace })
    await step({ images: desiredOf([IMAGE], its) })
    expect(JSON.stringify(made())).toContain(`"kubefledged.io/pull-method":"${method}"`)
  })

  it('counts attempts that ended, and says when a running one may change by time alone', async () => {
    const { engine, state, viewOf } = await engineBefore()
    const job = recentJobOf([IMAGE], 1)
    state.pullJobs.upsert(job)
    expect(engine.verdicts(viewOf({ images }))).toMatchObject({ ended: 0 })
    expect(engine.verdicts(viewOf({ images })).lookAgainMs).toBeLessThanOrEqual(3_000)
    state.pullPods.upsert(podOf(job, { states: [{ terminated: { reason: 'Completed' } }] }))
    expect(engine.verdicts(viewOf({ images }))).toMatchObject({
      ended: 1,
      evidence: { pulls: [{ verdict: { kind: 'present' } }] },
    })
  })
})

describe('JobEngine.release', () => {
  const ended = { ...jobOf([IMAGE]), finished: true }
  const completed = podOf(ended, { states: [{ terminated: { reason: 'Completed' } }], phase: 'Succeeded' })
  const deleted = (requests: readonly ApiRequest[]) =>
    requests.filter(({ method }) => method === 'DELETE').map(({ path }) => path.split('/').at(-1))

  it('deletes Jobs that were read to their end', async () => {
    const { state, requests, release } = await engineBefore()
    state.pullJobs.upsert(ended)
    state.pullPods.upsert(completed)
    await release({ images })
    expect(deleted(requests)).toEqual([ended.metadata.name])
  })

  it('retains them where it is told to, until their image is to be removed', async () => {
    const pulls = { ...SETTINGS, retainJobs: true }
    const { engine, state, requests, viewOf, release } = await engineBefore(echo, { pulls })
    state.pullJobs.upsert(ended)
    state.pullPods.upsert(completed)
    await release({ images })
    expect(deleted(requests)).toEqual([])
    expect(engine.verdicts(viewOf({ images })).evidence.pulls).toEqual([])
    await release({ remove: [removalOf(IMAGE, { stays: 'NotOurs' })] })
    expect(deleted(requests)).toEqual([])
    await release({ remove: [removalOf(IMAGE)] })
    expect(deleted(requests)).toEqual([ended.metadata.name])
  })
})

describe('JobEngine.forget', () => {
  it('deletes all Jobs of a node that is gone, and frees its turn', async () => {
    const { engine, state, slots, woken, requests } = await engineBefore()
    state.pullJobs.upsert(jobOf([IMAGE]))
    state.removalJobs.upsert({
      metadata: { name: 'removes', namespace: 'kube-fledged', uid: 'u' },
      nodeName: 'n1',
      nodeUid: 'uid-of-n1',
      keys: [GONE],
      revision: 1,
      finished: false,
    })
    expect(slots.tryTake('n1', 'team/cache', true)).toBe(false)
    await engine.forget('n1', signal())
    expect(requests.map(({ method, path }) => `${method} ${path.split('/').at(-1)}`)).toEqual([
      'DELETE cache-0123456789',
      'DELETE removes',
    ])
    slots.wakeNext()
    expect(woken).toEqual([])
  })
})
