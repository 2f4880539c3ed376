import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { KubeClient, loadConfig } from '../../src/kube/index.ts'
import { type ApiRequests, parseApiRequests } from '../harness/api-requests.ts'
import { ApiServer } from '../harness/api-server.ts'
import { binary } from '../harness/binaries.ts'
import { run } from '../harness/command.ts'
import { ServerProcess } from '../harness/process.ts'

/** Namespace and service account of the controller. */
export const NAMESPACE = 'kube-fledged'
const ACCOUNT = 'kubefledged-controller'
const TOKEN_SECONDS = 86_400

/** What the controller needs of `make deploy-using-yaml`, in this order. */
const MANIFESTS = [
  'namespace',
  'crd',
  'crd-nodeimages',
  'serviceaccount-controller',
  'clusterrole-controller',
  'clusterrolebinding-controller',
  'role-controller',
  'rolebinding-controller',
]

/** What etcd has received since it started. */
export interface EtcdLoad {
  readonly puts: number
  /** Bytes of all requests, reads included. Almost all of them are those of writes. */
  readonly bytes: number
}

/**
 * etcd, kube-apiserver and the controllers of kube-controller-manager that Jobs and owner references need.
 * No controller watches the health of nodes, so Node objects stay Ready without a kubelet.
 */
export class ControlPlane implements AsyncDisposable {
  /** A client with all rights and without a rate limit. */
  readonly client: KubeClient
  readonly #api: ApiServer
  readonly #manager: ServerProcess

  private constructor(api: ApiServer, manager: ServerProcess) {
    this.#api = api
    this.#manager = manager
    this.client = new KubeClient(loadConfig({ kubeconfig: api.kubeconfig }), {
      qps: 10_000,
      burst: 10_000,
      userAgent: 'scale',
      timeoutMs: 120_000,
    })
  }

  /**
   * Starts the processes and installs the CRDs and the rights of the controller.
   *
   * @param folder folder for logs, made if it is missing
   * @param checkout source of the manifests
   */
  static async start(folder: string, checkout: string): Promise<ControlPlane> {
    await mkdir(folder, { recursive: true })
    // This plugin taints each new Node until the node-lifecycle controller finds it Ready.
    const api = await ApiServer.start({ args: ['--disable-admission-plugins=TaintNodesByCondition'] })
    const manager = startManager(api, join(folder, 'kube-controller-manager.log'))
    const plane = new ControlPlane(api, manager)
    try {
      for (const name of MANIFESTS) {
        await plane.#kubectl('apply', '-f', join(checkout, `deploy/kubefledged-${name}.yaml`))
      }
    } catch (error) {
      await plane.stop()
      throw error
    }
    return plane
  }

  /** Writes a kubeconfig file with the rights of the controller's service account. */
  async writeControllerKubeconfig(path: string): Promise<void> {
    const { status } = await this.client.request<{ status: { token: string } }>({
      verb: 'create',
      path: `/api/v1/namespaces/${NAMESPACE}/serviceaccounts/${ACCOUNT}/token`,
      body: { spec: { expirationSeconds: TOKEN_SECONDS } },
    })
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [
        {
          name: 'scale',
          cluster: { server: this.#api.url, 'certificate-authority': this.#api.pki.path('ca.crt') },
        },
      ],
      users: [{ name: ACCOUNT, user: { token: status.token } }],
      contexts: [{ name: 'scale', context: { cluster: 'scale', user: ACCOUNT } }],
      'current-context': 'scale',
    }
    await writeFile(path, JSON.stringify(config), { mode: 0o600 })
  }

  /** Requests that the API server has answered. */
  async apiRequests(): Promise<ApiRequests> {
    return parseApiRequests(await this.#kubectl('get', '--raw', '/metrics'))
  }

  /** What etcd has received. */
  async etcdLoad(): Promise<EtcdLoad> {
    const page = await (await fetch(`${this.#api.etcdUrl}/metrics`)).text()
    return {
      puts: metric(page, 'etcd_mvcc_put_total'),
      bytes: metric(page, 'etcd_network_client_grpc_received_bytes_total'),
    }
  }

  /** Ends all processes and removes their data. */
  async stop(): Promise<void> {
    this.client.close()
    await this.#manager.end('SIGKILL')
    await this.#api.stop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #kubectl(...args: string[]): Promise<string> {
    return run([binary('kubectl'), '--kubeconfig', this.#api.kubeconfig, ...args], { timeoutMs: 120_000 })
  }
}

/** Rates as in `hack/cluster`: with the default of 20 requests a second Jobs would wait for this process. */
function startManager(api: ApiServer, log: string): ServerProcess {
  return new ServerProcess(
    'kube-controller-manager',
    binary('kube-controller-manager'),
    [
      `--kubeconfig=${api.kubeconfig}`,
      '--controllers=job-controller,garbage-collector-controller,namespace-controller',
      '--leader-elect=false',
      '--secure-port=0',
      '--kube-api-qps=300',
      '--kube-api-burst=600',
      '--concurrent-job-syncs=20',
    ],
    log,
  )
}

/** Sum of all series of a counter on a Prometheus page. */
export function metric(page: string, name: string): number {
  const lines = page.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, 'gm'))
  return [...lines].reduce((sum, [, value]) => sum + Number(value), 0)
}
