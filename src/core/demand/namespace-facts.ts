import type { KubeObject } from '../../api/object.ts'

/** Annotation by which an administrator keeps the Pods of a namespace on some nodes (admission plugin PodNodeSelector). */
const NODE_SELECTOR = 'scheduler.alpha.kubernetes.io/node-selector'

/** What the plan needs to know of a Namespace. */
export interface NamespaceFacts extends KubeObject {
  /** Labels that a node must have; absent where every node may do. */
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

/** `key=value,…`. A part that is something else becomes a label that no node has: then no node will do. */
function selectorOf(text: string): Record<string, string> {
  const pairs = text.split(',').map(part => {
    const [key = '', value, ...more] = part.split('=').map(word => word.trim())
    return value === undefined || more.length > 0 ? [part, part] : [key, value]
  })
  return Object.fromEntries(pairs)
}
