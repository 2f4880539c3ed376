import { once } from 'node:events'
import { connect } from 'node:tls'
import { onTestFinished } from 'vitest'
import { KubeClient, loadConfig, silentLogger } from '../../../src/kube/index.ts'
import type { CertificateSource, UseCertificate } from '../../../src/programs/webhook/certificate/source.ts'
import { AdmissionServer } from '../../../src/programs/webhook/server.ts'
import { keepTrusted, type TrustOptions } from '../../../src/programs/webhook/trust.ts'
import { eventually } from '../../harness/eventually.ts'
import { type Installation, NAMES } from './installation.ts'
import { ServiceFront } from './servers.ts'

/** Creates the certificate source of a server in this process. */
export type SourceOf = (client: KubeClient, use: UseCertificate) => CertificateSource

/** A webhook server in this process, until the end of the test. */
export async function startServer(
  kubeconfig: string,
  sourceOf: SourceOf,
  options: Partial<TrustOptions['cluster']> = {},
): Promise<AdmissionServer> {
  const client = new KubeClient(loadConfig({ kubeconfig }))
  const server = new AdmissionServer({ '/validate-image-cache': () => ({ allowed: true }) }, silentLogger)
  const source = sourceOf(client, server.use.bind(server))
  const stop = new AbortController()
  const certified = Promise.withResolvers<void>()
  const cluster = { client, configuration: NAMES.configuration, ...options }
  const onCertificate = certified.resolve
  const keeping = keepTrusted({ source, log: silentLogger, onCertificate, cluster }, stop.signal)
  onTestFinished(async () => {
    stop.abort()
    await keeping
    await server.close({ lingerMs: 0, deadlineMs: 1000 })
    client.close()
  })
  await certified.promise
  await server.listen(0)
  return server
}

/** Sends writes of image caches to the API server, which asks the webhook servers. */
export class Questions {
  /** Failures after the API server began to trust the servers. */
  readonly failures: string[] = []
  readonly #installation: Installation
  readonly #servers: readonly AdmissionServer[]
  #asked = 0

  private constructor(installation: Installation, servers: readonly AdmissionServer[]) {
    this.#installation = installation
    this.#servers = servers
  }

  /** Sets up a Service for the servers and waits until the API server trusts them. */
  static async start(installation: Installation, servers: readonly AdmissionServer[]): Promise<Questions> {
    const front = await ServiceFront.start(...servers.map(({ port }) => port))
    onTestFinished(() => front[Symbol.asyncDispose]())
    await installation.configure(front.port)
    const questions = new Questions(installation, servers)
    await eventually('the API server to trust the servers', async () => {
      await questions.ask()
      return questions.failures.splice(0).length === 0
    })
    return questions
  }

  /** Number of answered requests. */
  get asked(): number {
    return this.#asked
  }

  /**
   * Sends one write, and opens a new connection to each server with a client that trusts the bundle: the API
   * server keeps its connections, but a new one must succeed at any time. Resolves to the bundle.
   */
  async ask(): Promise<string> {
    const metadata = { name: 'c', namespace: 'default' }
    const cache = { metadata, spec: { cacheSpec: [{ images: ['a:1'] }] } }
    await this.#installation.caches.create(cache, { dryRun: true }).then(
      () => (this.#asked += 1),
      (error: unknown) => this.failures.push(error instanceof Error ? error.message : String(error)),
    )
    const bundle = await this.#installation.bundle()
    for (const { port } of this.#servers) {
      await shakeHands(port, bundle).catch((error: unknown) => this.failures.push(String(error)))
    }
    return bundle
  }
}

/** Rejects when a client with this bundle does not trust the server. */
async function shakeHands(port: number, bundle: string): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port, ca: bundle })
  await once(socket, 'secureConnect')
  socket.destroy()
}
