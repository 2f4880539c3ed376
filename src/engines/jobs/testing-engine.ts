import { HELPER, SETTINGS } from '../../../test/builders/job.ts'
import { REMOVAL_SETTINGS } from '../../../test/builders/removal-job.ts'
import { type KubeClient, silentLogger } from '../../kube/index.ts'
import { RegistryClient } from '../../oci/registry/index.ts'
import { CircuitBreaker } from '../../state/circuit-breaker.ts'
import { ClusterState } from '../../state/cluster-state.ts'
import { TagResolver } from '../../state/tag-resolver.ts'
import { Admission } from './admission.ts'
import { JobEngine, type JobEngineOptions } from './job-engine.ts'
import { JobSlots } from './job-slots.ts'
import { JobState } from './job-state.ts'
import { JobWriter } from './job-writer.ts'

/** For tests: a Job engine with nothing in memory, and the parts that it works with. */
export interface EngineParts {
  readonly cluster: ClusterState
  readonly state: JobState
  readonly breaker: CircuitBreaker
  readonly slots: JobSlots
  readonly writer: JobWriter
  readonly tags: TagResolver
  readonly engine: JobEngine
  /** Nodes that were woken. */
  readonly woken: string[]
  /** Keys of the images that the resolver of tags has queued. */
  readonly asked: string[]
  readonly close: () => void
}

/**
 * For tests: makes a Job engine over a client.
 *
 * @param changes.maxJobs 0: as many as nodes
 */
export function makeEngine(
  client: KubeClient,
  {
    maxJobs = 0,
    onWake = () => {},
    ...options
  }: Partial<JobEngineOptions> & {
    readonly maxJobs?: number
    readonly onWake?: (nodeName: string) => void
  } = {},
): EngineParts {
  const log = silentLogger
  const cluster = new ClusterState(client, { defaultPolicy: 'IfNotPresent', log })
  const removals = options.removals ?? REMOVAL_SETTINGS
  const state = new JobState(client, cluster, { namespace: removals.namespace, log })
  const breaker = new CircuitBreaker()
  const woken: string[] = []
  const wake = (node: string) => {
    woken.push(node)
    onWake(node)
  }
  const slots = new JobSlots({
    inFlight: () => state.inFlight(),
    nodeCount: () => cluster.nodeInformer.size,
    maxSurge: maxJobs,
    isShared: () => state.isShared(),
    wake,
  })
  const onRecovery = () => {
    for (const { metadata } of cluster.nodeInformer.list()) wake(metadata.name)
  }
  const writer = new JobWriter(client, { cluster, state, breaker, log, onRecovery })
  const registry = new RegistryClient({ userAgent: 'test' })
  const asked: string[] = []
  const enqueue = (key: string) => asked.push(key)
  const tags = new TagResolver({ registry, breaker, now: cluster.now, enqueue, wake, log })
  const engine = new JobEngine({
    state,
    writer,
    admission: new Admission(slots, breaker),
    breaker,
    tags,
    pulls: SETTINGS,
    pullMethod: 'auto',
    removals,
    ownImages: [HELPER],
    serverMinor: 36,
    log,
    ...options,
  })
  const close = () => registry.close()
  return { cluster, state, breaker, slots, writer, tags, engine, woken, asked, close }
}
