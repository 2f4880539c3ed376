import { GROUP, VERSION } from '../../api/constants.ts'
import { isKubeError, type KubeClient } from '../../kube/index.ts'
import { releaseCaches } from '../caches/release-caches.ts'
import type { ReleaseKind } from './kind.ts'

/** `KubeFledged`: an installation of kube-fledged. */
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
    // the other one was that of kube-fledged 0.6
    chartNames: ['kube-fledged', 'kubefledged'],
    holdsUp: endingCaches,
    // whoever deletes them then has nobody to wait for
    afterLast: releaseCaches,
  }
}

/** Image caches that are being deleted wait for the controller to finish what it does for them. */
async function endingCaches(client: KubeClient, signal: AbortSignal): Promise<string | undefined> {
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
    // no definition, so no cache
    if (isKubeError(error, 'NotFound')) return undefined
    throw error
  }
}
