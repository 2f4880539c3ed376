/** Syntax of labels and annotations (apimachinery validation: `IsQualifiedName`, `IsValidLabelValue`). */

const NAME = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/
const SUBDOMAIN = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/
const MAX_PREFIX = 253

/** Why this is no valid key of a label or annotation. Undefined for a valid key. */
export function labelKeyProblem(key: string): string | undefined {
  const slash = key.indexOf('/')
  const prefix = key.slice(0, Math.max(slash, 0))
  if (slash >= 0 && (prefix.length > MAX_PREFIX || !SUBDOMAIN.test(prefix))) {
    return 'what stands before the slash must be a DNS name in lower case'
  }
  if (NAME.test(key.slice(slash + 1))) return undefined
  return 'a name has 1 to 63 letters, digits and inner -, _ or .'
}

/** Why this is no valid value of a label. Undefined for a valid value. An empty value is valid. */
export function labelValueProblem(value: string): string | undefined {
  if (value === '' || NAME.test(value)) return undefined
  return 'a value has at most 63 letters, digits and inner -, _ or .'
}
