import { classifyPullError } from '../../../api/failure-reasons.ts'

/**
 * The message about a helper image that could not be pulled.
 * Where the registry wants credentials, the message ends with advice.
 * The advice is at the end, because the ledger keeps the end of a long message.
 *
 * @param message the kubelet's message
 * @param namespace namespace of the Pod
 * @param secrets names of the operator's own pull secrets
 */
export function helperImageMessage(message: string, namespace: string, secrets: readonly string[]): string {
  if (classifyPullError(message) !== 'Unauthorized') return message
  if (secrets.length === 0) return `${message}; set imagePullSecrets of the operator`
  return `${message}; create or correct in the namespace ${namespace} the pull secrets of the operator: ${secrets.join(', ')}`
}
