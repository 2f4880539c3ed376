import type { Cluster } from './cluster.ts'
import { HarnessError } from './errors.ts'

const NAMESPACE = 'kube-fledged'
/** Of the container port `metrics`. */
const METRICS_PORT = 8081

/** What runs as a Deployment of that name and label; all but the webhook server take a Lease of that name. */
type Component = 'kubefledged-controller' | 'kubefledged-operator' | 'kubefledged-webhook-server'

/** One Pod of the installed controller. */
export interface ControllerPod {
  readonly name: string
  readonly node: string
  readonly ready: boolean
  /** How often its container was started again. */
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
 * The controller as `make deploy-using-yaml` installs it, the operator as `make deploy-using-operator` does, or the webhook server as
 * `make deploy-webhook-server-using-yaml` does: its Pods, and the processes behind them.
 */
export class InstalledController {
  readonly #cluster: Cluster

  readonly #component: Component

  constructor(cluster: Cluster, component: Component = 'kubefledged-controller') {
    this.#cluster = cluster
    this.#component = component
    this.deployment = `deployment/${component}`
  }

  /** The Deployment as kubectl names it. */
  readonly deployment: string
  readonly namespace = NAMESPACE

  /** kubectl in the operator's namespace. */
  kubectl(...args: string[]): Promise<string> {
    return this.#cluster.kubectl(['-n', NAMESPACE, ...args])
  }

  /** Its Pods that are not being deleted. */
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

  /** The one Pod of an installation of one. @throws HarnessError `NotAvailable` where there is none, or another too. */
  async pod(): Promise<ControllerPod> {
    const [pod, other] = await this.pods()
    if (pod && !other) return pod
    throw new HarnessError('NotAvailable', `${other ? 'more than one' : 'no'} Pod of the controller`)
  }

  /** Who the Lease says is leading, as it calls itself: `POD_UUID`, another one for every process; '' where nobody is. */
  holder(): Promise<string> {
    return this.kubectl('get', 'lease', this.#component, '-o', 'jsonpath={.spec.holderIdentity}')
  }

  /** What it has logged, or what the process before it had. */
  logs(pod: ControllerPod, of: 'now' | 'previous' = 'now'): Promise<string> {
    return this.kubectl('logs', pod.name, ...(of === 'previous' ? ['--previous'] : []))
  }

  /** Its page of metrics. */
  metrics(pod: ControllerPod): Promise<string> {
    return this.get(pod, '/metrics')
  }

  /** What it answers over HTTP to a GET. */
  get(pod: ControllerPod, path: string): Promise<string> {
    const proxy = `/api/v1/namespaces/${NAMESPACE}/pods/${pod.name}:${METRICS_PORT}/proxy${path}`
    return this.#cluster.kubectl(['get', '--raw', proxy])
  }

  /** Number of its process as its node counts. @throws HarnessError `NotAvailable` while there is none. */
  async pid(pod: ControllerPod): Promise<string> {
    const found = await this.#cluster.nodeExec(pod.node, ['pgrep', '-f', `/opt/bin/${this.#component}`])
    for (const pid of found.split('\n').filter(Boolean)) {
      // One that has just ended is not it.
      const environment = await this.#cluster
        .nodeExec(pod.node, ['cat', `/proc/${pid}/environ`])
        .catch(() => '')
      if (environment.split('\0').includes(`HOSTNAME=${pod.name}`)) return pid
    }
    throw new HarnessError('NotAvailable', `${pod.name} has no process`)
  }

  /** Signals its process. When that ends, the kubelet starts the container again. */
  async signal(pod: ControllerPod, signal: 'KILL' | 'TERM'): Promise<void> {
    await this.#cluster.nodeExec(pod.node, ['kill', `-${signal}`, await this.pid(pod)])
  }

  /** Seconds of processor time that its process has used. */
  async cpuSeconds(pod: ControllerPod): Promise<number> {
    const stat = await this.#cluster.nodeExec(pod.node, ['cat', `/proc/${await this.pid(pod)}/stat`])
    // Fields 14 and 15 of proc(5); the name before them is in brackets. Linux counts a hundred ticks a second.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) / 100
  }

  /** Runs it with one more argument, and waits until that Pod has taken the place of the one before. */
  async addArgument(argument: string): Promise<void> {
    await this.#patch([{ op: 'add', path: `${ARGUMENTS}/-`, value: argument }])
  }

  /** Runs it without an argument that was added. */
  async removeArgument(argument: string): Promise<void> {
    const { spec } = JSON.parse(await this.kubectl('get', this.deployment, '-o', 'json')) as RawDeployment
    const index = spec.template.spec.containers[0].args.indexOf(argument)
    if (index >= 0) await this.#patch([{ op: 'remove', path: `${ARGUMENTS}/${index}` }])
  }

  async #patch(patch: object[]): Promise<void> {
    await this.kubectl('patch', this.deployment, '--type=json', `--patch=${JSON.stringify(patch)}`)
    await this.rolledOut()
  }

  /** Waits until its Deployment is as it is written. */
  async rolledOut(): Promise<void> {
    await this.#cluster.kubectl(['-n', NAMESPACE, 'rollout', 'status', this.deployment, '--timeout=90s'], {
      timeoutMs: 100_000,
    })
  }

  /** Resident memory in bytes: now, and the most it ever was. */
  async memory(pod: ControllerPod): Promise<{ now: number; most: number }> {
    const status = await this.#cluster.nodeExec(pod.node, ['cat', `/proc/${await this.pid(pod)}/status`])
    const bytes = (field: string) =>
      Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1024
    return { now: bytes('VmRSS'), most: bytes('VmHWM') }
  }
}
