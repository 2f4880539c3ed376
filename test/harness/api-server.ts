import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import https from 'node:https'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { binary } from './binaries.ts'
import { createPki, type Pki } from './pki.ts'
import { ServerProcess } from './process.ts'

/** Settings of a test's API server. */
export interface ApiServerOptions {
  /** Further arguments of kube-apiserver, e.g. `--feature-gates=WatchList=false`. */
  readonly args?: readonly string[]
}

const READY_TIMEOUT_MS = 90_000

/**
 * etcd and kube-apiserver of one test on loopback, with their own directory, ports and certificates.
 * Authorization is Node and RBAC, as in a real cluster. There are no controllers, so only the test changes
 * objects.
 */
export class ApiServer implements AsyncDisposable {
  readonly url: string
  readonly etcdUrl: string
  readonly pki: Pki
  /** A kubeconfig file with all rights. */
  readonly kubeconfig: string
  readonly #directory: string
  readonly #args: readonly string[]
  readonly #etcdArgs: readonly string[]
  #etcd: ServerProcess
  #server: ServerProcess

  private constructor(parts: {
    directory: string
    pki: Pki
    url: string
    etcdUrl: string
    kubeconfig: string
    args: readonly string[]
    etcdArgs: readonly string[]
  }) {
    this.#directory = parts.directory
    this.pki = parts.pki
    this.url = parts.url
    this.etcdUrl = parts.etcdUrl
    this.kubeconfig = parts.kubeconfig
    this.#args = parts.args
    this.#etcdArgs = parts.etcdArgs
    this.#etcd = this.#spawnEtcd()
    this.#server = this.#spawn()
  }

  /** Starts both and waits until the API server is ready. Throws when a binary is missing. */
  static async start(options: ApiServerOptions = {}): Promise<ApiServer> {
    for (const name of ['etcd', 'kube-apiserver']) binary(name)
    const directory = await mkdtemp(join(tmpdir(), 'kubefledged-api-'))
    await mkdir(join(directory, 'pki'))
    const pki = await createPki(join(directory, 'pki'))
    await pki.issue(
      'apiserver',
      '/CN=kube-apiserver',
      'DNS:localhost,DNS:kubernetes.default.svc,IP:127.0.0.1',
    )
    await pki.issue('admin', '/O=system:masters/CN=admin')
    const [port, etcdPort, peerPort] = await freePorts(3)
    const etcdUrl = `http://127.0.0.1:${etcdPort}`
    const peerUrl = `http://127.0.0.1:${peerPort}`
    const etcdArgs = [
      `--data-dir=${join(directory, 'etcd')}`,
      '--unsafe-no-fsync',
      '--log-level=warn',
      `--listen-client-urls=${etcdUrl}`,
      `--advertise-client-urls=${etcdUrl}`,
      `--listen-peer-urls=${peerUrl}`,
      `--initial-advertise-peer-urls=${peerUrl}`,
      `--initial-cluster=default=${peerUrl}`,
    ]
    const url = `https://127.0.0.1:${port}`
    const kubeconfig = join(directory, 'admin.kubeconfig')
    await writeFile(kubeconfig, kubeconfigFor(url, pki, 'admin'), { mode: 0o600 })
    const args = [
      `--etcd-servers=${etcdUrl}`,
      '--bind-address=127.0.0.1',
      '--advertise-address=127.0.0.1',
      `--secure-port=${port}`,
      '--service-cluster-ip-range=10.96.0.0/16',
      `--tls-cert-file=${pki.path('apiserver.crt')}`,
      `--tls-private-key-file=${pki.path('apiserver.key')}`,
      `--client-ca-file=${pki.path('ca.crt')}`,
      '--authorization-mode=Node,RBAC',
      '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
      `--service-account-key-file=${pki.path('sa.pub')}`,
      `--service-account-signing-key-file=${pki.path('sa.key')}`,
      // No controller creates service accounts or tokens for Pods.
      '--disable-admission-plugins=ServiceAccount',
      '--profiling=false',
      '--allow-privileged=true',
      ...(options.args ?? []),
    ]
    const server = new ApiServer({ directory, pki, url, etcdUrl, kubeconfig, args, etcdArgs })
    try {
      await server.waitUntilReady()
    } catch (error) {
      await server.stop()
      throw error
    }
    return server
  }

  /** Kills kube-apiserver (SIGKILL). etcd keeps running. */
  async kill(): Promise<void> {
    await this.#server.end('SIGKILL')
  }

  /** Starts kube-apiserver on the same port with the same etcd, and waits until it is ready. */
  async restart(): Promise<void> {
    await this.#server.end('SIGTERM')
    this.#server = this.#spawn()
    await this.waitUntilReady()
  }

  /** Compacts etcd up to and including this revision, so that older resourceVersions are Gone. */
  async compact(revision: string): Promise<void> {
    const response = await fetch(`${this.etcdUrl}/v3/kv/compaction`, {
      method: 'POST',
      body: JSON.stringify({ revision, physical: true }),
    })
    if (!response.ok) throw new Error(`etcd refused to compact: ${await response.text()}`)
  }

  /** Copies the data of etcd, for `restore`. Both processes restart. */
  async backUp(): Promise<void> {
    await this.#restartWith(() =>
      cp(join(this.#directory, 'etcd'), join(this.#directory, 'backup'), { recursive: true }),
    )
  }

  /** Sets etcd back to the last backup. Both processes restart. */
  async restore(): Promise<void> {
    await this.#restartWith(async () => {
      await rm(join(this.#directory, 'etcd'), { recursive: true })
      await cp(join(this.#directory, 'backup'), join(this.#directory, 'etcd'), { recursive: true })
    })
  }

  async #restartWith(change: () => Promise<void>): Promise<void> {
    await this.#server.end('SIGKILL')
    await this.#etcd.end('SIGTERM')
    await change()
    this.#etcd = this.#spawnEtcd()
    await this.restart()
  }

  /** Stops both processes and removes their directory. */
  async stop(): Promise<void> {
    await this.#server.end('SIGKILL')
    await this.#etcd.end('SIGKILL')
    await rm(this.#directory, { recursive: true, force: true })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /**
   * Resolves when `/readyz` answers ok. Throws with the end of the log when it takes too long or a process
   * ended.
   */
  async waitUntilReady(): Promise<void> {
    const deadline = Date.now() + READY_TIMEOUT_MS
    while (!(await this.#ready())) {
      const ended = [this.#etcd, this.#server].find(process => !process.running)
      if (ended) throw new Error(`${ended.name} ended at once:\n${ended.logTail()}`)
      if (Date.now() > deadline) throw new Error(`kube-apiserver is not ready:\n${this.#server.logTail()}`)
      await delay(100)
    }
  }

  #spawnEtcd(): ServerProcess {
    return new ServerProcess('etcd', binary('etcd'), this.#etcdArgs, join(this.#directory, 'etcd.log'))
  }

  #spawn(): ServerProcess {
    return new ServerProcess(
      'kube-apiserver',
      binary('kube-apiserver'),
      this.#args,
      join(this.#directory, 'kube-apiserver.log'),
    )
  }

  #ready(): Promise<boolean> {
    return new Promise(resolve => {
      const request = https.get(
        `${this.url}/readyz`,
        { rejectUnauthorized: false, timeout: 2000 },
        response => {
          response.resume()
          resolve(response.statusCode === 200)
        },
      )
      request.on('timeout', () => request.destroy())
      request.on('error', () => resolve(false))
    })
  }
}

/** Distinct ports that are free at the moment. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = net.createServer()
      await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
      return server
    }),
  )
  return Promise.all(
    servers.map(async server => {
      const address = server.address()
      await new Promise(resolve => server.close(resolve))
      return typeof address === 'object' && address !== null ? address.port : 0
    }),
  )
}

function kubeconfigFor(server: string, pki: Pki, user: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster: { server, 'certificate-authority': pki.path('ca.crt') } }],
    users: [
      {
        name: user,
        user: { 'client-certificate': pki.path(`${user}.crt`), 'client-key': pki.path(`${user}.key`) },
      },
    ],
    contexts: [{ name: 'test', context: { cluster: 'test', user, namespace: 'default' } }],
    'current-context': 'test',
  })
}
