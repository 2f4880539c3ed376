import { type JobRequest, type JobSettings, type PullJob, buildJob, projectJob } from './pull/index.ts'
import {
  MountFailures,
  type RemovalJob,
  type RemovalRequest,
  type RemovalSettings,
  buildRemovalJob,
  projectRemovalJob,
} from './removal/index.ts'
import { type Change, type KubeClient, type Logger, isKubeError } from '../../kube/index.ts'
import type { KubeObject } from '../../api/object.ts'
import type { NodeFacts } from '../../core/node/index.ts'
import type { CircuitBreaker, NamespaceWork } from '../../state/circuit-breaker.ts'
import { AccountSecrets } from './helper-secrets.ts'
import type { ClusterState } from '../../state/cluster-state.ts'
import type { JobState } from './job-state.ts'
import { PodRefusals } from './pod-refusals.ts'

/** Greatest number of retained Jobs of one cache. */
const MAX_RETAINED = 50
/** Creates Jobs and deletes them. */
export class JobWriter {
  /** Why Jobs have no Pod. */
  readonly refusals: PodRefusals
  /** Why Pods of removal Jobs do not start. */
  readonly mountFailures: MountFailures
  readonly #state: JobState
  readonly #accountSecrets: AccountSecrets
  readonly #log: Logger
  /** UIDs of deleted Jobs that the informer still shows. */
  readonly #deleted = new Set<string>()
  /** UIDs of Jobs that are recorded in the ledger and retained for debugging. */
  readonly #retained = new Set<string>()

  /** @param options.onRecovery called when a namespace that refused Pods accepts them again */
  constructor(
    client: KubeClient,
    {
      cluster,
      state,
      breaker,
      log,
      onRecovery,
    }: {
      readonly cluster: ClusterState
      readonly state: JobState
      readonly breaker: CircuitBreaker
      readonly log: Logger
      readonly onRecovery: () => void
    },
  ) {
    this.#state = state
    this.refusals = new PodRefusals(client, { state, breaker, now: cluster.now })
    this.#accountSecrets = new AccountSecrets(client, log)
    this.mountFailures = new MountFailures(client)
    this.#log = log
    const forget = ({ type, object }: Change<KubeObject>) => {
      if (type !== 'deleted') return
      this.refusals.forgetJob(object.metadata.uid ?? '')
      this.#deleted.delete(object.metadata.uid ?? '')
      this.#retained.delete(object.metadata.uid ?? '')
    }
    const recover = (work: NamespaceWork) => (change: Change<KubeObject>) => {
      const { namespace = '' } = change.object.metadata
      if (change.type === 'added' && breaker.openNamespace(work, namespace, cluster.now())) onRecovery()
    }
    state.pullJobs.subscribe(forget)
    state.removalJobs.subscribe(forget)
    state.pullPods.subscribe(recover('pulls'))
    state.removalPods.subscribe(recover('removals'))
    state.removalPods.subscribe(({ type, object }) => {
      if (type === 'deleted') this.mountFailures.forget(object)
    })
  }

  /** Creates the Job. A Job of the same name is the same Job, so it is no error. Throws KubeError. */
  async create(
    request: JobRequest,
    node: NodeFacts,
    settings: JobSettings,
    signal: AbortSignal,
  ): Promise<void> {
    const helperPullSecrets = await this.#helperSecrets(request, settings, signal)
    const manifest = buildJob(request, node, { ...settings, helperPullSecrets })
    try {
      const created = await this.#state.jobs.create(manifest, { signal })
      this.#state.pullJobs.upsert(projectJob(created))
      const fields = {
        job: request.name,
        node: node.metadata.name,
        method: request.method,
        images: request.images.length,
      }
      this.#log.info(fields, 'Job created')
    } catch (error) {
      if (!isKubeError(error, 'AlreadyExists')) throw error
    }
  }

  /**
   * Pull secrets of the Pod besides those of the cache.
   * The API server adds the secrets of the service account only to a Pod that names none.
   * Where the Pod names only the operator's secrets, the account's secrets must be named too.
   */
  async #helperSecrets(
    { cache: { cache }, images: [first] }: JobRequest,
    { helperPullSecrets, serviceAccountName }: JobSettings,
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    if (helperPullSecrets.length === 0 || first?.pullSecrets?.length) return helperPullSecrets
    const account = cache.spec.jobTemplate?.serviceAccountName || serviceAccountName || 'default'
    const namespace = cache.metadata.namespace ?? ''
    return [...helperPullSecrets, ...(await this.#accountSecrets.namesOf(namespace, account, signal))]
  }

  /** Creates a removal Job. A Job of the same name is the same Job, so it is no error. Throws KubeError. */
  async createRemoval(
    request: RemovalRequest,
    node: NodeFacts,
    settings: RemovalSettings,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      const created = await this.#state.jobs.create(buildRemovalJob(request, node, settings), { signal })
      this.#state.removalJobs.upsert(projectRemovalJob(created))
      const fields = { job: request.name, node: node.metadata.name, images: request.remove.length }
      this.#log.info(fields, 'removal Job created')
    } catch (error) {
      if (!isKubeError(error, 'AlreadyExists')) throw error
    }
  }

  /** Pull Jobs of a node, without the retained ones. */
  unread(nodeName: string): PullJob[] {
    return this.#state.pullJobsOf(nodeName).filter(job => !this.#retained.has(job.metadata.uid ?? ''))
  }

  /**
   * Retains the newest Jobs of each cache that have ended or are about to end. Deletes the others.
   * Throws KubeError.
   */
  async retain(jobs: readonly PullJob[], signal: AbortSignal): Promise<void> {
    const finished = jobs.filter(job => job.finished || this.#isEnding(job))
    for (const { metadata } of finished) this.#retained.add(metadata.uid ?? '')
    const owners = new Set(finished.map(job => job.ownerUid))
    const surplus = [...owners].flatMap(owner => this.#retainedOf(owner).slice(MAX_RETAINED))
    await this.deleteAll([...jobs.filter(job => !finished.includes(job)), ...surplus], signal)
  }

  /** True where all containers have started. The Job is recorded before the job controller sets Complete. */
  #isEnding({ nodeName, metadata: { uid } }: PullJob): boolean {
    const pod = this.#state.pullPodsOf(nodeName).find(({ jobUid }) => jobUid === uid)
    const started = pod?.containers.map(
      ({ state }) => state.phase === 'running' || state.phase === 'terminated',
    )
    return started !== undefined && started.length > 0 && started.every(Boolean)
  }

  /** The retained Jobs of a cache, newest first. */
  #retainedOf(ownerUid: string): PullJob[] {
    const created = ({ metadata }: PullJob) => metadata.creationTimestamp ?? ''
    return this.#state
      .pullJobsOfCache(ownerUid)
      .filter(job => this.#retained.has(job.metadata.uid ?? ''))
      .toSorted((a, b) => (created(a) > created(b) ? -1 : 1))
  }

  /**
   * Deletes Jobs together with their Pods. A missing Job is no error.
   * If a Job cannot be deleted, the others still are. The first error is thrown at the end. Throws KubeError.
   */
  async deleteAll(jobs: readonly (PullJob | RemovalJob)[], signal: AbortSignal): Promise<void> {
    const failures: unknown[] = []
    for (const job of jobs) {
      const { name, namespace, uid = '' } = job.metadata
      if (job.metadata.deletionTimestamp || this.#deleted.has(uid)) continue
      const options = {
        propagationPolicy: 'Background',
        ...(uid && { preconditions: { uid } }),
        signal,
      } as const
      try {
        await this.#state.jobs.delete({ name, namespace }, options)
        const key = `${namespace ?? ''}/${name}`
        const known = this.#state.pullJobs.get(key) ?? this.#state.removalJobs.get(key)
        if (known?.metadata.uid === uid) this.#deleted.add(uid)
        this.#log.debug({ job: name, node: job.nodeName }, 'Job deleted')
      } catch (error) {
        if (isKubeError(error, 'NotFound', 'Conflict')) continue
        // The API server did not answer, so it will not answer for the next Job either.
        if (!isKubeError(error) || error.status === undefined) throw error
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }
}
