import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { pino } from 'pino'
import { KubeClient, serviceAccountOwner, loadConfig } from '../../kube/index.ts'
import { runUntilStopped } from '../../process/long-running.ts'
import { VERSION } from '../../base/version.ts'
import { FileCertificates } from './certificate/file-certificates.ts'
import { CertificateSecret } from './certificate/secret.ts'
import { IssuedCertificates } from './certificate/issued-certificates.ts'
import { reviewImageCache } from './image-cache.ts'
import { parseWebhookOptions, type WebhookOptions } from './options.ts'
import { AdmissionServer, type Reviewers } from './server.ts'
import { keepTrusted, type TrustOptions } from './trust.ts'

/**
 * The webhook server: reviews writes of ImageCaches over HTTPS, and keeps its certificate trusted by the API
 * server.
 */

const COMPONENT = 'kubefledged-webhook-server'
/** Time for Services to stop routing to a Pod that terminates. */
const LINGER_MS = 5_000
/** Longest time that the API server waits for a response. */
const DEADLINE_MS = 10_000

const REVIEWERS: Reviewers = {
  '/validate-image-cache': reviewImageCache,
  // It changes nothing. The path exists because kube-fledged has it.
  '/mutate-image-cache': () => ({ allowed: true }),
}

/** Runs the webhook server until a signal stops it. Resolves to the exit code. Throws `UsageError`. */
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
  const hasCertificate = Promise.withResolvers<boolean>()
  signal.addEventListener('abort', () => hasCertificate.resolve(false), { once: true })
  const trust = trustOf(options, server, log)
  const trustKept = keepTrusted({ ...trust, log, onCertificate: () => hasCertificate.resolve(true) }, signal)
  try {
    if (await hasCertificate.promise) {
      await server.listen(options.port)
      log.info({ port: server.port }, 'serving')
      await ended(signal)
      await server.close({ lingerMs: LINGER_MS, deadlineMs: DEADLINE_MS })
    }
  } finally {
    stop.abort()
    await trustKept
    trust.cluster?.client.close()
  }
}

/** The source of the certificate: the files if they exist, else a Secret that the server creates. */
function trustOf(
  options: WebhookOptions,
  server: AdmissionServer,
  log: pino.Logger,
): Pick<TrustOptions, 'source' | 'cluster'> {
  const { certFile, keyFile, configuration, namespace, service } = options
  const use = server.use.bind(server)
  if (existsSync(certFile) && existsSync(keyFile)) {
    const source = new FileCertificates({ certificate: certFile, key: keyFile }, use, log)
    if (!existsSync(join(dirname(certFile), 'ca.crt'))) return { source }
    return { source, cluster: { client: connect(options), configuration } }
  }
  const client = connect(options)
  const secret = { name: `${service}-keys`, namespace }
  const host = `${service}.${namespace}`
  const names = {
    dns: [`${host}.svc`, `${host}.svc.cluster.local`, host, service, 'localhost'],
    // for requests through a forwarded port
    ip: ['127.0.0.1'],
  }
  const source = new IssuedCertificates({
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
