import type { NodeFacts } from '../../../core/node/index.ts'
import type { PullMethod } from './job-settings.ts'

/** Value of `--job-pull-method`. */
export type PullMethodSetting = 'auto' | PullMethod

/** First Kubernetes minor version with image volumes on by default. */
const KUBERNETES_MINOR = 35

/**
 * Chooses how Jobs make the kubelet of this node pull.
 * Image volumes need Kubernetes 1.35 (API server and kubelet), and containerd 2.1 or CRI-O 1.31.
 *
 * @param serverMinor minor version of the API server.
 *   0 where it is unknown, or where Pods are known to lose image volumes.
 */
export function choosePullMethod(
  node: NodeFacts,
  serverMinor: number,
  setting: PullMethodSetting,
): PullMethod {
  if (setting !== 'auto') return setting
  const [major, minor] = versionOf(node.kubeletVersion)
  const kubelet = major > 1 || minor >= KUBERNETES_MINOR
  return kubelet && serverMinor >= KUBERNETES_MINOR && mountsImages(node.runtime)
    ? 'image-volumes'
    : 'containers'
}

function mountsImages(runtime: string): boolean {
  const [name, version = ''] = runtime.split('://')
  const [major, minor] = versionOf(version)
  if (name === 'containerd') return major > 2 || (major === 2 && minor >= 1)
  return name === 'cri-o' && (major > 1 || minor >= 31)
}

function versionOf(text: string): [number, number] {
  const match = /^v?(\d+)\.(\d+)/.exec(text)
  return match ? [Number(match[1]), Number(match[2])] : [0, 0]
}
