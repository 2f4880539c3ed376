import type { KubeObject } from './object.ts'

/** Half of a small object is who wrote which field; nobody here asks. */
export function withoutManagedFields<T extends KubeObject>(raw: T): T {
  const { managedFields: _, ...metadata } = raw.metadata as T['metadata'] & { managedFields?: unknown }
  return { ...raw, metadata }
}
