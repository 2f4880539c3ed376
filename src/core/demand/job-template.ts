import type { ImageCacheSpec } from '../../api/image-cache.ts'

/**
 * Fields of `spec.jobTemplate` that decide about rights and priority of Pods. They take effect only where
 * the administrator allows them (`--job-template-allow`): the right to write an ImageCache gives no more.
 */
export const GUARDED_FIELDS = ['serviceAccountName', 'priorityClassName', 'runtimeClassName'] as const
/** One of them. */
export type GuardedField = (typeof GUARDED_FIELDS)[number]

/** Priority classes of the cluster itself. Their Pods evict all others. */
const SYSTEM_CLASS = /^system-/

/** True for a priority class that no image cache may have, even where the administrator allows classes. */
export function isSystemClass(priorityClassName: string | undefined): boolean {
  return SYSTEM_CLASS.test(priorityClassName ?? '')
}

/** Why the Pods of a template may not be made. Undefined where they may. */
export function templateRefusal(
  template: ImageCacheSpec['jobTemplate'],
  allowed: ReadonlySet<GuardedField>,
): string | undefined {
  if (isSystemClass(template?.priorityClassName)) {
    return `spec.jobTemplate.priorityClassName: ${template?.priorityClassName} is for the cluster itself, never for an image cache`
  }
  const field = GUARDED_FIELDS.find(candidate => template?.[candidate] && !allowed.has(candidate))
  return (
    field &&
    `spec.jobTemplate.${field} takes effect only where the administrator allows it (--job-template-allow=${field})`
  )
}
