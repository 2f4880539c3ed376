import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { killApiServer } from './api-server-crash.ts'
import { type ApiRequests, parseApiRequests } from './api-requests.ts'
import { type ClusterEnv, type LocalCluster, ROOT, readClusterEnv } from './cluster-env.ts'
import { type CommandOptions, run } from './command.ts'
import { HarnessError } from './errors.ts'
import { eventually } from './eventually.ts'
import { NodeRuntime, nodeNumber } from './node-runtime.ts'
import { type BasicCredentials, RegistryClient } from './registry.ts'

export { eventually }

/** A Kubernetes object as far as the harness looks into it. */
export interface KubeObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name?: string
    readonly namespace?: string
    readonly [field: string]: unknown
  }
  readonly [field: string]: unknown
}

/** What a node that joins says of itself. */
export interface NodeOptions {
  readonly labels?: Readonly<Record<string, string>>
  /** `key=value:Effect`. */
  readonly taints?: readonly string[]
}

/**
 * Connects to the cluster that the environment chooses (see {@link readClusterEnv}).
 *
 * @throws HarnessError `ClusterNotConfigured` where there is none, `ContextNotAllowed` where the current context of
 * `E2E_KUBECONFIG` is not the one that `E2E_ALLOW_CONTEXT` names.
 */
export async function connectCluster(variables: NodeJS.ProcessEnv = process.env): Promise<Cluster> {
  const env = readClusterEnv(variables)
  const cluster = new Cluster(env)
  if (env.allowedContext !== undefined) {
    const current = (await cluster.kubectl(['config', 'current-context'])).trim()
    if (current !== env.allowedContext) {
      throw new HarnessError(
        'ContextNotAllowed',
        `E2E_KUBECONFIG is at context "${current}", but E2E_ALLOW_CONTEXT allows "${env.allowedContext}" only`,
      )
    }
  }
  return cluster
}

/** A real cluster as tests and benches use it. What needs the inside of a node works on the cluster of `hack/cluster` only. */
export class Cluster {
  /** The file to give to the product under test as its kubeconfig. */
  readonly kubeconfig: string
  readonly #env: ClusterEnv

  constructor(env: ClusterEnv) {
    this.#env = env
    this.kubeconfig = env.kubeconfig
  }

  /** True for the cluster of `hack/cluster`, whose nodes and registries tests can reach into. */
  get isLocal(): boolean {
    return this.#env.local !== undefined
  }

  /** The cluster of `hack/cluster`. @throws HarnessError `NotAvailable` on another one. */
  get local(): LocalCluster {
    if (this.#env.local) return this.#env.local
    throw new HarnessError('NotAvailable', 'this needs the cluster of hack/cluster; E2E_KUBECONFIG is set')
  }

  /** The open registry; nodes pull from it as `registry.test.local/…`. */
  openRegistry(): RegistryClient {
    return new RegistryClient(this.local.registryUrl)
  }

  /** The registry with a password (`local.privateRegistryCredentials`); nodes pull from it as `private.test.local/…`. */
  privateRegistry(): RegistryClient {
    return new RegistryClient(this.local.privateRegistryUrl, this.local.privateRegistryCredentials)
  }

  /** Runs the real kubectl and answers its standard output. @throws HarnessError `CommandFailed` with kubectl's words. */
  kubectl(args: readonly string[], options: CommandOptions = {}): Promise<string> {
    const local = this.#env.local
    return run(['kubectl', ...args], {
      ...options,
      path: local ? [local.bin] : [],
      env: {
        KUBECONFIG: this.kubeconfig,
        ...(local && { KUBECACHEDIR: join(local.data, 'kubectl-cache') }),
        ...options.env,
      },
    })
  }

  /** What `kubectl ARGS -o json` answers. */
  async kubectlJson<T = KubeObject>(args: readonly string[]): Promise<T> {
    return JSON.parse(await this.kubectl([...args, '-o', 'json'])) as T
  }

  /** `kubectl apply` of one object; answers it as the API server stored it. */
  async apply<T extends object>(object: T): Promise<T> {
    return JSON.parse(
      await this.kubectl(['apply', '-f', '-', '-o', 'json'], { input: JSON.stringify(object) }),
    ) as T
  }

  /** Names of the cluster's nodes, sorted. */
  async nodes(): Promise<string[]> {
    const list = await this.kubectlJson<{ items: { metadata: { name: string } }[] }>(['get', 'nodes'])
    return list.items.map(node => node.metadata.name).sort()
  }

  /** What the node's runtime lists: tags, digests and image IDs. */
  runtimeImages(node: string): Promise<Set<string>> {
    return this.#runtime(node).images()
  }

  /** Digest that the node's runtime lists for a name; undefined where it does not list it. */
  runtimeDigest(node: string, image: string): Promise<string | undefined> {
    return this.#runtime(node).digest(image)
  }

  /**
   * Takes off every Ready node what tests had pulled to it, so that the nodes' own image lists, which have room for 50, stay whole.
   * The images of the cluster and of the product stay.
   */
  async removeTestImages(): Promise<void> {
    const isKept = (name: string) => /\/pause:|\/kubefledged-/.test(name)
    const ready =
      'jsonpath={range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="Ready")].status}{"\\n"}{end}'
    const lines = (await this.kubectl(['get', 'nodes', '-o', ready])).trim().split('\n')
    const nodes = lines.filter(line => line.endsWith(' True')).map(line => line.split(' ')[0] ?? '')
    for (const node of nodes) await this.#runtime(node).removeAllBut(isKept)
  }

  /** IDs of the containers that the node's runtime has for a Pod of this name, those that have ended included. */
  containersOf(node: string, pod: string): Promise<string[]> {
    return this.#runtime(node).containersOf(pod)
  }

  /** Removes an image from a node behind the kubelet's back. */
  removeImage(node: string, image: string): Promise<void> {
    return this.#runtime(node).remove(image)
  }

  /** Pulls an image with the node's runtime itself. */
  pullWithCtr(node: string, image: string, credentials?: BasicCredentials): Promise<void> {
    return this.#runtime(node).pull(image, credentials)
  }

  /** Runs a command inside a node and answers its standard output. */
  nodeExec(node: string, argv: readonly [string, ...string[]], options?: CommandOptions): Promise<string> {
    return this.#runtime(node).exec(argv, options)
  }

  /** Cuts the power of a node: every process on it dies at once. */
  async killNode(node: string): Promise<void> {
    await this.#control('kill', node)
  }

  /** Adds a node, or starts one that was killed, and waits until it is Ready. The options count for a new one only. */
  async startNode(node: string, options: NodeOptions = {}): Promise<void> {
    const labels = Object.entries(options.labels ?? {}).map(([key, value]) => `${key}=${value}`)
    await this.#control('start', node, {
      ...(labels.length > 0 && { NODE_LABELS: labels.join(',') }),
      ...(options.taints && { NODE_TAINTS: options.taints.join(',') }),
    })
  }

  /** Cuts the power of a node, then deletes its disk and its Node object. */
  async removeNode(node: string): Promise<void> {
    await this.#control('remove', node)
  }

  /** Cuts a node's network; its processes go on. */
  async partitionNode(node: string): Promise<void> {
    await this.#control('partition', node)
  }

  /** Joins a partitioned node to the network again. */
  async healNode(node: string): Promise<void> {
    await this.#control('heal', node)
  }

  /**
   * Kills the API server at once, does something while it is away, starts it again and waits until it is ready. It starts again
   * also where `whileDown` fails.
   */
  async apiServerRestart(whileDown: () => Promise<void> = async () => {}): Promise<void> {
    const start = await killApiServer(this.local)
    try {
      await whileDown()
    } finally {
      await start()
      await eventually('the API server to be ready', () => this.kubectl(['get', '--raw', '/readyz']))
    }
  }

  /** Requests that the API server has answered since it started. */
  async apiRequestTotal(): Promise<ApiRequests> {
    return parseApiRequests(await this.kubectl(['get', '--raw', '/metrics']))
  }

  #runtime(node: string): NodeRuntime {
    return new NodeRuntime(this.local, node)
  }

  #control(
    action: 'kill' | 'start' | 'partition' | 'heal' | 'remove',
    node: string,
    env: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    return run(['bash', join(ROOT, 'hack/cluster/node.sh'), action, nodeNumber(node)], {
      timeoutMs: 240_000,
      env: { CLUSTER_DIR: this.local.data, ...env },
    })
  }
}

/** A name that no other test has: `prefix-` and eight random letters or digits. Legal as a Kubernetes name where the prefix is. */
export function uniqueName(prefix: string): string {
  return `${prefix}-${randomBytes(4).toString('hex')}`
}
