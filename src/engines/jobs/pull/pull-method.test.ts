import { describe, expect, it } from 'vitest'
import { projectNode } from '../../../core/node/index.ts'
import { choosePullMethod } from './pull-method.ts'

describe('choosePullMethod', () => {
  it.each([
    { kubelet: 'v1.36.3', runtime: 'containerd://2.3.7', server: 36, method: 'image-volumes' },
    { kubelet: 'v1.35.0-eks-1', runtime: 'containerd://2.1.0', server: 35, method: 'image-volumes' },
    { kubelet: 'v1.35.0', runtime: 'cri-o://1.31.0', server: 35, method: 'image-volumes' },
    { kubelet: 'v2.0.0', runtime: 'containerd://3.0', server: 40, method: 'image-volumes' },
    { kubelet: 'v1.34.9', runtime: 'containerd://2.3.7', server: 36, method: 'containers' },
    { kubelet: 'v1.36.3', runtime: 'containerd://2.0.9', server: 36, method: 'containers' },
    { kubelet: 'v1.36.3', runtime: 'containerd://1.7.27', server: 36, method: 'containers' },
    { kubelet: 'v1.36.3', runtime: 'cri-o://1.30.4', server: 36, method: 'containers' },
    { kubelet: 'v1.36.3', runtime: 'docker://28.1.1', server: 36, method: 'containers' },
    { kubelet: 'v1.36.3', runtime: 'containerd://2.3.7', server: 34, method: 'containers' },
    { kubelet: 'v1.36.3', runtime: 'containerd://2.3.7', server: 0, method: 'containers' },
    { kubelet: '', runtime: '', server: 36, method: 'containers' },
    { kubelet: 'v1.36.3', runtime: 'containerd', server: 36, method: 'containers' },
  ])('kubelet $kubelet, $runtime, server 1.$server: $method', ({ kubelet, runtime, server, method }) => {
    const node = projectNode({
      metadata: { name: 'n' },
      status: { nodeInfo: { kubeletVersion: kubelet, containerRuntimeVersion: runtime } },
    })
    expect(choosePullMethod(node, server, 'auto')).toBe(method)
    expect(choosePullMethod(node, server, 'containers')).toBe('containers')
    expect(choosePullMethod(node, server, 'image-volumes')).toBe('image-volumes')
  })
})
