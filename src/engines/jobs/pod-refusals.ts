import type { KubeObject } from '../../api/object.ts'
import { boundedText } from '../../core/ledger/index.ts'
import type { KubeClient, Resource } from '../../kube/index.ts'
import type { CircuitBreaker } from '../../state/circuit-breaker.ts'
import type { JobState } from './job-state.ts'
import type { PullJob } from './pull/index.ts'
import type { RemovalJob } from './removal/index.ts'

/** The fields of core/v1 Event that are read. */
interface FailedCreate extends KubeObject {
  readonly message?: string
  readonly involvedObject?: { readonly uid?: string }
}

const EVENTS = { group: '', version: 'v1', plural: 'events', kind: 'Event', namespaced: true } as const
/** Events of one list. The API server keeps events for an hour. */
const MAX_EVENTS = 1_000
/** Pause between two lists of a namespace. It doubles while they explain nothing. */
const FIRST_PAUSE_MS = 3_000
const MAX_PAUSE_MS = 60_000
/** Least time between two lists in the whole cluster. */
const CLUSTER_PAUSE_MS = 500
/** Start of the job controller's message. The cause follows. */
const PREAMBLE = /^Error creating: (pods "[^"]*" is forbidden: )?/
/** Two requests changed a quota at the same time. The job controller tries again by itself. */
const TRANSIENT = /the object has been modified|Operation cannot be fulfilled on/

/**
 * Finds out why Jobs have no Pod. The job controller says it only in events.
 * One list of events serves all Jobs of a namespace. Silence is no refusal: the job controller may be slow.
 */
export class PodRefusals {
  readonly #state: JobState
  readonly #events: Resource<FailedCreate>
  readonly #breaker: CircuitBreaker
  readonly #now: () => number
  readonly #messages = new Map<string, string>()
  readonly #namespaces = new Map<string, { readonly nextAt: number; readonly pauseMs: number }>()
  #nextListAt = 0

  constructor(
    client: KubeClient,
    options: { readonly state: JobState; readonly breaker: CircuitBreaker; readonly now: () => number },
  ) {
    this.#state = options.state
    this.#breaker = options.breaker
    this.#now = options.now
    this.#events = client.resource(EVENTS)
  }

  /** The API server's message why a Job has no Pod, by Job UID. */
  get messages(): ReadonlyMap<string, string> {
    return this.#messages
  }

  /**
   * Looks for the refusal of a Job. True where it was found now.
   * Without I/O where the events of the namespace were listed lately, or the cluster's budget is used up.
   * Throws KubeError.
   */
  async look(job: PullJob | RemovalJob, signal: AbortSignal): Promise<boolean> {
    const { uid = '', namespace = '' } = job.metadata
    const now = this.#now()
    const known = this.#namespaces.get(namespace)
    if (this.#messages.has(uid) || now < this.#nextListAt || now < (known?.nextAt ?? 0)) return false
    const pauseMs = Math.min(MAX_PAUSE_MS, known ? 2 * known.pauseMs : FIRST_PAUSE_MS)
    this.#nextListAt = now + CLUSTER_PAUSE_MS
    this.#prune(now)
    this.#namespaces.set(namespace, { nextAt: now + pauseMs, pauseMs })
    const fieldSelector = 'involvedObject.kind=Job,reason=FailedCreate'
    const { items } = await this.#events.list({ namespace, fieldSelector, limit: MAX_EVENTS, signal })
    const isNew = this.#read(namespace, items)
    if (isNew) this.#namespaces.set(namespace, { nextAt: now + FIRST_PAUSE_MS, pauseMs: FIRST_PAUSE_MS })
    return this.#messages.has(uid)
  }

  /** The Job is gone. */
  forgetJob(uid: string): void {
    this.#messages.delete(uid)
  }

  /** True where the events say of one of our Jobs what was not known. Events of other Jobs do not count. */
  #read(namespace: string, events: readonly FailedCreate[]): boolean {
    const isHere = ({ metadata }: KubeObject) => metadata.namespace === namespace
    const pulls = new Set([...this.#state.pullJobs.list()].filter(isHere).map(uidOf))
    const removals = new Set([...this.#state.removalJobs.list()].filter(isHere).map(uidOf))
    let isNew = false
    for (const { involvedObject: { uid = '' } = {}, message = '' } of events) {
      const work = pulls.has(uid) ? 'pulls' : removals.has(uid) ? 'removals' : undefined
      if (!work || this.#messages.has(uid) || TRANSIENT.test(boundedText(message))) continue
      const words = boundedText(message).replace(PREAMBLE, '')
      this.#messages.set(uid, words)
      this.#breaker.refuseNamespace(work, namespace, words, this.#now())
      isNew = true
    }
    return isNew
  }

  #prune(now: number): void {
    for (const [namespace, { nextAt }] of this.#namespaces) {
      if (nextAt + MAX_PAUSE_MS < now) this.#namespaces.delete(namespace)
    }
  }
}

function uidOf({ metadata }: KubeObject): string {
  return metadata.uid ?? ''
}
