import { expect, test } from 'vitest'
import { TokenCache, type TokenRequest } from './token-cache.ts'

const request: TokenRequest = { realm: 'https://a/token', service: 's', scope: 'repository:app:pull' }
const credentials = { username: 'u', password: 'p' }

test('a token serves only the same request', () => {
  const cache = new TokenCache(() => 0)
  cache.set({ ...request, credentials }, 'secret', 60_000)
  expect(cache.get({ ...request, credentials: { ...credentials } })).toBe('secret')
  const others: TokenRequest[] = [
    request,
    { ...request, credentials: { username: 'u', password: 'q' } },
    { ...request, credentials: { username: 'up', password: '' } },
    { ...request, credentials, realm: 'https://b/token' },
    { ...request, credentials, service: 't' },
    { ...request, credentials, scope: 'repository:other:pull' },
  ]
  for (const other of others) expect(cache.get(other)).toBeUndefined()
})

test('a token is dropped five seconds before it expires', () => {
  let now = 1000
  const cache = new TokenCache(() => now)
  cache.set(request, 'one', 60_000)
  now = 55_999
  expect(cache.get(request)).toBe('one')
  now = 56_000
  expect(cache.get(request)).toBeUndefined()
  cache.set(request, 'two', 60_000)
  expect(cache.get(request)).toBe('two')
})

test('the least recently used of more than a thousand tokens is dropped', () => {
  const cache = new TokenCache(() => 0)
  const numbered = (index: number) => ({ ...request, scope: `repository:app${index}:pull` })
  for (let index = 0; index < 1000; index++) cache.set(numbered(index), `${index}`, 60_000)
  expect(cache.get(numbered(0))).toBe('0')
  cache.set(numbered(1000), '1000', 60_000)
  expect(cache.get(numbered(0))).toBe('0')
  expect(cache.get(numbered(1))).toBeUndefined()
  expect(cache.get(numbered(1000))).toBe('1000')
})
