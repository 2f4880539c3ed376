import type { NodeSelector, NodeSelectorRequirement, Toleration } from '../../../api/common.ts'
import type { CacheList } from '../../../api/image-cache.ts'
import { labelKeyProblem, labelValueProblem } from '../../../api/label-syntax.ts'
import { type Finding, finding, quoted } from './finding.ts'

/** Findings about the node selection of a list, by the rules of Kubernetes for Pods (core/validation). */
export function* selectorFindings(list: CacheList): Generator<Finding> {
  for (const [key, value] of Object.entries(list.nodeSelector ?? {})) {
    yield* keyFindings('nodeSelector', key)
    yield* valueFindings(`nodeSelector ${quoted(key)}`, value)
  }
  if (list.nodeAffinity) yield* affinityFindings(list.nodeAffinity)
  for (const toleration of list.tolerations ?? []) yield* tolerationFindings(toleration)
}

function* affinityFindings({ nodeSelectorTerms }: NodeSelector): Generator<Finding> {
  if (nodeSelectorTerms.length === 0) yield finding('nodeAffinity: nodeSelectorTerms needs at least one term')
  for (const { matchExpressions = [], matchFields = [] } of nodeSelectorTerms) {
    for (const requirement of matchExpressions) {
      yield* keyFindings('nodeAffinity', requirement.key)
      yield* requirementFindings(requirement)
    }
    for (const { key, operator, values = [] } of matchFields) {
      if (key !== 'metadata.name') {
        yield finding(`nodeAffinity: ${quoted(key)} is not accepted in matchFields; it takes metadata.name`)
      }
      if ((operator !== 'In' && operator !== 'NotIn') || values.length !== 1) {
        yield finding(
          `nodeAffinity: a field takes In or NotIn with one value, not ${operator} with ${values.length}`,
        )
      }
    }
  }
}

function* requirementFindings({ key, operator, values = [] }: NodeSelectorRequirement): Generator<Finding> {
  const where = `nodeAffinity ${quoted(key)}`
  switch (operator) {
    case 'In':
    case 'NotIn':
      if (values.length === 0) yield finding(`${where}: ${operator} needs at least one value`)
      for (const value of values) yield* valueFindings(where, value)
      break
    case 'Exists':
    case 'DoesNotExist':
      if (values.length > 0) yield finding(`${where}: ${operator} takes no values`)
      break
    case 'Gt':
    case 'Lt':
      if (values.length !== 1 || !/^[+-]?\d+$/.test(values[0] ?? '')) {
        yield finding(`${where}: ${operator} takes one whole number`)
      }
      break
  }
}

function* tolerationFindings(toleration: Toleration): Generator<Finding> {
  const { key = '', operator = 'Equal', value = '', effect, tolerationSeconds } = toleration
  const where = `toleration ${quoted(key)}`
  if (key === '' && operator !== 'Exists')
    yield finding('toleration: without a key the operator must be Exists')
  if (key !== '') yield* keyFindings('toleration', key)
  if (operator === 'Exists' && value !== '') yield finding(`${where}: Exists takes no value`)
  if (operator === 'Equal') yield* valueFindings(where, value)
  if (tolerationSeconds !== undefined && effect !== 'NoExecute') {
    yield finding(`${where}: tolerationSeconds needs the effect NoExecute`)
  }
}

/** Findings about the key of a label. */
export function* keyFindings(where: string, key: string): Generator<Finding> {
  const problem = labelKeyProblem(key)
  if (problem) yield finding(`${where}: ${quoted(key)} is not the key of a label: ${problem}`)
}

/** Findings about the value of a label. */
export function* valueFindings(where: string, value: string): Generator<Finding> {
  const problem = labelValueProblem(value)
  if (problem) yield finding(`${where}: ${quoted(value)} is not the value of a label: ${problem}`)
}
