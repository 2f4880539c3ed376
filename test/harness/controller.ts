import type { Cluster } from './cluster.ts'
import { HarnessError } from './errors.ts'

const NAMESPACE = 'kube-fledged'
/** Number of the container port `metrics`. */
const METRICS_PORT = 8081

/** Name of a Deployment and label of its Pods. All except the webhook server take a Lease of this name. */
type Component = 'kubefledged-controller' | 'kubefledged-operator' | 'kubefledged-webhook-server'

/** One Pod of the installed program. */
export interface ControllerPod {
  readonly name: string
  readonly node: string
  readonly ready: boolean
  /** Number of restarts of its container. */
  readonly restarts: number
}

interface RawPod {
  metadata: { name: string; deletionTimestamp?: string }
  spec: { nodeName?: string }
  status: { containerStatuses?: { ready: boolean; restartCount: number }[] }
}

interface RawDeployment {
  spec: { template: { spec: { containers: [{ args: string[] }] } } }
}

const ARGUMENTS = '/spec/template/spec/containers/0/args'

/**
 * An installed program: the controller as installed by `make deploy-using-yaml`, the operator by `make
 * deploy-using-operator`, or the webhook server by `make deploy-webhook-server-using-yaml`. Gives access to
 * its Pods and their processes.
 */
export class InstalledController {
  readonly #cluster: Cluster

  readonly #component: Component

  constructor(cluster: Cluster, component: Component = 'kubefledged-controller') {
    this.#cluster = cluster
    this.#component = component
    this.deployment = `deployment/${component}`
  }

  /** The Deployment in kubectl's form. */
  readonly deployment: string
  readonly namespace = NAMESPACE

  /** kubectl in the operator's namespace. */
  kubectl(...args: string[]): Promise<string> {
    return this.#cluster.kubectl(['-n', NAMESPACE, ...args])
  }

  /** Its Pods without deletion timestamp. */
  async pods(): Promise<ControllerPod[]> {
    const args = ['-n', NAMESPACE, 'get', 'pods', '-l', `app=kubefledged,kubefledged=${this.#component}`]
    const { items } = await this.#cluster.kubectlJson<{ items: RawPod[] }>(args)
    return items
      .filter(({ metadata, spec }) => !metadata.deletionTimestamp && spec.nodeName)
      .map(({ metadata, spec, status }) => ({
        name: metadata.name,
        node: spec.nodeName ?? '',
        ready: status.containerStatuses?.every(container => container.ready) ?? false,
        restarts: status.containerStatuses?.[0]?.restartCount ?? 0,
      }))
  }

  /** The only Pod of the program. @throws HarnessError `NotAvailable` when there is none or more than one. */
  async pod(): Promise<ControllerPod> {
    const [pod, other] = await this.pods()
    if (pod && !other) return pod
    throw new HarnessError('NotAvailable', `${other ? 'more than one' : 'no'} Pod of the controller`)
  }

  /** The holder of the Lease: `POD_UUID`, unique for each process. Empty when there is none. */
  holder(): Promise<string> {
    return this.kubectl('get', 'lease', this.#component, '-o', 'jsonpath={.spec.holderIdentity}')
  }

  /** Logs of the process, or of the process before it. */
  logs(pod: ControllerPod, of: 'now' | 'previous' = 'now'): Promise<string> {
    return this.kubectl('logs', pod.name, ...(of === 'previous' ? ['--previous'] : []))
  }

  /** Its metrics page. */
  metrics(pod: ControllerPod): Promise<string> {
    return this.get(pod, '/metrics')
  }

  /** Its answer to an HTTP GET. */
  get(pod: ControllerPod, path: string): Promise<string> {
    const proxy = `/api/v1/namespaces/${NAMESPACE}/pods/${pod.name}:${METRICS_PORT}/proxy${path}`
    return this.#cluster.kubectl(['get', '--raw', proxy])
  }

  /** PID of its process in the node. @throws HarnessError `NotAvailable` when there is none. */
  async pid(pod: ControllerPod): Promise<string> {
    const found = await this.#cluster.nodeExec(pod.node, ['pgrep', '-f', `/opt/bin/${this.#component}`])
    for (const pid of found.split('\n').filter(Boolean)) {
      // Skip a process that has just ended.
      const environment = await this.#cluster
        .nodeExec(pod.node, ['cat', `/proc/${pid}/environ`])
        .catch(() => '')
      if (environment.split('\0').includes(`HOSTNAME=${pod.name}`)) return pid
    }
    throw new HarnessError('NotAvailable', `${pod.name} has no process`)
  }

  /** Sends a signal to its process. When the process ends, the kubelet restarts the container. */
  async signal(pod: ControllerPod, signal: 'KILL' | 'TERM' | 'USR2'): Promise<void> {
    await this.#cluster.nodeExec(pod.node, ['kill', `-${signal}`, await this.pid(pod)])
  }

  /** CPU seconds that its process has used. */
  async cpuSeconds(pod: ControllerPod): Promise<number> {
    const stat = await this.#cluster.nodeExec(pod.node, ['cat', `/proc/${await this.pid(pod)}/stat`])
    // Fields 14 and 15 of proc(5). The name before them is in brackets. Linux has 100 clock ticks per second.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) / 100
  }

  /** Adds an argument and waits until the new Pod has replaced the old one. */
  async addArgument(argument: string): Promise<void> {
    await this.#patch([{ op: 'add', path: `${ARGUMENTS}/-`, value: argument }])
  }

  /** Removes an added argument. */
  async removeArgument(argument: string): Promise<void> {
    const { spec } = JSON.parse(await this.kubectl('get', this.deployment, '-o', 'json')) as RawDeployment
    const index = spec.template.spec.containers[0].args.indexOf(argument)
    if (index >= 0) await this.#patch([{ op: 'remove', path: `${ARGUMENTS}/${index}` }])
  }

  async #patch(patch: object[]): Promise<void> {
    await this.kubectl('patch', this.deployment, '--type=json', `--patch=${JSON.stringify(patch)}`)
    await this.rolledOut()
  }

  /** Waits until the rollout of its Deployment is complete. */
  async rolledOut(): Promise<void> {
    await this.#cluster.kubectl(['-n', NAMESPACE, 'rollout', 'status', this.deployment, '--timeout=90s'], {
      timeoutMs: 100_000,
    })
  }

  /** Resident memory in bytes: current value and maximum. */
  async memory(pod: ControllerPod): Promise<{ now: number; most: number }> {
    const status = await this.#cluster.nodeExec(pod.node, ['cat', `/proc/${await this.pid(pod)}/status`])
    const bytes = (field: string) =>
      Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1024
    return { now: bytes('VmRSS'), most: bytes('VmHWM') }
  }
}
