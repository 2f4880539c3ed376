import type { ImageCacheSpec } from '../../api/image-cache.ts'
import { reservedBy } from './reserved-keys.ts'
import { quoted } from './validate/finding.ts'

/**
 * Fields of `spec.jobTemplate` that decide about rights and priority of Pods. They take effect only where
 * the administrator allows them (`--job-template-allow`): the right to write an ImageCache gives no more.
 */
export const GUARDED_FIELDS = ['serviceAccountName', 'priorityClassName', 'runtimeClassName'] as const
/** One of them. */
export type GuardedField = (typeof GUARDED_FIELDS)[number]

type JobTemplate = ImageCacheSpec['jobTemplate']

/** Priority classes of the cluster itself. Their Pods evict all others. */
const SYSTEM_CLASS = /^system-/

/** Greatest size of labels and annotations together, in characters. Every Job on every node has them. */
const MAX_METADATA = 16_384

/**
 * What no image cache may have in its template, whatever the administrator allows, in words.
 * Each text begins with the path of the field below `spec`.
 */
export function* templateProblems(template: JobTemplate): Generator<string> {
  const { priorityClassName = '', labels = {}, annotations = {} } = template ?? {}
  if (SYSTEM_CLASS.test(priorityClassName)) {
    yield `jobTemplate.priorityClassName: ${quoted(priorityClassName)} is for the cluster itself, never for an image cache`
  }
  for (const [field, entries] of Object.entries({ labels, annotations })) {
    for (const key of Object.keys(entries)) {
      const owner = reservedBy(key)
      if (owner) yield `jobTemplate.${field}: an author may not set ${quoted(key)}; ${owner}`
    }
  }
  const texts = [labels, annotations].flatMap(entries => Object.entries(entries).flat())
  const size = texts.reduce((sum, text) => sum + text.length, 0)
  if (size > MAX_METADATA) {
    yield `jobTemplate: labels and annotations have ${size} characters together; ${MAX_METADATA} are allowed`
  }
}

/** Why the Pods of a template may not be made. Undefined where they may. */
export function templateRefusal(
  template: JobTemplate,
  allowed: ReadonlySet<GuardedField>,
): string | undefined {
  for (const problem of templateProblems(template)) return `spec.${problem}`
  const field = GUARDED_FIELDS.find(candidate => template?.[candidate] && !allowed.has(candidate))
  return (
    field &&
    `spec.jobTemplate.${field} takes effect only where the administrator allows it (--job-template-allow=${field})`
  )
}
