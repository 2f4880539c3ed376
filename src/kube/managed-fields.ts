import type { KubeObject } from './object.ts'

/** Removes `managedFields`, which are half of a small object and are not used. */
export function withoutManagedFields<T extends KubeObject>(raw: T): T {
  const { managedFields: _, ...metadata } = raw.metadata as T['metadata'] & { managedFields?: unknown }
  return { ...raw, metadata }
}
