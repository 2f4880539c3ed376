import type { KubeObject } from '../../../api/object.ts'
import type { KubeClient, Resource } from '../../../kube/index.ts'
import type { RemovalPod } from './removal-job.ts'

/** The fields of core/v1 Event that are read. */
interface FailedMount extends KubeObject {
  readonly message?: string
}

const EVENTS = { group: '', version: 'v1', plural: 'events', kind: 'Event', namespaced: true } as const
/** Pause before the events of a Pod are listed again. It doubles. */
const FIRST_PAUSE_MS = 5_000
/** Pods in memory. A Pod is forgotten when it is gone. */
const MAX_PODS = 5_000
/** The kubelet's words for a directory that the node does not have. */
const NO_DIRECTORY = /hostPath type check failed: (\S+) is not a directory/

/**
 * Finds out that a node does not have the directory of its runtime's socket. The kubelet says it only in
 * events of the Pod, and the Pod then waits for ever.
 */
export class MountFailures {
  readonly #events: Resource<FailedMount>
  readonly #messages = new Map<string, string>()
  readonly #pauses = new Map<string, { readonly nextAt: number; readonly pauseMs: number }>()

  constructor(client: KubeClient) {
    this.#events = client.resource(EVENTS)
  }

  /** What a Pod lacks to start, by its UID. */
  get messages(): ReadonlyMap<string, string> {
    return this.#messages
  }

  /**
   * Looks for the cause why a Pod does not start. True where it was found now. Throws KubeError.
   *
   * @param now milliseconds since the epoch
   */
  async look({ metadata }: RemovalPod, now: number, signal: AbortSignal): Promise<boolean> {
    const { uid = '', namespace } = metadata
    const known = this.#pauses.get(uid)
    if (uid === '' || this.#messages.has(uid) || now < (known?.nextAt ?? 0)) return false
    if (this.#pauses.size >= MAX_PODS) this.#pauses.clear()
    const pauseMs = known ? 2 * known.pauseMs : FIRST_PAUSE_MS
    this.#pauses.set(uid, { nextAt: now + pauseMs, pauseMs })
    const fieldSelector = `involvedObject.uid=${uid},reason=FailedMount`
    const { items } = await this.#events.list({ namespace, fieldSelector, limit: 10, signal })
    const directory = items.map(({ message = '' }) => NO_DIRECTORY.exec(message)?.[1]).find(Boolean)
    if (directory === undefined) return false
    const message = `the node has no directory ${directory.slice(0, 200)}, where the socket of its container runtime is looked for; set --cri-socket-path to the path of the socket`
    this.#messages.set(uid, message)
    return true
  }

  /** The Pod is gone. */
  forget({ metadata: { uid = '' } }: KubeObject): void {
    this.#messages.delete(uid)
    this.#pauses.delete(uid)
  }
}
