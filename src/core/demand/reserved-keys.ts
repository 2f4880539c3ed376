import { GROUP } from '../../api/constants.ts'

/**
 * Keys of labels and annotations that authors of caches may not set on Jobs and Pods.
 * An injected container runs an image of the author's choice on every node, and our own keys decide whose
 * credential an attempt counts for. Such a key is refused, not ignored: the author learns why.
 */

/**
 * Domains of programs that change Pods by their labels and annotations. Their subdomains are reserved too.
 */
const INJECTOR_DOMAINS = [
  'istio.io',
  'linkerd.io',
  'kuma.io',
  'consul.hashicorp.com',
  'vault.hashicorp.com',
  'vault.security.banzaicloud.io',
  'bank-vaults.io',
  'openservicemesh.io',
  'appmesh.k8s.aws',
  'dapr.io',
  'opentelemetry.io',
  'datadoghq.com',
  'dynatrace.com',
  'newrelic.com',
  'nsm.nginx.com',
  'tumblr.com',
  'conjur.org',
]

/** Words in the keys of injectors that nobody has listed. */
const INJECTOR_WORDS = /(^|[./_-])(inject(or|ion|ed)?|sidecars?)([./_-]|$)/

/** Keys of the job controller. The API server refuses a Job that has other values. */
const JOB_CONTROLLER = /^(batch\.kubernetes\.io\/.*|job-name|controller-uid)$/

/** Why an author may not set this key, in words. Undefined where he may. */
export function reservedBy(key: string): string | undefined {
  const lower = key.toLowerCase()
  const [domain = ''] = lower.includes('/') ? lower.split('/') : []
  if (isBelow(domain, GROUP)) return 'it belongs to kube-fledged'
  if (JOB_CONTROLLER.test(lower)) return 'it belongs to the job controller of Kubernetes'
  const isInjector = INJECTOR_DOMAINS.some(reserved => isBelow(domain, reserved))
  return isInjector || INJECTOR_WORDS.test(lower) ? 'it makes an injector change the Pods' : undefined
}

function isBelow(domain: string, parent: string): boolean {
  return domain === parent || domain.endsWith(`.${parent}`)
}
