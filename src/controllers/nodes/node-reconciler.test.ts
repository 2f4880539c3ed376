import { afterEach, describe, expect, it } from 'vitest'
import { cacheOf, compiledOf } from '../../../test/builders/image-cache.ts'
import { recentJobOf } from '../../../test/builders/job.ts'
import { desiredOf, removalOf } from '../../../test/builders/node-images.ts'
import { nodeOf } from '../../../test/builders/node.ts'
import { podOf } from '../../../test/builders/pod.ts'
import { API_VERSION } from '../../api/constants.ts'
import type { LedgerEntry, NodeImages, NodeImagesSpec } from '../../api/node-images.ts'
import { makeEngine } from '../../engines/jobs/testing-engine.ts'
import { silentLogger } from '../../kube/index.ts'
import { type ApiAnswer, type ApiRequest, apiServer } from '../../state/testing.ts'
import { RetryCalls } from '../../state/retry-calls.ts'
import { NodeImagesWriter } from './node-images-writer.ts'
import { NodeReconciler } from './node-reconciler.ts'
import { WaitLog } from './wait-log.ts'

const IMAGE = 'registry.test/app:1'
const GONE = 'registry.test/gone:1'
const NODE = nodeOf('n1')

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

/** A reconciler in a cluster of one node and one cache, before an API server that answers as told. */
async function reconciler(answer: (request: ApiRequest) => ApiAnswer) {
  const { client, requests, close } = await apiServer(answer)
  const parts = makeEngine(client)
  closers.push(close, parts.close)
  const { cluster, engine, breaker, state, tags } = parts
  cluster.nodeInformer.upsert(NODE)
  cluster.cacheInformer.upsert(cacheOf('cache', [IMAGE]))
  cluster.nodeImagesInformer.upsert(stored())
  const made = new NodeReconciler({
    cluster,
    engine,
    writer: new NodeImagesWriter(cluster, 100),
    breaker,
    isPulledElsewhere: (host, nodeName) => state.isPulledElsewhere(host, nodeName),
    refreshes: new Map(),
    tagAnswers: () => tags.answers,
    recheckIntervalMs: 0,
    retryCalls: new RetryCalls(),
    waits: new WaitLog(silentLogger),
    log: silentLogger,
  })
  return { ...parts, requests, reconcile: () => made.reconcile('n1', new AbortController().signal) }
}

/** The NodeImages of the node as the API server has it. */
function stored(spec: NodeImagesSpec = {}, images?: LedgerEntry[], resourceVersion = '1'): NodeImages {
  const cache = compiledOf('cache', [IMAGE])
  const owners = { [cache.owner]: { cache: cache.key, generation: 1 } }
  return {
    apiVersion: API_VERSION,
    kind: 'NodeImages',
    metadata: {
      name: 'n1',
      uid: 'uid-of-ledger',
      resourceVersion,
      ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: 'n1', uid: NODE.metadata.uid ?? '' }],
    },
    spec: { revision: 1, owners, images: desiredOf([IMAGE], cache), ...spec },
    status: { ...(images && { images }) },
  }
}

/** A node from which one image is to be removed. */
function storedWithRemoval(spec: NodeImagesSpec = {}): NodeImages {
  const waiting = { state: 'Waiting', revision: 1 } as const
  const entry = { image: GONE, owners: ['x'], pulledByUs: true, removal: waiting }
  return stored({ remove: [removalOf(GONE)], ...spec }, [entry], '2')
}

/** The ledgers that were written, as merge patches. */
function ledgers(requests: readonly ApiRequest[]): unknown[] {
  return requests
    .filter(({ path }) => path.endsWith('/nodeimages/n1'))
    .map(({ body }) => (body as { status: unknown }).status)
}

const isNewJob = ({ method, path }: ApiRequest) => method === 'POST' && path.endsWith('/jobs')
const QUOTA: ApiAnswer = {
  status: 403,
  body: { kind: 'Status', reason: 'Forbidden', code: 403, message: 'exceeded quota' },
}

describe('NodeReconciler', () => {
  it('asks about a Job without a Pod again after seconds, where there is no explanation', async () => {
    const { state, requests, reconcile } = await reconciler(({ path }) =>
      path.endsWith('/events') ? { body: { items: [] } } : { body: stored() },
    )
    state.pullJobs.upsert(recentJobOf([IMAGE], 5))
    const result = await reconcile()
    expect(requests.filter(({ path }) => path.endsWith('/events'))).toHaveLength(1)
    expect(result?.requeueAfterMs).toBeGreaterThanOrEqual(1_000)
  })

  it('asks about a Job without a Pod also while its ledger waits to be written', async () => {
    const { cluster, state, requests, reconcile } = await reconciler(({ path }) =>
      path.endsWith('/events') ? { body: { items: [] } } : { body: stored() },
    )
    const early = recentJobOf([IMAGE], 1)
    state.pullJobs.upsert(early)
    await reconcile()
    const metadata = { ...recentJobOf([IMAGE], 5).metadata, resourceVersion: '2' }
    state.pullJobs.upsert({ ...early, metadata })
    // The image list of the node changes the ledger, which was written a moment ago.
    const listed = nodeOf('n1', [[IMAGE]])
    cluster.nodeInformer.upsert({ ...listed, metadata: { ...listed.metadata, resourceVersion: '2' } })
    await reconcile()
    expect(ledgers(requests)).toHaveLength(1)
    expect(requests.filter(({ path }) => path.endsWith('/events'))).toHaveLength(1)
  })

  it('reads the explanation of a Job without a Pod soon', async () => {
    const involvedObject = { uid: 'uid-of-job' }
    const { state, reconcile } = await reconciler(({ path }) =>
      path.endsWith('/events')
        ? { body: { items: [{ metadata: { name: 'e' }, involvedObject, message: 'exceeded quota' }] } }
        : { body: stored() },
    )
    state.pullJobs.upsert(recentJobOf([IMAGE], 5))
    expect((await reconcile())?.requeueAfterMs).toBe(50)
  })

  it('takes an admission webhook that does not answer for a refusal, and says so in the ledger', async () => {
    const message = 'Internal error occurred: failed calling webhook "policy.test": connection refused'
    const { requests, reconcile } = await reconciler(request =>
      isNewJob(request)
        ? { status: 500, body: { kind: 'Status', reason: 'InternalError', code: 500, message } }
        : { body: stored() },
    )
    await reconcile()
    const attempt = { state: 'Failed', reason: 'JobRefused', message: expect.stringContaining(message) }
    expect(ledgers(requests)).toMatchObject([{ images: [{ image: IMAGE, attempt }] }])
  })

  it('makes no Job for a moving tag before its registry was asked, and one where that gave no answer', async () => {
    const moving = 'registry.test/moving'
    const { cluster, requests, asked, tags, reconcile } = await reconciler(() => ({
      body: stored({ images: [] }, undefined, '2'),
    }))
    cluster.nodeImagesInformer.upsert(stored({ images: [] }, undefined, '2'))
    const { metadata, ...cache } = cacheOf('cache', [moving])
    cluster.cacheInformer.upsert({ ...cache, metadata: { ...metadata, generation: 2, resourceVersion: '2' } })
    await reconcile()
    expect(asked).toEqual([moving])
    expect(requests.filter(isNewJob)).toEqual([])
    await tags.reconcile(moving, new AbortController().signal)
    await reconcile()
    expect(asked).toEqual([moving])
    expect(requests.filter(isNewJob)).toHaveLength(1)
  })

  it('throws where it is not known whether the Job was made, and writes nothing', async () => {
    const { requests, reconcile } = await reconciler(({ method }) =>
      method === 'POST' ? { status: 504, body: { kind: 'Status', code: 504 } } : { body: stored() },
    )
    await expect(reconcile()).rejects.toMatchObject({ code: 'Timeout' })
    expect(ledgers(requests)).toEqual([])
  })

  it('removes an image beside any number of wanted and refused references', async () => {
    const object = storedWithRemoval()
    const { cluster, requests, reconcile } = await reconciler(() => ({ body: object }))
    cluster.nodeImagesInformer.upsert(object)
    const repository = GONE.replace(/:[^/]*$/, '')
    for (const name of ['a', 'b', 'c', 'd']) {
      const many = Array.from({ length: 1_500 }, (_, index) => `${repository}:${name}-${index}`)
      const odd = `${repository}:${'x'.repeat(200_000)}`
      cluster.cacheInformer.upsert(cacheOf(name, [...many, odd], { suspend: true }))
    }
    await reconcile()
    const removal = { state: 'Removing' }
    const [ledger] = ledgers(requests)
    expect(ledger).toMatchObject({
      images: expect.arrayContaining([
        expect.objectContaining({ image: GONE, removal: expect.objectContaining(removal) }),
      ]),
    })
  })

  it.each([
    { name: 'a pull', object: stored(), urgent: true },
    { name: 'a removal', object: storedWithRemoval({ images: [] }), urgent: false },
  ])('gives the slot of $name that was refused to the next node', async ({ object, urgent }) => {
    const { cluster, slots, woken, reconcile } = await reconciler(request =>
      isNewJob(request) ? QUOTA : { body: object },
    )
    cluster.nodeImagesInformer.upsert(object)
    expect(slots.tryTake('busy', 'team/cache', true)).toBe(true)
    expect(slots.tryTake('n2', 'team/another', urgent)).toBe(false)
    slots.release('busy')
    await reconcile()
    expect(woken).toContain('n2')
  })

  it('delays no other node where its own NodeImages cannot be written', async () => {
    const { cluster, slots, reconcile } = await reconciler(({ method }) =>
      method === 'PATCH' ? { status: 413, body: { kind: 'Status', code: 413 } } : { body: stored() },
    )
    cluster.cacheInformer.upsert(cacheOf('another', ['registry.test/other:1']))
    expect(slots.tryTake('busy', 'team/cache', true)).toBe(true)
    expect(slots.tryTake('n1', 'team/cache', true)).toBe(false)
    slots.release('busy')
    await expect(reconcile()).rejects.toMatchObject({ status: 413 })
    expect(slots.tryTake('n2', 'team/cache', false)).toBe(true)
  })

  it('deletes a Job whose result is in the ledger, and no Job that ended while the ledger was written', async () => {
    const job = recentJobOf([IMAGE], 5)
    const completed = podOf(job, { states: [{ terminated: { reason: 'Completed' } }], phase: 'Succeeded' })
    let whileWritten = () => {}
    const { state, requests, reconcile } = await reconciler(({ method, path }) => {
      if (method === 'PATCH' && path.endsWith('/nodeimages/n1')) whileWritten()
      return { body: stored() }
    })
    const deleted = () => requests.filter(({ method }) => method === 'DELETE')
    state.pullJobs.upsert(job)
    state.pullPods.upsert(podOf(job))
    whileWritten = () => {
      const metadata = { ...completed.metadata, resourceVersion: '2' }
      state.pullPods.upsert({ ...completed, metadata })
    }
    await reconcile()
    expect(ledgers(requests)).toMatchObject([{ images: [{ attempt: { state: 'Pulling' } }] }])
    expect(deleted()).toEqual([])
    await reconcile()
    expect(ledgers(requests)[1]).toMatchObject({ images: [{ presence: { state: 'Present' } }] })
    expect(deleted()).toHaveLength(1)
  })
})
