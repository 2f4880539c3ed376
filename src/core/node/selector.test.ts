import { describe, expect, it } from 'vitest'
import type { NodeSelectorRequirement, NodeSelectorTerm, Toleration } from '../../api/common.ts'
import { projectNode } from './node-facts.ts'
import { matchesAffinity, tolerates } from './selector.ts'

const node = projectNode({
  metadata: { name: 'n1', labels: { zone: 'a', cores: '8', big: '9007199254740993' } },
})
const one = (key: string, operator: NodeSelectorRequirement['operator'], ...values: string[]) => [
  { key, operator, values },
]

describe('matchesAffinity', () => {
  it.each<[string, NodeSelectorTerm[], boolean]>([
    ['no term', [], false],
    ['an empty term', [{}], false],
    ['an empty term beside one that matches', [{}, { matchExpressions: one('zone', 'In', 'a') }], true],
    ['In', [{ matchExpressions: one('zone', 'In', 'b', 'a') }], true],
    ['In, another value', [{ matchExpressions: one('zone', 'In', 'b') }], false],
    ['In, no label', [{ matchExpressions: one('none', 'In', '') }], false],
    ['NotIn', [{ matchExpressions: one('zone', 'NotIn', 'b') }], true],
    ['NotIn, its value', [{ matchExpressions: one('zone', 'NotIn', 'a') }], false],
    ['NotIn, no label', [{ matchExpressions: one('none', 'NotIn', 'a') }], true],
    ['Exists', [{ matchExpressions: one('zone', 'Exists') }], true],
    ['Exists, no label', [{ matchExpressions: one('none', 'Exists') }], false],
    ['DoesNotExist', [{ matchExpressions: one('none', 'DoesNotExist') }], true],
    ['DoesNotExist, with label', [{ matchExpressions: one('zone', 'DoesNotExist') }], false],
    ['Gt', [{ matchExpressions: one('cores', 'Gt', '7') }], true],
    ['Gt, equal', [{ matchExpressions: one('cores', 'Gt', '8') }], false],
    ['Lt by number', [{ matchExpressions: one('cores', 'Lt', '10') }], true],
    ['Gt beyond doubles', [{ matchExpressions: one('big', 'Gt', '9007199254740992') }], true],
    ['Gt of no number', [{ matchExpressions: one('zone', 'Gt', '1') }], false],
    ['Gt of no value', [{ matchExpressions: one('cores', 'Gt') }], false],
    [
      'requirements are ANDed',
      [{ matchExpressions: [...one('zone', 'In', 'a'), ...one('cores', 'Lt', '8')] }],
      false,
    ],
    ['Exists, a name that every object has', [{ matchExpressions: one('constructor', 'Exists') }], false],
    [
      'Lt of a number that is none of a label',
      [{ matchExpressions: one('cores', 'Lt', '9'.repeat(99)) }],
      false,
    ],
    ['the name', [{ matchFields: one('metadata.name', 'In', 'n1') }], true],
    ['another name', [{ matchFields: one('metadata.name', 'In', 'n2') }], false],
    ['another field', [{ matchFields: one('metadata.uid', 'NotIn', 'x') }], false],
    [
      'fields and labels are ANDed',
      [{ matchFields: one('metadata.name', 'In', 'n1'), matchExpressions: one('zone', 'In', 'b') }],
      false,
    ],
    [
      'terms are ORed',
      [{ matchExpressions: one('zone', 'In', 'b') }, { matchExpressions: one('zone', 'In', 'a') }],
      true,
    ],
  ])('%s', (_, nodeSelectorTerms, expected) => {
    expect(matchesAffinity(node, { nodeSelectorTerms })).toBe(expected)
  })

  it('takes every node where there is none', () => {
    expect(matchesAffinity(node, undefined)).toBe(true)
  })
})

describe('tolerates', () => {
  const taint = { key: 'gpu', value: 'yes', effect: 'NoSchedule' }
  it.each<[Toleration[], boolean]>([
    [[], false],
    [[{ operator: 'Exists' }], true],
    [[{ operator: 'Exists', effect: 'NoExecute' }], false],
    [[{ key: 'gpu', operator: 'Exists' }], true],
    [[{ key: 'gpu', operator: 'Exists', effect: 'NoSchedule' }], true],
    [[{ key: 'gpu', value: 'yes' }], true],
    [[{ key: 'gpu', operator: 'Equal', value: 'yes' }], true],
    [[{ key: 'gpu' }], false],
    [[{ key: 'gpu', value: 'no' }], false],
    [[{ key: 'cpu', operator: 'Exists' }], false],
    [[{ value: 'yes' }], false],
    [
      [
        { key: 'cpu', operator: 'Exists' },
        { key: 'gpu', operator: 'Exists' },
      ],
      true,
    ],
  ])('%j: %s', (tolerations, expected) => {
    expect(tolerates(tolerations, taint)).toBe(expected)
  })

  it('takes a missing value as an empty one', () => {
    expect(tolerates([{ key: 'gpu', operator: 'Equal' }], { key: 'gpu', effect: 'NoSchedule' })).toBe(true)
  })
})
