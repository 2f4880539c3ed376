import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { pino } from 'pino'
import { KubeClient, serviceAccountOwner, loadConfig } from '../../kube/index.ts'
import { runUntilStopped } from '../../process/long-running.ts'
import { VERSION } from '../../base/version.ts'
import { GivenCertificates } from './certificate/given.ts'
import { CertificateSecret } from './certificate/secret.ts'
import { SelfMadeCertificates } from './certificate/self-made.ts'
import { reviewImageCache } from './image-cache.ts'
import { parseWebhookOptions, type WebhookOptions } from './options.ts'
import { AdmissionServer, type Reviewers } from './server.ts'
import { keepTrust, type TrustOptions } from './trust.ts'

const COMPONENT = 'kubefledged-webhook-server'
/** What Services need to stop leading to a Pod that ends. */
const LINGER_MS = 5_000
/** API servers wait no longer than this for an answer. */
const DEADLINE_MS = 10_000

const REVIEWERS: Reviewers = {
  '/validate-image-cache': reviewImageCache,
  // Nothing is ever changed; kube-fledged serves the path too.
  '/mutate-image-cache': () => ({ allowed: true }),
}

/** Runs the webhook server until it is told to stop. Resolves to the exit code; throws `UsageError`. */
export async function runWebhookServer(argv: readonly string[]): Promise<number> {
  return runUntilStopped(COMPONENT, parseWebhookOptions(argv, process.env), run)
}

async function run(options: WebhookOptions, log: pino.Logger, stop: AbortController): Promise<void> {
  if (options.initServer) {
    log.info('--init-server: nothing to do, the server makes its certificates itself')
    return
  }
  const { signal } = stop
  const server = new AdmissionServer(REVIEWERS, log)
  const certified = Promise.withResolvers<boolean>()
  signal.addEventListener('abort', () => certified.resolve(false), { once: true })
  const trust = trustOf(options, server, log)
  const keeping = keepTrust({ ...trust, log, onCertificate: () => certified.resolve(true) }, signal)
  try {
    if (await certified.promise) {
      await server.listen(options.port)
      log.info({ port: server.port }, 'serving')
      await ended(signal)
      await server.close({ lingerMs: LINGER_MS, deadlineMs: DEADLINE_MS })
    }
  } finally {
    stop.abort()
    await keeping
    trust.cluster?.client.close()
  }
}

/** Where the certificate comes from: files where they are, else a Secret of our own. */
function trustOf(
  options: WebhookOptions,
  server: AdmissionServer,
  log: pino.Logger,
): Pick<TrustOptions, 'source' | 'cluster'> {
  const { certFile, keyFile, configuration, namespace, service } = options
  const use = server.use.bind(server)
  if (existsSync(certFile) && existsSync(keyFile)) {
    const source = new GivenCertificates({ certificate: certFile, key: keyFile }, use, log)
    if (!existsSync(join(dirname(certFile), 'ca.crt'))) return { source }
    return { source, cluster: { client: connect(options), configuration } }
  }
  const client = connect(options)
  const secret = { name: `${service}-keys`, namespace }
  const host = `${service}.${namespace}`
  const names = {
    dns: [`${host}.svc`, `${host}.svc.cluster.local`, host, service, 'localhost'],
    // to ask a Pod through a forwarded port
    ip: ['127.0.0.1'],
  }
  const source = new SelfMadeCertificates({
    secret: new CertificateSecret(client, secret, serviceAccountOwner()),
    names,
    use,
    log,
  })
  return { source, cluster: { client, configuration, secret } }
}

function connect({ kubeconfig, master }: WebhookOptions): KubeClient {
  return new KubeClient(loadConfig({ kubeconfig, master }), { userAgent: `${COMPONENT}/${VERSION}` })
}

function ended(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
