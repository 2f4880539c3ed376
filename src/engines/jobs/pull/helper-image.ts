import { classifyPullError } from '../../../api/failure-reasons.ts'

/**
 * The words about a helper image that could not be pulled. Where the registry wants credentials, they begin with what to do.
 *
 * @param namespace of the Pod
 * @param secrets names of the operator's own pull secrets
 */
export function helperImageWords(words: string, namespace: string, secrets: readonly string[]): string {
  if (classifyPullError(words) !== 'Unauthorized') return words
  const names = secrets.join(', ')
  const advice =
    names === ''
      ? `the operator has no imagePullSecrets: set them, and create the Secrets in the namespace ${namespace}`
      : `create or correct the operator's pull secrets in the namespace ${namespace} (${names})`
  return `${advice}: ${words}`
}
