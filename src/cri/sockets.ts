/** Where the runtimes listen, in the order in which they are tried where the node does not say what it runs. */
const SOCKETS = {
  containerd: ['/run/containerd/containerd.sock'],
  k3s: ['/run/k3s/containerd/containerd.sock', '/run/containerd/containerd.sock'],
  'cri-o': ['/var/run/crio/crio.sock'],
  docker: ['/var/run/cri-dockerd.sock'],
} as const

/**
 * Paths on the node at which its runtime may listen, the likeliest first; all known ones for a runtime that is not known.
 *
 * @param containerRuntimeVersion `status.nodeInfo.containerRuntimeVersion` of the Node: `containerd://2.3.7`,
 *   `containerd://2.1.4-k3s1` (k3s and RKE2, which bring a containerd of their own), `cri-o://1.34.1`, `docker://28.5.1`
 */
export function socketCandidates(containerRuntimeVersion: string): readonly string[] {
  const [name = '', version = ''] = containerRuntimeVersion.split('://')
  if (name === 'containerd') return /-k3s\d*$/.test(version) ? SOCKETS.k3s : SOCKETS.containerd
  if (name === 'cri-o' || name === 'crio') return SOCKETS['cri-o']
  if (name === 'docker') return SOCKETS.docker
  return [...new Set(Object.values(SOCKETS).flat())]
}
