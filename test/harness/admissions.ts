import { setTimeout as delay } from 'node:timers/promises'
import { KubeClient, loadConfig } from '../../src/kube/index.ts'
import type { Cluster } from './cluster.ts'
import { eventually } from './eventually.ts'

/** Requests under way at once. */
const LANES = 8
/** Between two requests of a lane, in milliseconds. */
const PAUSE_MS = 20

/** What became of one request that admission was asked about. */
export interface Admission {
  /** When it was sent and when it was answered, in milliseconds since 1970. */
  readonly sentAt: number
  readonly answeredAt: number
  /** The API server's words; absent where it would have taken the object. */
  readonly refusal?: string
}

/** A stream of dry-run creations of an ImageCache that is right, each asked of the API server once. */
export class AdmissionStream {
  readonly answers: Admission[] = []
  readonly #client: KubeClient
  readonly #lanes: Promise<unknown>
  #ended = false

  constructor(cluster: Cluster, namespace: string) {
    const config = loadConfig({ kubeconfig: cluster.kubeconfig })
    this.#client = new KubeClient(config, { qps: 10_000, burst: 10_000 })
    this.#lanes = Promise.all(Array.from({ length: LANES }, () => this.#run(namespace)))
  }

  /** Resolves when that many more were answered. */
  async more(count: number): Promise<void> {
    const enough = this.answers.length + count
    await eventually(`${count} more answers`, async () => this.answers.length >= enough)
  }

  /** Resolves when nothing is under way any more. */
  async end(): Promise<void> {
    this.#ended = true
    await this.#lanes
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
