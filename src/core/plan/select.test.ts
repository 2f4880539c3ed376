import { describe, expect, it } from 'vitest'
import { compiledOf } from '../../../test/builders/image-cache.ts'
import { type NodeOptions, nodeWith } from '../../../test/builders/node.ts'
import { at } from '../../../test/builders/time.ts'
import type { CacheList } from '../../api/image-cache.ts'
import { select } from './select.ts'

const GPU = { key: 'gpu', effect: 'NoSchedule' }

describe('select', () => {
  it.each<{ name: string; node?: NodeOptions; list?: Omit<CacheList, 'images'>; expected: string }>([
    { name: 'no selector', expected: 'desired' },
    { name: 'an empty selector', list: { nodeSelector: {} }, expected: 'desired' },
    {
      name: 'all labels',
      node: { labels: { a: '1', b: '2' } },
      list: { nodeSelector: { a: '1', b: '2' } },
      expected: 'desired',
    },
    {
      name: 'one label of two',
      node: { labels: { a: '1' } },
      list: { nodeSelector: { a: '1', b: '2' } },
      expected: 'unselected',
    },
    {
      name: 'another value',
      node: { labels: { a: '2' } },
      list: { nodeSelector: { a: '1' } },
      expected: 'unselected',
    },
    {
      name: 'selector without affinity',
      node: { labels: { a: '1' } },
      list: {
        nodeSelector: { a: '1' },
        nodeAffinity: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'b', operator: 'Exists' }] }] },
      },
      expected: 'unselected',
    },
    { name: 'cordoned', node: { unschedulable: true }, expected: 'Cordoned' },
    { name: 'not ready', node: { ready: false }, expected: 'NotReady' },
    {
      name: 'deleting',
      node: { deletedAt: at(0), ready: false, unschedulable: true },
      expected: 'Deleting',
    },
    {
      name: 'virtual by label',
      node: { labels: { type: 'virtual-kubelet' }, unschedulable: true },
      expected: 'Virtual',
    },
    {
      name: 'virtual by role',
      node: { labels: { 'kubernetes.io/role': 'virtual-kubelet' } },
      expected: 'Virtual',
    },
    {
      name: 'Fargate',
      node: { labels: { 'eks.amazonaws.com/compute-type': 'fargate' } },
      expected: 'Virtual',
    },
    { name: 'virtual by version', node: { kubelet: 'v1.30.1-vk-azure-aci' }, expected: 'Virtual' },
    { name: 'Windows', node: { os: 'windows', ready: false }, expected: 'UnsupportedOS' },
    { name: 'cordoned and not ready', node: { ready: false, unschedulable: true }, expected: 'Cordoned' },
    {
      name: 'unselected comes before skipped',
      node: { ready: false },
      list: { nodeSelector: { a: '1' } },
      expected: 'unselected',
    },
    { name: 'a taint and no list of tolerations', node: { taints: [GPU] }, expected: 'desired' },
    {
      name: 'a taint and an empty list of tolerations',
      node: { taints: [GPU], unschedulable: true },
      list: { tolerations: [] },
      expected: 'TaintNotTolerated',
    },
    {
      name: 'a taint that only prefers',
      node: { taints: [{ key: 'gpu', effect: 'PreferNoSchedule' }] },
      list: { tolerations: [] },
      expected: 'desired',
    },
    {
      name: 'a taint that repeats a condition',
      node: { taints: [{ key: 'node.kubernetes.io/not-ready', effect: 'NoExecute' }] },
      list: { tolerations: [] },
      expected: 'desired',
    },
  ])('$name: $expected', ({ node = {}, list = {}, expected }) => {
    const [compiled] = compiledOf('c', [], { cacheSpec: [{ images: ['a'], ...list }] }).lists
    if (!compiled) throw new Error('the cache has no list')
    const selection = select(nodeWith('n1', node), compiled)
    expect(selection.kind === 'skipped' ? selection.reason : selection.kind).toBe(expected)
  })
})
