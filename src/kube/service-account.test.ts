import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { serviceAccountOwner } from './service-account.ts'

const folder = mkdtempSync(join(tmpdir(), 'service-account-'))
afterAll(() => rmSync(folder, { recursive: true }))

function tokenFile(text: string): string {
  const path = join(folder, 'token')
  writeFileSync(path, text)
  return path
}

const token = (claims: unknown) =>
  `header.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.signature`

describe('serviceAccountOwner', () => {
  it('is the account in the token', () => {
    const claims = { 'kubernetes.io': { namespace: 'ns', serviceaccount: { name: 'server', uid: 'u-1' } } }
    expect(serviceAccountOwner(tokenFile(token(claims)))).toEqual({
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      name: 'server',
      uid: 'u-1',
    })
  })

  it.each([['no token of this form'], [token({})], [token({ 'kubernetes.io': {} })], ['']])(
    'is nobody for %s',
    text => {
      expect(serviceAccountOwner(tokenFile(text))).toBeUndefined()
    },
  )

  it('is undefined outside of a Pod', () => {
    expect(serviceAccountOwner(join(folder, 'missing'))).toBeUndefined()
  })
})
