import { Informer, isKubeError, type KubeClient, type Logger, WorkQueue } from '../../kube/index.ts'
import { CaBundle, WEBHOOK_CONFIGURATIONS } from './ca-bundle.ts'
import { type SecretName, SECRETS } from './certificate/secret.ts'
import type { CertificateSource } from './certificate/source.ts'

/** Wait after a concurrent write, before the next try. */
const CONFLICT_RETRY_MS = 20
/** Interval of checks without an event. */
const CHECK_INTERVAL_MS = 600_000
/** Wait after an error. */
const RETRY_MS = 2_000

/** Parameters of `keepTrusted`. */
export interface TrustOptions {
  readonly source: CertificateSource
  readonly log: Logger
  /** Called when a certificate is available for the first time, and after later checks. */
  readonly onCertificate: () => void
  /** Absent: the CA bundle is not managed here. */
  readonly cluster?: {
    readonly client: KubeClient
    /** Name of the ValidatingWebhookConfiguration. */
    readonly configuration: string
    /** Absent when the certificate comes from files. */
    readonly secret?: SecretName
    /** How long foreign authorities stay in the bundle, in milliseconds. */
    readonly graceMs?: number
  }
}

/**
 * Keeps the server's certificate valid and trusted by the API server until the signal fires. When the Secret
 * is deleted, the bundle reset or the configuration created again, it repairs this at once.
 */
export async function keepTrusted(options: TrustOptions, signal: AbortSignal): Promise<void> {
  const { source, cluster, log } = options
  const queue = new WorkQueue<'certificate' | 'bundle'>()
  const bundle = cluster && new CaBundle(cluster.client, cluster.configuration, log, cluster.graceMs)
  const reconcilers = {
    async certificate(cutOff: AbortSignal) {
      const { requeueAfterMs, changed } = await source.reconcile(cutOff)
      options.onCertificate()
      if (changed) queue.add('bundle')
      return { requeueAfterMs }
    },
    async bundle(cutOff: AbortSignal) {
      const wanted = await source.bundle(cutOff)
      if (wanted === undefined || !bundle) return {}
      const requeueAfterMs = await bundle.repair(wanted, cutOff)
      return { requeueAfterMs: Math.min(CHECK_INTERVAL_MS, requeueAfterMs ?? CHECK_INTERVAL_MS) }
    },
  }
  queue.add('certificate')
  await Promise.all([
    ...watched(cluster, queue, log).map(informer => informer.run(signal)),
    queue.run({
      workers: 1,
      signal,
      handler: async (key, cutOff) => {
        try {
          return await reconcilers[key](cutOff)
        } catch (error) {
          if (isKubeError(error, 'Conflict')) return { requeueAfterMs: CONFLICT_RETRY_MS }
          if (!cutOff.aborted)
            log.warn({ err: error, key }, 'cannot keep the certificate right; trying again')
          return { requeueAfterMs: RETRY_MS }
        }
      },
    }),
  ])
}

/** Informers of the two objects that others may change. The server has the right to read only these two. */
function watched(
  cluster: TrustOptions['cluster'],
  queue: WorkQueue<'certificate' | 'bundle'>,
  log: Logger,
): Informer<object & { metadata: { name: string } }>[] {
  if (!cluster) return []
  const { client, configuration, secret } = cluster
  const configurations = new Informer(client.resource(WEBHOOK_CONFIGURATIONS), {
    fieldSelector: `metadata.name=${configuration}`,
    log,
  })
  configurations.subscribe(() => queue.add('bundle'))
  if (!secret) return [configurations]
  const secrets = new Informer(client.resource(SECRETS), {
    namespace: secret.namespace,
    fieldSelector: `metadata.name=${secret.name}`,
    log,
  })
  secrets.subscribe(() => queue.add('certificate'))
  return [configurations, secrets]
}
