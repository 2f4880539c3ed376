import type { ImageCacheSpec } from '../../api/image-cache.ts'

/**
 * Fields of `spec.jobTemplate` that say as whom and how urgently Pods run. Who may write an ImageCache gets no more by them
 * than the administrator allows (`--job-template-allow`).
 */
export const GUARDED_FIELDS = ['serviceAccountName', 'priorityClassName', 'runtimeClassName'] as const
/** One of them. */
export type GuardedField = (typeof GUARDED_FIELDS)[number]

/** Priority classes of the cluster itself, which evict everything else. */
const SYSTEM_CLASS = /^system-/

/** True for a priority class that no image cache may have, whatever the administrator allows. */
export function isSystemClass(priorityClassName: string | undefined): boolean {
  return SYSTEM_CLASS.test(priorityClassName ?? '')
}

/** Why the Pods that a template asks for may not be made; undefined where they may. */
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
