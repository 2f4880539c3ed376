import { GROUP, VERSION } from '../../api/constants.ts'
import { isKubeError, type KubeClient } from '../../kube/index.ts'
import { releaseCaches } from '../caches/release-caches.ts'
import type { ReleaseKind } from './kind.ts'

/** The kind `KubeFledged`: an installation of kube-fledged. */
export function kubeFledgedKind(chart: string): ReleaseKind {
  return {
    def: {
      group: 'charts.helm.kubefledged.io',
      version: 'v1alpha2',
      plural: 'kubefledgeds',
      kind: 'KubeFledged',
      namespaced: true,
    },
    chart,
    // The chart of kube-fledged 0.6 has the second name.
    chartNames: ['kube-fledged', 'kubefledged'],
    holdsUp: cachesBeingDeleted,
    // No controller runs any more that would remove the finalizers of caches.
    afterLast: releaseCaches,
  }
}

/** Blocks the uninstall while image caches are being deleted: the controller must finish their deletion. */
async function cachesBeingDeleted(client: KubeClient, signal: AbortSignal): Promise<string | undefined> {
  const caches = client.resource({
    group: GROUP,
    version: VERSION,
    plural: 'imagecaches',
    kind: 'ImageCache',
    namespaced: true,
  })
  try {
    const { items } = await caches.list({ signal })
    const ending = items.filter(({ metadata }) => metadata.deletionTimestamp)
    if (!ending[0]) return undefined
    const { namespace, name } = ending[0].metadata
    return `waiting for ${ending.length} image caches that are being deleted, among them ${namespace}/${name}`
  } catch (error) {
    // Without the CRD there are no caches.
    if (isKubeError(error, 'NotFound')) return undefined
    throw error
  }
}
