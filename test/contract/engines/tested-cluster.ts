import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { RetryCalls } from '../../../src/state/retry-calls.ts'
import { NodeImagesWriter } from '../../../src/controllers/nodes/node-images-writer.ts'
import { NodeReconciler } from '../../../src/controllers/nodes/node-reconciler.ts'
import { WaitLog } from '../../../src/controllers/nodes/wait-log.ts'
import { imageCacheCrd, nodeImagesCrd } from '../../../src/api/crd.ts'
import type { ImageCache, ImageCacheSpec, ImageCacheStatus } from '../../../src/api/image-cache.ts'
import { ACTION } from '../../../src/api/messages.ts'
import type { LedgerEntry, NodeImages } from '../../../src/api/node-images.ts'
import type { RawNode } from '../../../src/core/node/index.ts'
import type { Engine } from '../../../src/engines/engine.ts'
import {
  InformerSet,
  KubeClient,
  type Resource,
  isKubeError,
  loadConfig,
  silentLogger,
} from '../../../src/kube/index.ts'
import type { CircuitBreaker } from '../../../src/state/circuit-breaker.ts'
import type { ClusterState } from '../../../src/state/cluster-state.ts'
import { ApiServer } from '../../harness/api-server.ts'
import { binary } from '../../harness/binaries.ts'
import { run } from '../../harness/command.ts'
import { eventually } from '../../harness/eventually.ts'
import { NODES } from '../kube/fixture.ts'
import { TestedNode } from './tested-node.ts'

/** An engine with nothing in memory, and what the reconciler of nodes works with beside it. */
export interface EngineProcess {
  readonly engine: Engine
  readonly cluster: ClusterState
  readonly breaker: CircuitBreaker
  /** Informers of the engine itself. */
  readonly informers: InformerSet['members']
  readonly close: () => void
}

/** An engine of the contract, and the part of its node that is specific to it. It outlives the processes. */
export interface EngineHarness {
  newProcess(): EngineProcess
  /** Ends the attempt that runs, without a word to the engine. */
  loseAttempt(): Promise<void>
  stop(): Promise<void>
}

/** What an engine of the contract is made for. */
export interface EngineSite {
  readonly client: KubeClient
  readonly node: TestedNode
  /** Namespace of the cache. */
  readonly namespace: string
}

/** Pause between two reconciles of the node, in milliseconds. */
const LOOK_MS = 100

/** API server of the test file: other files leave objects and webhooks behind that would take part. */
let apiServer: ApiServer | undefined

/**
 * Starts an API server that serves ImageCache and NodeImages. Resolves to a function that ends it.
 *
 * @param args further arguments of kube-apiserver
 */
export async function startApiServer(args: readonly string[] = []): Promise<() => Promise<void>> {
  const server = await ApiServer.start({ args })
  apiServer = server
  for (const crd of [imageCacheCrd, nodeImagesCrd]) {
    await kubectl(['apply', '--server-side', '-f', '-'], JSON.stringify(crd))
    await kubectl(['wait', `crd/${crd.metadata.name}`, '--for=condition=Established', '--timeout=30s'])
  }
  return () => server.stop()
}

function kubectl(args: readonly string[], input = '') {
  if (!apiServer) throw new Error('startApiServer was not called')
  return run([binary('kubectl'), '--kubeconfig', apiServer.kubeconfig, ...args], { input })
}

/** One node and one cache in a real API server, with the reconciler of nodes over an engine. */
export class TestedCluster implements AsyncDisposable {
  readonly node: TestedNode
  /** Age at which a presence that no list confirms is proved again, in milliseconds. 0: never. */
  recheckIntervalMs = 0
  readonly #client: KubeClient
  readonly #namespace: string
  readonly #caches: Resource<ImageCache>
  readonly #nodeImages: Resource<NodeImages>
  readonly #harness: EngineHarness
  #running: { readonly stop: AbortController; readonly ended: Promise<void> } | undefined

  private constructor(site: EngineSite, harness: EngineHarness) {
    const ours = { group: 'kubefledged.io', version: 'v1alpha2' }
    this.node = site.node
    this.#client = site.client
    this.#namespace = site.namespace
    this.#harness = harness
    this.#caches = this.#client.resource({
      ...ours,
      plural: 'imagecaches',
      kind: 'ImageCache',
      namespaced: true,
    })
    this.#nodeImages = this.#client.resource({
      ...ours,
      plural: 'nodeimages',
      kind: 'NodeImages',
      namespaced: false,
    })
  }

  /** A cluster whose cache asks for these images. No process runs yet. */
  static async create(
    makeHarness: (site: EngineSite) => EngineHarness,
    images: readonly string[],
    spec: Partial<ImageCacheSpec> = {},
  ): Promise<TestedCluster> {
    if (!apiServer) throw new Error('startApiServer was not called')
    const config = loadConfig({ kubeconfig: apiServer.kubeconfig })
    const client = new KubeClient(config, { qps: 1000, burst: 1000 })
    const namespace = `engine-${randomBytes(4).toString('hex')}`
    const node = new TestedNode(`node-of-${namespace}`)
    const namespaces = {
      group: '',
      version: 'v1',
      plural: 'namespaces',
      kind: 'Namespace',
      namespaced: false,
    }
    await client.resource(namespaces).create({ metadata: { name: namespace } })
    const site = { client, node, namespace }
    const cluster = new TestedCluster(site, makeHarness(site))
    await cluster.#createNode()
    await cluster.#caches.create({
      metadata: { name: 'cache', namespace },
      spec: { cacheSpec: [cluster.#listOf(images)], ...spec },
    })
    return cluster
  }

  /** Makes another cache, younger than the others, that wants these images on the same node. */
  async addCache(name: string, images: readonly string[], spec: Partial<ImageCacheSpec> = {}): Promise<void> {
    const metadata = { name, namespace: this.#namespace }
    await this.#caches.create({ metadata, spec: { cacheSpec: [this.#listOf(images)], ...spec } })
  }

  /** Applies objects to the API server of the tests, with the namespace of the cache as `$namespace`. */
  async apply(manifest: string): Promise<void> {
    await kubectl(['apply', '--server-side', '-f', '-'], manifest.replaceAll('$namespace', this.#namespace))
  }

  /** Names of the caches of the Jobs that exist. */
  async jobs(): Promise<string[]> {
    const names = 'jsonpath={.items[*].metadata.labels.imagecache}'
    const found = await kubectl(['get', 'jobs', '-n', this.#namespace, '-o', names])
    return found.split(' ').filter(Boolean)
  }

  /** Starts a new process. `change` may put something around its engine. */
  start(change: (engine: Engine) => Engine = engine => engine): void {
    if (this.#running) throw new Error('a process runs')
    const stop = new AbortController()
    this.#running = { stop, ended: this.#run(this.#harness.newProcess(), change, stop) }
  }

  /** Stops the process where it is. */
  async stop(): Promise<void> {
    this.#running?.stop.abort()
    await this.#running?.ended
    this.#running = undefined
  }

  /** Resolves when the process has ended by itself. */
  async end(): Promise<void> {
    await this.#running?.ended
    this.#running = undefined
  }

  /** Changes the images that the cache asks for. */
  async edit(images: readonly string[]): Promise<void> {
    await this.#caches.mergePatch(this.#cache, { spec: { cacheSpec: [this.#listOf(images)] } })
  }

  /** Asks for each image again. */
  async refresh(): Promise<void> {
    const { refreshRevision = 0 } = (await this.#caches.get(this.#cache)).status ?? {}
    await this.#writeStatus({ refreshRevision: refreshRevision + 1 })
  }

  /** Asks for the removal of all images. */
  async purge(): Promise<void> {
    const { metadata, status = {} } = await this.#caches.get(this.#cache)
    const { generation } = metadata
    await this.#writeStatus({
      reason: ACTION.purge,
      purgeRevision: (status.purgeRevision ?? 0) + 1,
      ...(generation !== undefined && { observedGeneration: generation }),
    })
  }

  /** Replaces the node by an empty machine of the same name. */
  async replaceNode(): Promise<void> {
    await this.#client.resource(NODES).delete({ name: this.node.name })
    this.node.images.clear()
    await this.#createNode()
  }

  /** Ends the attempt that runs, without a word to the engine. */
  loseAttempt(): Promise<void> {
    return this.#harness.loseAttempt()
  }

  /** The NodeImages of the node as the API server has it. */
  async nodeImages(): Promise<NodeImages> {
    return this.#nodeImages.get({ name: this.node.name })
  }

  /** The ledger entry of an image as the API server has it. */
  async entry(image: string): Promise<LedgerEntry | undefined> {
    return (await this.nodeImages()).status?.images?.find(entry => entry.image === image)
  }

  /** Waits until the ledger says this of an image, as words of `wordsOf`. */
  async says(image: string, words: string): Promise<LedgerEntry> {
    return eventually(
      `${image} to be ${words}`,
      async () => {
        const entry = await this.entry(image)
        if (!entry || wordsOf(entry) !== words) throw new Error(`${image} is ${entry && wordsOf(entry)}`)
        return entry
      },
      { everyMs: LOOK_MS, timeoutMs: 90_000 },
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    await this.#harness.stop()
    const { name } = this.node
    await ignoreAbsent(this.#nodeImages.delete({ name }))
    await ignoreAbsent(this.#client.resource(NODES).delete({ name }))
    await ignoreAbsent(this.#caches.delete(this.#cache))
    this.#client.close()
  }

  get #cache() {
    return { name: 'cache', namespace: this.#namespace }
  }

  /** Other scenarios have nodes of their own. */
  #listOf(images: readonly string[]) {
    return { images: [...images], nodeSelector: { scenario: this.#namespace } }
  }

  async #writeStatus(status: ImageCacheStatus): Promise<void> {
    await this.#caches.mergePatch(this.#cache, { status }, { subresource: 'status' })
  }

  async #createNode(): Promise<void> {
    const node: RawNode = {
      metadata: { name: this.node.name, labels: { scenario: this.#namespace } },
      status: {
        conditions: [{ type: 'Ready', status: 'True', lastHeartbeatTime: new Date().toISOString() }],
        nodeInfo: {
          operatingSystem: 'linux',
          machineID: randomBytes(8).toString('hex'),
          kubeletVersion: 'v1.36.0',
          containerRuntimeVersion: 'containerd://2.3.0',
        },
      },
    }
    const nodes = this.#client.resource<RawNode>(NODES)
    await nodes.create(node)
    await nodes.mergePatch(node.metadata, { status: node.status }, { subresource: 'status' })
  }

  async #run(
    { engine, cluster, breaker, informers, close }: EngineProcess,
    change: (engine: Engine) => Engine,
    stop: AbortController,
  ): Promise<void> {
    const set = new InformerSet([...cluster.informers, ...informers])
    cluster.nodeImagesInformer.subscribe(({ object }) => {
      breaker.observeLedger(object.metadata.name, object.status?.images ?? [])
    })
    const watching = set.run(stop.signal)
    const reconciler = new NodeReconciler({
      cluster,
      engine: change(engine),
      writer: new NodeImagesWriter(cluster, 100),
      breaker,
      isPulledElsewhere: () => false,
      refreshes: new Map(),
      tagAnswers: () => new Map(),
      recheckIntervalMs: this.recheckIntervalMs,
      retryCalls: new RetryCalls(),
      waits: new WaitLog(silentLogger),
      log: silentLogger,
    })
    try {
      await set.waitForSync(stop.signal)
      while (!stop.signal.aborted) {
        try {
          await reconciler.reconcile(this.node.name, stop.signal)
        } catch (error) {
          // An error of the API server is tried again, as the work queue does.
          if (!isKubeError(error)) throw error
        }
        await delay(LOOK_MS)
      }
    } catch (error) {
      if (!(error instanceof CutOff) && !stop.signal.aborted) throw error
    } finally {
      stop.abort()
      await watching
      close()
    }
  }
}

/** Where a process is cut off. */
export type CutOffPoint = 'before a step' | 'after a step' | 'before a release' | 'after a release'

/** A process was cut off. */
class CutOff extends Error {}

/** The engine of a process that is cut off the first time that it has started, or ended, an attempt. */
export function cutOff(engine: Engine, point: CutOffPoint): Engine {
  const cut = (here: CutOffPoint, isOnTime: boolean) => {
    if (here === point && isOnTime) throw new CutOff(point)
  }
  let ended = 0
  return {
    inventory: node => engine.inventory(node),
    giveUpTurn: nodeName => engine.giveUpTurn(nodeName),
    forget: (nodeName, signal) => engine.forget(nodeName, signal),
    verdicts: view => {
      const verdicts = engine.verdicts(view)
      ended = verdicts.ended
      return verdicts
    },
    step: async (input, verdicts, signal) => {
      cut('before a step', ended > 0)
      const step = await engine.step(input, verdicts, signal)
      cut('after a step', step.evidence.pulls.length > 0)
      return step
    },
    release: async (view, verdicts, signal) => {
      cut('before a release', ended > 0)
      await engine.release(view, verdicts, signal)
      cut('after a release', ended > 0)
    },
  }
}

/**
 * What an entry says, in words: whether the image is there, an attempt that has not succeeded, and its
 * removal.
 */
function wordsOf({ presence, attempt, removal }: LedgerEntry): string {
  const facts = [
    presence && `${presence.state}${presence.revision === undefined ? '' : ` ${presence.revision}`}`,
    attempt && attempt.state !== 'Succeeded' && [attempt.state, attempt.reason].filter(Boolean).join(' '),
    removal && [removal.state, removal.reason].filter(Boolean).join(' '),
  ]
  return facts.filter(Boolean).join(', ') || 'nothing'
}

async function ignoreAbsent(request: Promise<unknown>): Promise<void> {
  try {
    await request
  } catch (error) {
    if (!isKubeError(error, 'NotFound')) throw error
  }
}
