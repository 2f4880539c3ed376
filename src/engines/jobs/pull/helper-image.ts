import { classifyPullError } from '../../../api/failure-reasons.ts'

/**
 * The words about a helper image that could not be pulled. Where the registry wants credentials, they end with what to do: the end is what
 * the ledger keeps of long words.
 *
 * @param namespace of the Pod
 * @param secrets names of the operator's own pull secrets
 */
export function helperImageWords(words: string, namespace: string, secrets: readonly string[]): string {
  if (classifyPullError(words) !== 'Unauthorized') return words
  if (secrets.length === 0) return `${words}; set imagePullSecrets of the operator`
  return `${words}; create or correct in the namespace ${namespace} the pull secrets of the operator: ${secrets.join(', ')}`
}
