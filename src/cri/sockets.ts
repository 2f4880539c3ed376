/** Sockets of the runtimes, in the order in which they are tried when the runtime is unknown. */
const SOCKETS = {
  containerd: ['/run/containerd/containerd.sock'],
  k3s: ['/run/k3s/containerd/containerd.sock'],
  'cri-o': ['/var/run/crio/crio.sock'],
  docker: ['/var/run/cri-dockerd.sock'],
} as const

/**
 * Possible paths of the runtime's socket on the node, most likely first. All known paths for an unknown
 * runtime.
 *
 * @param containerRuntimeVersion `status.nodeInfo.containerRuntimeVersion` of the Node: `containerd://2.3.7`,
 * `containerd://2.1.4-k3s1` (k3s and RKE2, which have their own containerd), `cri-o://1.34.1`,
 * `docker://28.5.1`
 */
export function socketCandidates(containerRuntimeVersion: string): readonly string[] {
  const [name = '', version = ''] = containerRuntimeVersion.split('://')
  if (name === 'containerd') return /-k3s\d*$/.test(version) ? SOCKETS.k3s : SOCKETS.containerd
  if (name === 'cri-o' || name === 'crio') return SOCKETS['cri-o']
  if (name === 'docker') return SOCKETS.docker
  return [...new Set(Object.values(SOCKETS).flat())]
}
