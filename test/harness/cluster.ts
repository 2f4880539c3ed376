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

/** A Kubernetes object, with the fields that the harness reads. */
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

/** Labels and taints with which a node registers. */
export interface NodeOptions {
  readonly labels?: Readonly<Record<string, string>>
  /** `key=value:Effect`. */
  readonly taints?: readonly string[]
}

/**
 * Connects to the cluster that the environment chooses (see {@link readClusterEnv}).
 *
 * @throws HarnessError `ClusterNotConfigured` when there is none, `ContextNotAllowed` when the current
 * context of `E2E_KUBECONFIG` is not the one in `E2E_ALLOW_CONTEXT`.
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

/**
 * A real cluster for tests and benches. Methods that reach into a node need the cluster of `hack/cluster`.
 */
export class Cluster {
  /** The kubeconfig file for the product under test. */
  readonly kubeconfig: string
  readonly #env: ClusterEnv

  constructor(env: ClusterEnv) {
    this.#env = env
    this.kubeconfig = env.kubeconfig
  }

  /** True for the cluster of `hack/cluster`. Only there, tests can reach into nodes and registries. */
  get isLocal(): boolean {
    return this.#env.local !== undefined
  }

  /** The cluster of `hack/cluster`. @throws HarnessError `NotAvailable` for another one. */
  get local(): LocalCluster {
    if (this.#env.local) return this.#env.local
    throw new HarnessError('NotAvailable', 'this needs the cluster of hack/cluster; E2E_KUBECONFIG is set')
  }

  /** The open registry. Nodes pull from it as `registry.test.local/…`. */
  openRegistry(): RegistryClient {
    return new RegistryClient(this.local.registryUrl)
  }

  /**
   * The registry with a password (`local.privateRegistryCredentials`). Nodes pull from it as
   * `private.test.local/…`.
   */
  privateRegistry(): RegistryClient {
    return new RegistryClient(this.local.privateRegistryUrl, this.local.privateRegistryCredentials)
  }

  /**
   * Runs the real kubectl and returns its standard output.
   *
   * @throws HarnessError `CommandFailed` with kubectl's error text.
   */
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

  /** The parsed output of `kubectl ARGS -o json`. */
  async kubectlJson<T = KubeObject>(args: readonly string[]): Promise<T> {
    return JSON.parse(await this.kubectl([...args, '-o', 'json'])) as T
  }

  /** Applies one object with `kubectl apply`. Returns it as stored by the API server. */
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

  /** Names in the image list of the node's runtime: tags, digests and image IDs. */
  runtimeImages(node: string): Promise<Set<string>> {
    return this.#runtime(node).images()
  }

  /** Digest of a name in the runtime's image list. Undefined when the list does not have the name. */
  runtimeDigest(node: string, image: string): Promise<string | undefined> {
    return this.#runtime(node).digest(image)
  }

  /** IDs of the containers of a Pod that the runtime of a node has, running or stopped. */
  containersOf(node: string, podName: string): Promise<string[]> {
    return this.#runtime(node).containersOf(podName)
  }

  /**
   * Removes test images from every Ready node, so that the image list in a node's status, which has room for
   * 50, stays complete. Images of the cluster and of the product stay.
   */
  async removeTestImages(): Promise<void> {
    const isKept = (name: string) => /\/pause:|\/kubefledged-/.test(name)
    const ready =
      'jsonpath={range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="Ready")].status}{"\\n"}{end}'
    const lines = (await this.kubectl(['get', 'nodes', '-o', ready])).trim().split('\n')
    const nodes = lines.filter(line => line.endsWith(' True')).map(line => line.split(' ')[0] ?? '')
    for (const node of nodes) await this.#runtime(node).removeAllBut(isKept)
  }

  /** Removes an image from a node at the runtime, without the kubelet. */
  removeImage(node: string, image: string): Promise<void> {
    return this.#runtime(node).remove(image)
  }

  /** Pulls an image with the node's runtime. */
  pullWithCtr(node: string, image: string, credentials?: BasicCredentials): Promise<void> {
    return this.#runtime(node).pull(image, credentials)
  }

  /** Runs a command inside a node and returns its standard output. */
  nodeExec(node: string, argv: readonly [string, ...string[]], options?: CommandOptions): Promise<string> {
    return this.#runtime(node).exec(argv, options)
  }

  /** Simulates a power failure of a node: kills all its processes at once. */
  async killNode(node: string): Promise<void> {
    await this.#control('kill', node)
  }

  /**
   * Adds a node, or starts a killed one, and waits until it is Ready. The options apply only to a new node.
   */
  async startNode(node: string, options: NodeOptions = {}): Promise<void> {
    const labels = Object.entries(options.labels ?? {}).map(([key, value]) => `${key}=${value}`)
    await this.#control('start', node, {
      ...(labels.length > 0 && { NODE_LABELS: labels.join(',') }),
      ...(options.taints && { NODE_TAINTS: options.taints.join(',') }),
    })
  }

  /** Kills a node, then deletes its disk and its Node object. */
  async removeNode(node: string): Promise<void> {
    await this.#control('remove', node)
  }

  /** Disconnects a node from the network. Its processes keep running. */
  async partitionNode(node: string): Promise<void> {
    await this.#control('partition', node)
  }

  /** Reconnects a partitioned node to the network. */
  async healNode(node: string): Promise<void> {
    await this.#control('heal', node)
  }

  /**
   * Kills the API server, runs `whileDown`, starts it again and waits until it is ready. It is started again
   * even when `whileDown` fails.
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

  /** Counts requests that the API server has answered since it started. */
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

/**
 * A unique name: `prefix-` and eight random letters or digits. It is a valid Kubernetes name when the prefix
 * is one.
 */
export function uniqueName(prefix: string): string {
  return `${prefix}-${randomBytes(4).toString('hex')}`
}
