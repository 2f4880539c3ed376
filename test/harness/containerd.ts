import type { Dirent } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, rmdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { CriClient } from '../../src/cri/index.ts'
import { binary } from './binaries.ts'
import { ServerProcess } from './process.ts'

const READY_TIMEOUT_MS = 60_000
const CGROUPS = '/sys/fs/cgroup'

/** A containerd of one test, with its own directories and socket. Needs root. */
export class Containerd {
  readonly socketPath: string
  /** Cgroup for sandboxes. It is removed at the end. */
  readonly cgroupParent: string
  readonly #directory: string
  readonly #process: ServerProcess

  private constructor(directory: string, process: ServerProcess) {
    this.socketPath = join(directory, 'containerd.sock')
    this.cgroupParent = `/${basename(directory)}`
    this.#directory = directory
    this.#process = process
  }

  /** Starts containerd and waits until its CRI answers. `sandboxImage` is the image of its sandboxes. */
  static async start(sandboxImage: string): Promise<Containerd> {
    const directory = await mkdtemp(join(tmpdir(), 'containerd-'))
    const config = join(directory, 'config.toml')
    await mkdir(join(directory, 'cni'))
    await writeFile(config, configFor(directory, sandboxImage))
    // Mounts and shims are in namespaces that end with the process.
    const unshare = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc']
    const process = new ServerProcess(
      'containerd',
      'unshare',
      [...unshare, '--', 'env', `PATH=${pathWithShim()}`, binary('containerd'), '--config', config],
      join(directory, 'log'),
    )
    const containerd = new Containerd(directory, process)
    try {
      await containerd.#waitUntilReady()
    } catch (error) {
      await containerd.stop()
      throw error
    }
    return containerd
  }

  /** Stops containerd with its containers, and removes its directory. */
  async stop(): Promise<void> {
    await this.#process.end('SIGKILL')
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
    const hierarchies = await readdir(CGROUPS, { withFileTypes: true })
    const parents = [{ name: '.', isDirectory: () => true }, ...hierarchies]
    for (const { name } of parents.filter(entry => entry.isDirectory())) {
      await removeCgroup(join(CGROUPS, name, this.cgroupParent))
    }
  }

  async #waitUntilReady(): Promise<void> {
    const client = new CriClient(this.socketPath)
    const deadline = Date.now() + READY_TIMEOUT_MS
    try {
      while (!(await client.listContainers().catch(() => undefined))) {
        if (!this.#process.running || Date.now() > deadline) {
          throw new Error(`containerd is not ready:\n${this.#process.logTail()}`)
        }
        await delay(100)
      }
    } finally {
      client.close()
    }
  }
}

function pathWithShim(): string {
  return `${dirname(binary('containerd-shim-runc-v2'))}:${process.env['PATH'] ?? ''}`
}

function configFor(directory: string, sandboxImage: string): string {
  return `version = 3
root = "${directory}/root"
state = "${directory}/state"
imports = []
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.internal.v1.tracing"]
[grpc]
  address = "${directory}/containerd.sock"
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "${sandboxImage}"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = ["${directory}/cni"]
  conf_dir = "${directory}/cni"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
`
}

/** Removes a cgroup without processes, with its child cgroups. */
async function removeCgroup(path: string): Promise<void> {
  let entries: Dirent[]
  try {
    entries = await readdir(path, { withFileTypes: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  for (const entry of entries) if (entry.isDirectory()) await removeCgroup(join(path, entry.name))
  for (let attempt = 1; ; attempt++) {
    try {
      await rmdir(path)
      return
    } catch (error) {
      // The kernel releases the cgroup shortly after its last process ends.
      if (attempt === 50) throw error
      await delay(100)
    }
  }
}
