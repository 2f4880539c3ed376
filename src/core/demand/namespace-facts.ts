import type { KubeObject } from '../../api/object.ts'

/** Annotation of the admission plugin PodNodeSelector: it ties the Pods of a namespace to some nodes. */
const NODE_SELECTOR = 'scheduler.alpha.kubernetes.io/node-selector'

/** What the plan reads of a Namespace. */
export interface NamespaceFacts extends KubeObject {
  /** Labels that a node must have. Absent: every node will do. */
  readonly nodeSelector?: Readonly<Record<string, string>>
}

/** The facts of a Namespace. */
export function projectNamespace({
  metadata: { name, uid, resourceVersion, deletionTimestamp, annotations },
}: KubeObject): NamespaceFacts {
  const text = annotations?.[NODE_SELECTOR]?.trim()
  return {
    metadata: {
      name,
      ...(uid !== undefined && { uid }),
      ...(resourceVersion !== undefined && { resourceVersion }),
      ...(deletionTimestamp !== undefined && { deletionTimestamp }),
    },
    ...(text && { nodeSelector: selectorOf(text) }),
  }
}

/** Parses `key=value,…`. Another text becomes a label that no node has, so that no node matches. */
function selectorOf(text: string): Record<string, string> {
  const pairs = text.split(',').map(part => {
    const [key = '', value, ...more] = part.split('=').map(word => word.trim())
    return value === undefined || more.length > 0 ? [part, part] : [key, value]
  })
  return Object.fromEntries(pairs)
}
