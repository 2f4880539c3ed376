import { Informer, isKubeError, type KubeClient, type Logger, WorkQueue } from '../../kube/index.ts'
import { CaBundle, WEBHOOK_CONFIGURATIONS } from './ca-bundle.ts'
import { type SecretName, SECRETS } from './certificate/secret.ts'
import type { CertificateSource } from './certificate/source.ts'

/** Somebody else wrote at the same time: look again at once. */
const LOST_RACE_MS = 20
/** A look at the bundle that no event asked for. */
const LOOK_MS = 600_000
/** Until the next try after an error. */
const RETRY_MS = 2_000

/** What keeps certificate and CA bundle right. */
export interface TrustOptions {
  readonly source: CertificateSource
  readonly log: Logger
  /** Called after the first look at the certificate that succeeded. */
  readonly onCertificate: () => void
  /** Absent: the bundle is others' business. */
  readonly cluster?: {
    readonly client: KubeClient
    /** Name of the ValidatingWebhookConfiguration. */
    readonly configuration: string
    /** Absent where the certificate comes from files. */
    readonly secret?: SecretName
    /** How long authorities of others stay in the bundle. */
    readonly graceMs?: number
  }
}

/**
 * Keeps the server's certificate good and the API server's trust in it, until the signal fires: whoever deletes the Secret,
 * resets the bundle or makes the configuration anew, it is right again at once.
 */
export async function keepTrust(options: TrustOptions, signal: AbortSignal): Promise<void> {
  const { source, cluster, log } = options
  const queue = new WorkQueue<'certificate' | 'bundle'>()
  const bundle = cluster && new CaBundle(cluster.client, cluster.configuration, log, cluster.graceMs)
  const look = {
    async certificate(cutOff: AbortSignal) {
      const { requeueAfterMs, changed } = await source.reconcile(cutOff)
      options.onCertificate()
      if (changed) queue.add('bundle')
      return { requeueAfterMs }
    },
    async bundle(cutOff: AbortSignal) {
      const wanted = await source.bundle(cutOff)
      if (wanted === undefined || !bundle) return {}
      const againAfterMs = await bundle.repair(wanted, cutOff)
      return { requeueAfterMs: Math.min(LOOK_MS, againAfterMs ?? LOOK_MS) }
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
          return await look[key](cutOff)
        } catch (error) {
          if (isKubeError(error, 'Conflict')) return { requeueAfterMs: LOST_RACE_MS }
          if (!cutOff.aborted)
            log.warn({ err: error, key }, 'cannot keep the certificate right; trying again')
          return { requeueAfterMs: RETRY_MS }
        }
      },
    }),
  ])
}

/** Informers of the two objects that others may touch, and that nothing else may be read of. */
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
