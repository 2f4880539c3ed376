import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { LocalCluster } from './cluster-env.ts'
import { type CommandOptions, run } from './command.ts'
import { HarnessError } from './errors.ts'
import type { BasicCredentials } from './registry.ts'

/** containerd's namespace of the kubelet's images. */
const CONTAINERD_NAMESPACE = 'k8s.io'

/**
 * One node of the cluster of `hack/cluster`, accessed from inside its namespaces. Each method throws
 * HarnessError `CommandFailed`.
 */
export class NodeRuntime {
  readonly #cluster: LocalCluster
  readonly #name: string

  /** @throws HarnessError `NotAvailable` for a name that is no node name of this cluster. */
  constructor(cluster: LocalCluster, name: string) {
    this.#cluster = cluster
    this.#name = name
    nodeNumber(name)
  }

  /**
   * Runs a command in the node's mount, network, process and host-name namespaces. Returns its standard
   * output.
   */
  exec(argv: readonly [string, ...string[]], options: CommandOptions = {}): Promise<string> {
    const enter = [
      'nsenter',
      '--target',
      String(this.#initPid()),
      '--mount',
      '--net',
      '--uts',
      '--pid',
    ] as const
    return run([...enter, '--', ...argv], {
      ...options,
      path: [this.#cluster.bin, ...(options.path ?? [])],
    })
  }

  /** All names in the runtime's image list: tags, digests and image IDs. */
  async images(): Promise<Set<string>> {
    const names = await this.#ctr(['images', 'ls', '-q'])
    return new Set(names.split('\n').filter(name => name !== ''))
  }

  /** IDs of the containers of a Pod that the runtime has, running or stopped. */
  async containersOf(podName: string): Promise<string[]> {
    // To containerd the sandbox is a container too. It stays longer.
    const filter = `labels."io.kubernetes.pod.name"=="${podName}",labels."io.cri-containerd.kind"=="container"`
    const ids = await this.#ctr(['containers', 'ls', '-q', filter])
    return ids.split('\n').filter(id => id !== '')
  }

  /** Pulls with the runtime, without the kubelet. */
  async pull(image: string, credentials?: BasicCredentials): Promise<void> {
    const user = credentials ? ['--user', `${credentials.username}:${credentials.password}`] : []
    const hosts = join(this.#cluster.data, this.#name, 'certs.d')
    await this.#ctr(['images', 'pull', '--hosts-dir', hosts, ...user, image], { timeoutMs: 300_000 })
  }

  /**
   * Removes an image without the kubelet: its name and, unless another tag shares them, its digest and ID
   * names, so that the content is removed too.
   */
  async remove(image: string): Promise<void> {
    const entries = await this.#entries()
    const digest = entries.find(({ name }) => name === image)?.digest
    const same = entries.filter(entry => entry.digest === digest).map(({ name }) => name)
    const others = same.filter(name => name !== image)
    const shared = others.some(name => !name.startsWith('sha256:') && !name.includes('@'))
    await this.#ctr(['images', 'rm', '--sync', image, ...(shared ? [] : others)])
  }

  /**
   * Removes all images without the kubelet, except those with a name to keep. Their content is removed a
   * little later.
   */
  async removeAllBut(isKept: (name: string) => boolean): Promise<void> {
    const entries = await this.#entries()
    const kept = new Set(entries.filter(({ name }) => isKept(name)).map(({ digest }) => digest))
    const names = entries.filter(({ digest }) => !kept.has(digest)).map(({ name }) => name)
    if (names.length > 0) await this.#ctr(['images', 'rm', ...names])
  }

  /** Digest of a name in the image list. Undefined when the list does not have the name. */
  async digest(image: string): Promise<string | undefined> {
    return (await this.#entries()).find(({ name }) => name === image)?.digest
  }

  async #entries(): Promise<{ name: string; digest: string }[]> {
    const [, ...lines] = (await this.#ctr(['images', 'ls'])).trim().split('\n')
    return lines.map(line => line.split(/\s+/)).map(([name = '', , digest = '']) => ({ name, digest }))
  }

  #ctr(args: readonly string[], options?: CommandOptions): Promise<string> {
    return this.exec(['ctr', '--namespace', CONTAINERD_NAMESPACE, ...args], options)
  }

  /** PID of the node's init process on the machine: the only child of the waiting `unshare` process. */
  #initPid(): number {
    const file = join(this.#cluster.data, 'run', `${this.#name}.pid`)
    try {
      const parent = readFileSync(file, 'utf8').split(' ')[0]
      return Number.parseInt(readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8'), 10)
    } catch (cause) {
      throw new HarnessError('NotAvailable', `${this.#name} is not running`, { cause })
    }
  }
}

/** The number in a node's name, `node-N`. @throws HarnessError `NotAvailable` for another name. */
export function nodeNumber(name: string): string {
  const number = /^node-([1-9]\d*)$/.exec(name)?.[1]
  if (number === undefined)
    throw new HarnessError('NotAvailable', `the cluster of hack/cluster has no node ${name}`)
  return number
}
