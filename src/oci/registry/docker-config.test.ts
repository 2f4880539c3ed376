import { describe, expect, test } from 'vitest'
import { parseReference } from '../reference.ts'
import { credentialsFor, InvalidDockerConfigError, parseDockerConfig } from './docker-config.ts'

const base64 = (text: string) => Buffer.from(text).toString('base64')

/** User names of the credentials for an image, in order, from a Secret with these keys. */
function usersFor(keys: readonly string[], image: string): string[] {
  const auths = Object.fromEntries(keys.map(key => [key, { username: key, password: 'p' }]))
  const entries = parseDockerConfig(JSON.stringify({ auths }))
  return credentialsFor(entries, parseReference(image)).map(({ username }) => username)
}

describe('keys', () => {
  test.each([
    ['https://index.docker.io/v1/', 'nginx', true],
    ['https://index.docker.io/v1/', 'docker.io/team/app:1', true],
    ['https://index.docker.io/v1/', 'index.docker.io/team/app', true],
    ['index.docker.io', 'nginx', true],
    ['docker.io', 'nginx', true],
    ['https://index.docker.io/v1/', 'quay.io/nginx', false],
    ['quay.io', 'nginx', false],
    ['quay.io', 'quay.io/team/app', true],
    ['QUAY.io', 'quay.io/team/app', true],
    ['quay.io', 'evil.quay.io/team/app', false],
    ['quay.io', 'quay.io.evil.test/team/app', false],
    ['https://quay.io', 'quay.io/team/app', true],
    ['http://quay.io/', 'quay.io/team/app', true],
    ['https://quay.io/v2/', 'quay.io/team/app', true],
    ['https://quay.io/v2/team', 'quay.io/team/app', true],
    ['quay.io/team', 'quay.io/team/app', true],
    ['quay.io/other', 'quay.io/team/app', false],
    ['registry.test:5000', 'registry.test:5000/app', true],
    ['registry.test:5000', 'registry.test/app', false],
    ['registry.test', 'registry.test:5000/app', false],
    ['[fd00::1]:5000', '[fd00::1]:5000/app', true],
    ['*.dkr.ecr.eu-west-1.amazonaws.com', '1234.dkr.ecr.eu-west-1.amazonaws.com/app', true],
    ['*.example.com', 'a.b.example.com/app', false],
    ['*.example.com', 'example.com/app', false],
    ['reg-?.example.com', 'reg-1.example.com/app', true],
    ['reg-?.example.com', 'reg-12.example.com/app', false],
    ['*.*', 'example.com/app', true],
  ])('%s and %s: %s', (key, image, matches) => {
    expect(usersFor([key], image)).toEqual(matches ? [key] : [])
  })

  test('the most specific key is first', () => {
    const keys = ['*.test', 'reg.test', 'reg.test/a/b', 'reg.test/a']
    expect(usersFor(keys, 'reg.test/a/b/c')).toEqual(['reg.test/a/b', 'reg.test/a', 'reg.test', '*.test'])
    expect(usersFor([...keys].reverse(), 'reg.test/x')).toEqual(['reg.test', '*.test'])
  })

  test('a malicious pattern is not slow', () => {
    const key = `${'*a'.repeat(5000)}b.test`
    expect(usersFor([key], `${'a'.repeat(63)}.test/app`)).toEqual([])
  })
})

describe('entries', () => {
  const credentials = (entry: object) =>
    parseDockerConfig(JSON.stringify({ auths: { 'r.test': entry } })).map(found => found.credentials)

  test.each([
    ['user and password', { username: 'u', password: 'p' }, { username: 'u', password: 'p' }],
    ['auth', { auth: base64('u:p') }, { username: 'u', password: 'p' }],
    [
      'auth without padding',
      { auth: base64('u:pass').replace(/=+$/, '') },
      { username: 'u', password: 'pass' },
    ],
    ['colons in the password', { auth: base64('u:p:q:') }, { username: 'u', password: 'p:q:' }],
    ['letters beyond ASCII', { auth: base64('ü:ß') }, { username: 'ü', password: 'ß' }],
    ['an empty password', { auth: base64('u:') }, { username: 'u', password: '' }],
    [
      'auth beside others',
      { username: 'x', password: 'y', auth: base64('u:p') },
      { username: 'u', password: 'p' },
    ],
    ['an empty auth', { username: 'u', password: 'p', auth: '' }, { username: 'u', password: 'p' }],
    ['more than is read', { username: 'u', password: 'p', email: 'e@x' }, { username: 'u', password: 'p' }],
  ])('%s', (_, entry, expected) => {
    expect(credentials(entry)).toEqual([expected])
  })

  test('without credentials are dropped', () => {
    expect(credentials({})).toEqual([])
    expect(credentials({ username: '', password: '' })).toEqual([])
    expect(parseDockerConfig('{"auths":{}}')).toEqual([])
  })

  test.each([
    ['{"auths":', '.dockerconfigjson of the pull Secret is no JSON'],
    ['null', 'the pull Secret has no object "auths" at the top of .dockerconfigjson'],
    ['{"auths":["s3cret"]}', 'the pull Secret has no object "auths" at the top of .dockerconfigjson'],
    ['{"auths":{"r.test":"s3cret"}}', 'the entry "r.test" of the pull Secret is not an object of strings'],
    [
      '{"auths":{"r.test":{"auth":"s3cret!"}}}',
      'the entry "r.test" of the pull Secret has an "auth" that is no base64',
    ],
    [
      `{"auths":{"r.test":{"auth":"${base64('s3cret')}"}}}`,
      'the entry "r.test" of the pull Secret has an "auth" that is not "user:password" in base64',
    ],
    ['{"auths":{"a\\nb":7}}', 'the entry "a\\nb" of the pull Secret is not an object of strings'],
  ])('that cannot be used are refused, and nothing secret is repeated: %s', (text, message) => {
    expect(() => parseDockerConfig(text)).toThrow(new InvalidDockerConfigError(message))
  })
})
