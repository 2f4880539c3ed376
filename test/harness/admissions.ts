import { setTimeout as delay } from 'node:timers/promises'
import { KubeClient, loadConfig } from '../../src/kube/index.ts'
import type { Cluster } from './cluster.ts'
import { eventually } from './eventually.ts'

/** Requests that run at the same time. */
const SENDERS = 8
/** Pause between two requests of one sender, in milliseconds. */
const PAUSE_MS = 20

/** The result of one admission request. */
export interface Admission {
  /** Times of the request and its answer, in milliseconds since 1970. */
  readonly sentAt: number
  readonly answeredAt: number
  /** The API server's error text. Absent when it would accept the object. */
  readonly refusal?: string
}

/** Sends dry-run creations of a valid ImageCache continuously. Each is sent once. */
export class AdmissionStream {
  readonly answers: Admission[] = []
  readonly #client: KubeClient
  readonly #senders: Promise<unknown>
  #ended = false

  constructor(cluster: Cluster, namespace: string) {
    const config = loadConfig({ kubeconfig: cluster.kubeconfig })
    this.#client = new KubeClient(config, { qps: 10_000, burst: 10_000 })
    this.#senders = Promise.all(Array.from({ length: SENDERS }, () => this.#run(namespace)))
  }

  /** Resolves after this many further answers. */
  async more(count: number): Promise<void> {
    const enough = this.answers.length + count
    await eventually(`${count} more answers`, async () => this.answers.length >= enough)
  }

  /** Resolves when no request runs any more. */
  async end(): Promise<void> {
    this.#ended = true
    await this.#senders
    this.#client.close()
  }

  async #run(namespace: string): Promise<void> {
    while (!this.#ended) {
      this.answers.push(await this.#ask(namespace))
      await delay(PAUSE_MS)
    }
  }

  async #ask(namespace: string): Promise<Admission> {
    const sentAt = Date.now()
    const refusal = await this.#client
      .request({
        verb: 'create',
        path: `/apis/kubefledged.io/v1alpha2/namespaces/${namespace}/imagecaches`,
        query: { dryRun: 'All' },
        body: {
          apiVersion: 'kubefledged.io/v1alpha2',
          kind: 'ImageCache',
          metadata: { generateName: 'asked-' },
          spec: { cacheSpec: [{ images: ['registry.test.local/asked:1'] }] },
        },
        retries: 0,
      })
      .then(
        () => undefined,
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      )
    return { sentAt, answeredAt: Date.now(), ...(refusal !== undefined && { refusal }) }
  }
}
