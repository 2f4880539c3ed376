import { describe, expect, it } from 'vitest'
import { nodeWith } from '../../../test/builders/node.ts'
import type { CacheList } from '../../api/image-cache.ts'
import { skipReason } from './eligibility.ts'

function reasonWith(key: string, effect = 'NoSchedule', tolerations?: CacheList['tolerations']) {
  const node = nodeWith('n1', { taints: [{ key, effect }] })
  return skipReason(node, { images: [], ...(tolerations && { tolerations }) })
}

describe('a taint', () => {
  it.each([
    ['karpenter.sh/disrupted', 'BeingRemoved'],
    ['ToBeDeletedByClusterAutoscaler', 'BeingRemoved'],
    ['node.kubernetes.io/out-of-service', 'BeingRemoved'],
    ['node.cilium.io/agent-not-ready', 'NotOpenYet'],
    ['ebs.csi.aws.com/agent-not-ready', 'NotOpenYet'],
    ['startup-taint.cluster-autoscaler.kubernetes.io/gpu', 'NotOpenYet'],
    ['node.cloudprovider.kubernetes.io/uninitialized', 'NotOpenYet'],
    ['node.kubernetes.io/disk-pressure', 'DiskPressure'],
  ])('%s keeps work away: %s', (key, reason) => {
    for (const effect of ['NoSchedule', 'NoExecute']) expect(reasonWith(key, effect)).toBe(reason)
    expect(reasonWith(key, 'NoSchedule', [{ operator: 'Exists' }])).toBe(reason)
    expect(reasonWith(key, 'PreferNoSchedule')).toBeUndefined()
  })

  it.each([
    'DeletionCandidateOfClusterAutoscaler',
    'dedicated',
    'kubefledged.io/images-not-ready',
    'node-role.kubernetes.io/control-plane',
  ])('%s keeps no work away', key => {
    expect(reasonWith(key)).toBeUndefined()
  })

  it('keeps work away where the list has tolerations, and none for it', () => {
    expect(reasonWith('dedicated', 'NoSchedule', [{ key: 'other', operator: 'Exists' }])).toBe(
      'TaintNotTolerated',
    )
  })
})
