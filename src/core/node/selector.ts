import type { NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, Toleration } from '../../api/common.ts'
import type { NodeFacts, Taint } from './node-facts.ts'

/** True where the node has every one of the labels. */
export function matchesLabels(
  node: NodeFacts,
  wanted: Readonly<Record<string, string>> | undefined,
): boolean {
  return Object.entries(wanted ?? {}).every(([key, value]) => labelOf(node, key) === value)
}

/** `constructor` is a legal name of a label, and a property of every object. */
function labelOf({ metadata: { labels = {} } }: NodeFacts, key: string): string | undefined {
  return Object.hasOwn(labels, key) ? labels[key] : undefined
}

/**
 * True where one of the terms matches, as the scheduler reads a required node affinity: terms are ORed,
 * requirements of a term ANDed, an empty term matches nothing (k8s.io/component-helpers nodeaffinity).
 */
export function matchesAffinity(node: NodeFacts, affinity: NodeSelector | undefined): boolean {
  return affinity === undefined || affinity.nodeSelectorTerms.some(term => matchesTerm(node, term))
}

function matchesTerm(node: NodeFacts, term: NodeSelectorTerm): boolean {
  const expressions = term.matchExpressions ?? []
  const fields = term.matchFields ?? []
  if (expressions.length + fields.length === 0) return false
  return (
    expressions.every(requirement => matchesRequirement(labelOf(node, requirement.key), requirement)) &&
    fields.every(
      requirement =>
        requirement.key === 'metadata.name' && matchesRequirement(node.metadata.name, requirement),
    )
  )
}

function matchesRequirement(actual: string | undefined, requirement: NodeSelectorRequirement): boolean {
  const values = requirement.values ?? []
  switch (requirement.operator) {
    case 'In':
      return actual !== undefined && values.includes(actual)
    case 'NotIn':
      return actual === undefined || !values.includes(actual)
    case 'Exists':
      return actual !== undefined
    case 'DoesNotExist':
      return actual === undefined
    case 'Gt':
    case 'Lt':
      return compares(actual, requirement.operator, values[0])
  }
}

function compares(actual: string | undefined, operator: 'Gt' | 'Lt', bound: string | undefined): boolean {
  // A bound may have any length, and parsing a million digits takes long.
  const whole = /^[+-]?\d{1,63}$/
  if (actual === undefined || bound === undefined || !whole.test(actual) || !whole.test(bound)) return false
  return operator === 'Gt' ? BigInt(actual) > BigInt(bound) : BigInt(actual) < BigInt(bound)
}

/** True where one of the tolerations tolerates the taint (core/v1 Toleration.ToleratesTaint). */
export function tolerates(tolerations: readonly Toleration[], taint: Taint): boolean {
  return tolerations.some(
    toleration =>
      (!toleration.effect || toleration.effect === taint.effect) &&
      (!toleration.key || toleration.key === taint.key) &&
      (toleration.operator === 'Exists' ||
        (!!toleration.key && (toleration.value ?? '') === (taint.value ?? ''))),
  )
}
