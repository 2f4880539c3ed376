import { readFileSync } from 'node:fs'
import type { OwnerReference } from './object.ts'

/** Where the kubelet puts the token of a Pod's service account. */
const TOKEN_FILE = '/var/run/secrets/kubernetes.io/serviceaccount/token'

interface Claims {
  readonly 'kubernetes.io'?: { readonly serviceaccount?: { readonly name?: string; readonly uid?: string } }
}

/**
 * A reference to the ServiceAccount that this Pod runs as, for objects that shall go when the installation goes;
 * undefined outside of a cluster. The name and UID are claims of the Pod's own token, which is read, not trusted.
 */
export function serviceAccountOwner(tokenFile = TOKEN_FILE): OwnerReference | undefined {
  let token: string
  try {
    token = readFileSync(tokenFile, 'utf8')
  } catch {
    // Not in a Pod, or one without a token: nothing to be owned by.
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
    // A token of another form names nobody.
    return undefined
  }
}
