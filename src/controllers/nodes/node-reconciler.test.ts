import { afterEach, describe, expect, it } from 'vitest'
import { API_VERSION, JOB_ANNOTATIONS } from '../../api/constants.ts'
import type { NodeImages } from '../../api/node-images.ts'
import { RegistryHealth } from '../../core/ledger/index.ts'
import { projectJob } from '../../engines/jobs/pull/index.ts'
import { SETTINGS, cacheOf, nodeOf } from '../../engines/jobs/pull/testing.ts'
import { RegistryClient } from '../../oci/registry/index.ts'
import { silentLogger } from '../../kube/index.ts'
import { shortHash } from '../../core/demand/index.ts'
import { JobWriter } from '../../engines/jobs/job-writer.ts'
import { NodeReconciler } from './node-reconciler.ts'
import { RefusedNamespaces } from '../../engines/jobs/refused-namespaces.ts'
import { Remover } from '../../engines/jobs/remover.ts'
import { JobSlots } from '../../engines/jobs/job-slots.ts'
import { TagResolver } from '../../state/tag-resolver.ts'
import { type ApiAnswer, type ApiRequest, apiServer } from '../../state/testing.ts'
import { ClusterState } from '../../state/cluster-state.ts'

const IMAGE = 'registry.test/app:1'
const NODE = nodeOf('n1')

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

/** A reconciler in a cluster of one node and one cache, before an API server that answers as told. */
async function reconciler(answer: (request: ApiRequest) => ApiAnswer) {
  const { client, requests, close } = await apiServer(answer)
  closers.push(close)
  const cluster = new ClusterState(client, {
    namespace: 'kube-fledged',
    defaultPolicy: 'IfNotPresent',
    log: silentLogger,
  })
  cluster.nodeInformer.upsert(NODE)
  cluster.cacheInformer.upsert(cacheOf('cache', [IMAGE]))
  cluster.nodeImagesInformer.upsert(stored({}))
  const refused = new RefusedNamespaces()
  const woken: string[] = []
  const slots = new JobSlots({
    inFlight: () => cluster.jobInformer.list(),
    nodeCount: () => 1,
    maxSurge: 0,
    wake: node => woken.push(node),
  })
  const jobs = new JobWriter(client, cluster, { pulls: refused, removals: refused }, silentLogger, () => {})
  const settings = {
    namespace: 'kube-fledged',
    criClientImage: 'registry.test/kubefledged-cri-client:1',
    helperPullSecrets: [],
    criSocketPath: '',
    hostNetwork: false,
    deadlineMs: 300_000,
  }
  const registry = new RegistryClient({ userAgent: 'test' })
  closers.push(() => registry.close())
  const asked: string[] = []
  const questions = new TagResolver({
    registry,
    now: cluster.now,
    enqueue: image => asked.push(image),
    wake: node => woken.push(node),
    log: silentLogger,
  })
  const made = new NodeReconciler({
    cluster,
    jobs,
    slots,
    remover: new Remover({ cluster, jobs, slots, refused, settings, ownImages: [], log: silentLogger }),
    registries: new RegistryHealth(),
    refused,
    refreshes: new Map(),
    questions,
    settings: SETTINGS,
    pullMethod: 'auto',
    serverMinor: 36,
    log: silentLogger,
  })
  return {
    cluster,
    requests,
    slots,
    woken,
    asked,
    questions,
    reconcile: () => made.reconcile('n1', new AbortController().signal),
  }
}

/** The NodeImages of the node as the API server has it. */
function stored(status: NodeImages['status']): NodeImages {
  const requestedAt = '2026-01-01T00:00:00.000Z'
  const owners = [shortHash('uid-of-cache')]
  return {
    apiVersion: API_VERSION,
    kind: 'NodeImages',
    metadata: {
      name: 'n1',
      uid: 'uid-of-ledger',
      resourceVersion: '1',
      ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: 'n1', uid: NODE.metadata.uid ?? '' }],
    },
    spec: { images: [{ image: IMAGE, pullPolicy: 'IfNotPresent', owners, requestedAt }] },
    ...(status && { status }),
  }
}

/** What the ledger was made to say by the requests, as merge patches of its status. */
function ledgers(requests: readonly ApiRequest[]): unknown[] {
  return requests
    .filter(({ path }) => path.endsWith('/nodeimages/n1/status'))
    .map(({ body }) => (body as { status: unknown }).status)
}

describe('NodeReconciler', () => {
  it('asks about a Job without a Pod again after seconds, where nobody has said anything', async () => {
    const { cluster, requests, reconcile } = await reconciler(({ path }) =>
      path.endsWith('/events') ? { body: { items: [] } } : { body: stored({}) },
    )
    cluster.jobInformer.upsert(
      projectJob({
        metadata: {
          name: 'cache-0123456789',
          namespace: 'team',
          uid: 'uid-of-job',
          creationTimestamp: new Date(Date.now() - 5_000).toISOString(),
          annotations: {
            [JOB_ANNOTATIONS.cache]: 'team/cache',
            [JOB_ANNOTATIONS.nodeUid]: NODE.metadata.uid ?? '',
            [JOB_ANNOTATIONS.images]: IMAGE,
          },
          ownerReferences: [
            {
              apiVersion: API_VERSION,
              kind: 'ImageCache',
              name: 'cache',
              uid: 'uid-of-cache',
              controller: true,
            },
          ],
        },
        spec: { template: { spec: { nodeName: 'n1' } } },
      }),
    )
    const result = await reconcile()
    expect(requests.filter(({ path }) => path.endsWith('/events'))).toHaveLength(1)
    expect(result?.requeueAfterMs).toBeGreaterThanOrEqual(1_000)
  })

  it('takes an admission webhook that does not answer for a refusal, and says so in the ledger', async () => {
    const message = 'Internal error occurred: failed calling webhook "policy.test": connection refused'
    const { requests, reconcile } = await reconciler(({ method, path }) =>
      method === 'POST' && path.endsWith('/jobs')
        ? { status: 500, body: { kind: 'Status', reason: 'InternalError', code: 500, message } }
        : { body: stored({}) },
    )
    await reconcile()
    expect(ledgers(requests)).toMatchObject([
      {
        images: [
          { image: IMAGE, state: 'Failed', reason: 'JobRefused', message: expect.stringContaining(message) },
        ],
      },
    ])
  })

  it('makes no Job for a moving tag before its registry was asked, and one when that came to nothing', async () => {
    const moving = 'registry.test/moving'
    const [desired] = stored({}).spec?.images ?? []
    if (!desired) throw new Error('nothing is desired')
    const object: NodeImages = {
      ...stored({}),
      spec: {
        images: [{ ...desired, image: moving, pullPolicy: 'Always', owners: [shortHash('uid-of-moving')] }],
      },
    }
    const { cluster, requests, asked, questions, reconcile } = await reconciler(() => ({ body: object }))
    cluster.cacheInformer.upsert(cacheOf('moving', [moving]))
    const made = () => requests.filter(({ method, path }) => method === 'POST' && path.endsWith('/jobs'))
    await reconcile()
    expect(asked).toEqual([moving])
    expect(made()).toEqual([])
    await questions.reconcile(moving, new AbortController().signal)
    await reconcile()
    expect(asked).toEqual([moving])
    expect(made()).toHaveLength(1)
  })

  it('tries again where nobody knows whether the Job was made', async () => {
    const { requests, reconcile } = await reconciler(({ method }) =>
      method === 'POST' ? { status: 504, body: { kind: 'Status', code: 504 } } : { body: stored({}) },
    )
    await expect(reconcile()).rejects.toMatchObject({ code: 'Timeout' })
    expect(ledgers(requests)).toEqual([])
  })

  it('goes on with pulls where others want more than one removal can be told to keep', async () => {
    const gone = 'registry.test/gone:1'
    const requestedAt = '2026-01-01T00:00:00.000Z'
    const removal = { image: gone, owners: ['of-nobody'], requestedAt }
    const { images } = stored({}).spec ?? {}
    const before = stored({ images: [{ image: gone, state: 'Removing' }] })
    const object: NodeImages = {
      ...before,
      metadata: { ...before.metadata, resourceVersion: '2' },
      spec: { images: images ?? [], remove: [removal] },
    }
    const { cluster, requests, reconcile } = await reconciler(() => ({ body: object }))
    cluster.nodeImagesInformer.upsert(object)
    for (const name of ['a', 'b', 'c', 'd']) {
      const many = Array.from({ length: 1_500 }, (_, index) => `registry.test/${name}-${index}:1`)
      cluster.cacheInformer.upsert(cacheOf(name, many, { suspend: true }))
    }
    await reconcile()
    const [ledger] = ledgers(requests)
    expect(ledger).toMatchObject({
      images: [
        { image: IMAGE, state: 'Pulling' },
        { image: gone, reason: 'RemovalFailed', message: expect.stringContaining('"keep" of the request') },
      ],
    })
  })

  it('gives the slot of a Job that was refused to who waits for one', async () => {
    const { slots, woken, reconcile } = await reconciler(({ method, path }) =>
      method === 'POST' && path.endsWith('/jobs')
        ? { status: 403, body: { kind: 'Status', reason: 'Forbidden', code: 403, message: 'exceeded quota' } }
        : { body: stored({}) },
    )
    expect(slots.tryTake('busy', 'team/cache', true)).toBe(true)
    expect(slots.tryTake('n2', 'team/another', true)).toBe(false)
    slots.release('busy')
    await reconcile()
    expect(woken).toContain('n2')
  })

  it('gives the slot of a removal that was refused to who waits for one', async () => {
    const gone = 'registry.test/gone:1'
    const removal = { image: gone, owners: ['of-nobody'], requestedAt: '2026-01-01T00:00:00.000Z' }
    const before = stored({ images: [{ image: gone, state: 'Removing' }] })
    const object: NodeImages = {
      ...before,
      metadata: { ...before.metadata, resourceVersion: '2' },
      spec: { images: [], remove: [removal] },
    }
    const { cluster, slots, woken, reconcile } = await reconciler(({ method, path }) =>
      method === 'POST' && path.endsWith('/jobs')
        ? { status: 403, body: { kind: 'Status', reason: 'Forbidden', code: 403, message: 'exceeded quota' } }
        : { body: object },
    )
    cluster.nodeImagesInformer.upsert(object)
    expect(slots.tryTake('busy', 'team/cache', true)).toBe(true)
    expect(slots.tryTake('n2', 'team/another', false)).toBe(false)
    slots.release('busy')
    await reconcile()
    expect(woken).toContain('n2')
  })

  it('holds up no other node where its own NodeImages cannot be written', async () => {
    const { cluster, slots, reconcile } = await reconciler(({ method }) =>
      method === 'PATCH' ? { status: 413, body: { kind: 'Status', code: 413 } } : { body: stored({}) },
    )
    cluster.cacheInformer.upsert(cacheOf('another', ['registry.test/other:1']))
    expect(slots.tryTake('busy', 'team/cache', true)).toBe(true)
    expect(slots.tryTake('n1', 'team/cache', true)).toBe(false)
    slots.release('busy')
    await expect(reconcile()).rejects.toMatchObject({ status: 413 })
    expect(slots.tryTake('n2', 'team/cache', false)).toBe(true)
  })
})
