import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { EventRecorder, KubeClient, Leader, Logger, ResourceDef } from '../../kube/index.ts'

/** Where Pods are served. */
const PODS: ResourceDef = { group: '', version: 'v1', plural: 'pods', kind: 'Pod', namespaced: true }

/** What a controller calls itself in the Lease: `POD_NAMESPACE_UUID`. The UUID tells it from the process before. */
export function newIdentity(namespace: string): string {
  return `${hostname()}_${namespace}_${randomUUID()}`
}

/** What {@link OtherController} needs. */
interface OtherControllerOptions {
  readonly client: KubeClient
  readonly events: EventRecorder
  /** The controller's own. */
  readonly namespace: string
  readonly log: Logger
}

/** Says that a controller of another namespace works, and this one does not: once of each namespace, in the log and by an Event. */
export class OtherController {
  readonly #options: OtherControllerOptions
  readonly #told = new Set<string>()

  constructor(options: OtherControllerOptions) {
    this.#options = options
  }

  /** Takes note of who leads. Says nothing where that is a replica of the same namespace. */
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

  /** Records the Event of the controller's Pod. There is none to find on the node's network, whose host name is not the Pod's. */
  async #record(message: string): Promise<void> {
    const { client, events, namespace } = this.#options
    const fieldSelector = `metadata.name=${hostname()}`
    const { items } = await client.resource(PODS).list({ namespace, fieldSelector })
    const [pod] = items
    if (pod) events.record(pod, 'Warning', 'AnotherController', message)
  }
}
