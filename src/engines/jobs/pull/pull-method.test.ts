import { describe, expect, it } from 'vitest'
import { projectNode } from '../../../core/node/index.ts'
import { choosePullMethod } from './pull-method.ts'

describe('choosePullMethod', () => {
  it.each([
    ['v1.36.3', 'containerd://2.3.7', 36, 'image-volumes'],
    ['v1.35.0-eks-1', 'containerd://2.1.0', 35, 'image-volumes'],
    ['v1.35.0', 'cri-o://1.31.0', 35, 'image-volumes'],
    ['v2.0.0', 'containerd://3.0', 40, 'image-volumes'],
    ['v1.34.9', 'containerd://2.3.7', 36, 'containers'],
    ['v1.36.3', 'containerd://2.0.9', 36, 'containers'],
    ['v1.36.3', 'containerd://1.7.27', 36, 'containers'],
    ['v1.36.3', 'cri-o://1.30.4', 36, 'containers'],
    ['v1.36.3', 'docker://28.1.1', 36, 'containers'],
    ['v1.36.3', 'containerd://2.3.7', 34, 'containers'],
    ['v1.36.3', 'containerd://2.3.7', 0, 'containers'],
    ['', '', 36, 'containers'],
    ['v1.36.3', 'containerd', 36, 'containers'],
  ])('kubelet %s, %s, server 1.%i: %s', (kubeletVersion, containerRuntimeVersion, server, expected) => {
    const node = projectNode({
      metadata: { name: 'n' },
      status: { nodeInfo: { kubeletVersion, containerRuntimeVersion } },
    })
    expect(choosePullMethod(node, server, 'auto')).toBe(expected)
    expect(choosePullMethod(node, server, 'containers')).toBe('containers')
    expect(choosePullMethod(node, server, 'image-volumes')).toBe('image-volumes')
  })
})
