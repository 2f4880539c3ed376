import { describe, expect, it } from 'vitest'
import { socketCandidates } from './sockets.ts'

describe('socketCandidates', () => {
  it.each([
    ['containerd://2.3.7', ['/run/containerd/containerd.sock']],
    ['containerd://1.7.28~ds1', ['/run/containerd/containerd.sock']],
    ['containerd://2.1.4-k3s1', ['/run/k3s/containerd/containerd.sock']],
    ['cri-o://1.34.1', ['/var/run/crio/crio.sock']],
    ['docker://28.5.1', ['/var/run/cri-dockerd.sock']],
  ])('%s', (version, sockets) => {
    expect(socketCandidates(version)).toEqual(sockets)
  })

  it.each(['', 'other://1.0', 'containerd'.slice(1)])('offers every known socket for %j', version => {
    const all = [
      '/run/containerd/containerd.sock',
      '/run/k3s/containerd/containerd.sock',
      '/var/run/crio/crio.sock',
      '/var/run/cri-dockerd.sock',
    ]
    expect(socketCandidates(version).toSorted()).toEqual(all.toSorted())
  })
})
