import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { EventRecorder, KubeClient, Leader, Logger, ResourceDef } from '../../kube/index.ts'

const PODS: ResourceDef = { group: '', version: 'v1', plural: 'pods', kind: 'Pod', namespaced: true }

/**
 * Identity of a controller in the Lease: `POD_NAMESPACE_UUID`.
 * The UUID differs for each process of the same Pod.
 */
export function newIdentity(podName: string, namespace: string): string {
  return `${podName || hostname()}_${namespace}_${randomUUID()}`
}

/** What `OtherController` works with. */
interface OtherControllerOptions {
  readonly client: KubeClient
  readonly events: EventRecorder
  /** Namespace of this controller. */
  readonly namespace: string
  /** Name of this controller's Pod. Empty: the host name. */
  readonly podName: string
  readonly log: Logger
}

/**
 * Reports that a controller in another namespace works and that this one waits.
 * It reports each namespace once, in the log and as an Event.
 */
export class OtherController {
  readonly #options: OtherControllerOptions
  readonly #told = new Set<string>()

  constructor(options: OtherControllerOptions) {
    this.#options = options
  }

  /** Reports the leader, if it is in another namespace. */
  note(leader: Leader): void {
    const { log } = this.#options
    const [pod = '', namespace = leader.namespace, uuid] = leader.identity.split('_')
    const other = uuid === undefined ? leader.namespace : namespace
    if (other === this.#options.namespace || this.#told.has(other)) return
    this.#told.add(other)
    const message =
      `another controller works in the namespace ${other} (Pod ${pod}); a cluster needs one only. ` +
      `This one, in the namespace ${this.#options.namespace}, does nothing while that one runs. Remove one of the two installations.`
    log.warn({ leader: leader.identity, lease: leader.namespace }, message)
    this.#record(message).catch((err: unknown) => log.warn({ err }, 'cannot record an event'))
  }

  /** Records an Event of the controller's Pod, if the Pod is found. */
  async #record(message: string): Promise<void> {
    const { client, events, namespace, podName } = this.#options
    const fieldSelector = `metadata.name=${podName || hostname()}`
    const { items } = await client.resource(PODS).list({ namespace, fieldSelector })
    const [pod] = items
    if (pod) events.record(pod, 'Warning', 'AnotherController', message)
  }
}
