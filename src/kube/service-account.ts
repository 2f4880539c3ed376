import { readFileSync } from 'node:fs'
import type { OwnerReference } from './object.ts'

/** File with the token of the Pod's service account, written by the kubelet. */
const TOKEN_FILE = '/var/run/secrets/kubernetes.io/serviceaccount/token'

interface Claims {
  readonly 'kubernetes.io'?: { readonly serviceaccount?: { readonly name?: string; readonly uid?: string } }
}

/**
 * An owner reference to this Pod's ServiceAccount, for objects that are deleted together with the
 * installation. Undefined outside of a cluster. Name and UID are claims of the Pod's own token. The token's
 * signature is not checked.
 */
export function serviceAccountOwner(tokenFile = TOKEN_FILE): OwnerReference | undefined {
  let token: string
  try {
    token = readFileSync(tokenFile, 'utf8')
  } catch {
    // Not in a Pod, or in a Pod without a token.
    return undefined
  }
  const account = claimsOf(token)?.['kubernetes.io']?.serviceaccount
  if (!account?.name || !account.uid) return undefined
  return { apiVersion: 'v1', kind: 'ServiceAccount', name: account.name, uid: account.uid }
}

function claimsOf(token: string): Claims | undefined {
  try {
    return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as Claims
  } catch {
    // The token is no JWT.
    return undefined
  }
}
