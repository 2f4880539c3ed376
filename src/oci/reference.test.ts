import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  InvalidReferenceError,
  isMoving,
  normalizedName,
  parseReference,
  registryHost,
  repositoryOf,
  tryParseReference,
} from './reference.ts'

const SHA256 = `sha256:${'0123456789abcdef'.repeat(4)}`
const SHA512 = `sha512:${'0123456789abcdef'.repeat(8)}`

describe('parseReference', () => {
  it.each([
    ['nginx', 'docker.io', 'library/nginx', undefined, undefined],
    ['nginx:1.23', 'docker.io', 'library/nginx', '1.23', undefined],
    ['docker.io/nginx', 'docker.io', 'library/nginx', undefined, undefined],
    ['index.docker.io/nginx:1', 'docker.io', 'library/nginx', '1', undefined],
    ['docker.io/library/nginx', 'docker.io', 'library/nginx', undefined, undefined],
    ['senthilrch/busybox:1.35.0', 'docker.io', 'senthilrch/busybox', '1.35.0', undefined],
    ['ghcr.io/jitesoft/nginx:1.23.1', 'ghcr.io', 'jitesoft/nginx', '1.23.1', undefined],
    ['ghcr.io/nginx', 'ghcr.io', 'nginx', undefined, undefined],
    ['host:5000/app', 'host:5000', 'app', undefined, undefined],
    ['host:5000/app:1', 'host:5000', 'app', '1', undefined],
    ['localhost/foo', 'localhost', 'foo', undefined, undefined],
    ['localhost', 'docker.io', 'library/localhost', undefined, undefined],
    ['localhost:5000', 'docker.io', 'library/localhost', '5000', undefined],
    ['127.0.0.1:5000/a/b:c', '127.0.0.1:5000', 'a/b', 'c', undefined],
    ['[fd00::1]:5000/app:1', '[fd00::1]:5000', 'app', '1', undefined],
    ['[::1]/app', '[::1]', 'app', undefined, undefined],
    ['Registry/app', 'Registry', 'app', undefined, undefined],
    ['my_registry.test/app', 'my_registry.test', 'app', undefined, undefined],
    ['a__b/c-d--e/f.g_h', 'docker.io', 'a__b/c-d--e/f.g_h', undefined, undefined],
    [`nginx@${SHA256}`, 'docker.io', 'library/nginx', undefined, SHA256],
    [`nginx:1@${SHA512}`, 'docker.io', 'library/nginx', '1', SHA512],
    [`host:1/a:${'t'.repeat(128)}`, 'host:1', 'a', 't'.repeat(128), undefined],
    [`h.io/${'a'.repeat(255)}`, 'h.io', 'a'.repeat(255), undefined, undefined],
    ['app:_-.', 'docker.io', 'library/app', '_-.', undefined],
  ])('%s', (text, domain, path, tag, digest) => {
    const { text: kept, ...parts } = parseReference(text)
    expect(kept).toBe(text)
    expect(parts).toEqual({ domain, path, ...(tag && { tag }), ...(digest && { digest }) })
  })

  it.each([
    ['', 'it is empty'],
    ['; touch x', '";" is not allowed (position 1)'],
    ['nginx; touch x', '";" is not allowed (position 6)'],
    ['$(id)', '"$" is not allowed (position 1)'],
    ['nginx `id`', 'a space is not allowed (position 6)'],
    ['nginx\n', 'U+000A is not allowed (position 6)'],
    ['nginx\u0000', 'U+0000 is not allowed (position 6)'],
    ['nginx:1 ', 'a space is not allowed (position 8)'],
    ['näme', 'U+00E4 is not allowed (position 2)'],
    ['app😀', 'U+1F600 is not allowed (position 4)'],
    ['Nginx', 'upper-case letter (position 1)'],
    ['ghcr.io/Org/app', 'upper-case letter (position 9)'],
    ['org/App:1', 'upper-case letter (position 5)'],
    ['a'.repeat(300), 'has 308 characters, 255 are allowed'],
    [`h.io/${'a'.repeat(256)}`, 'has 256 characters, 255 are allowed'],
    [`${'a.'.repeat(130)}io/app`, 'registry host has 262 characters'],
    [`app:${'t'.repeat(129)}`, 'the tag has 129 characters, 128 are allowed (position 5)'],
    ['app:', 'the tag is empty (position 5)'],
    ['app:.x', 'a tag is'],
    ['app:a+b', 'a tag is'],
    ['app:1:2', 'a tag is'],
    ['/app', 'a path component is empty (position 1)'],
    ['a//b', 'a path component is empty (position 3)'],
    ['a/', 'a path component is empty (position 3)'],
    ['h.io/', 'the repository name is missing (position 6)'],
    [':1', 'the repository name is missing'],
    ['-app', 'a path component is letters and digits'],
    ['a..b', 'a path component is letters and digits'],
    ['a___b', 'a path component is letters and digits'],
    ['a/b-', '(position 3)'],
    ['https://h.io/app', 'the port of the registry is not a number (position 7)'],
    [`h.io:${'1'.repeat(6)}/app`, 'the port of the registry has 6 digits, 5 are allowed (position 6)'],
    [`r.io/${'a'.repeat(2_000)}`, 'it has 2005 characters, 2000 are allowed'],
    ['h.io:x/app', 'the port of the registry is not a number (position 6)'],
    ['my_registry:5000/app', 'the registry host is not a host name'],
    ['-h.io/app', 'the registry host is not a host name'],
    ['[::1/app', 'IPv6 address in brackets'],
    ['[fe80::1%25eth0]/app', '"%" is not allowed'],
    ['fd00::1/app', 'IPv6'],
    ['[::1]x/app', 'IPv6'],
    ['f'.repeat(64), 'an image ID'],
    ['app@', 'a digest starts with sha256:'],
    ['app@sha256', 'a digest starts with sha256:'],
    ['app@sha256:abc', 'a sha256 digest has 64 lower-case hexadecimal digits (position 12)'],
    [`app@${SHA256.toUpperCase()}`, 'upper-case|starts with'],
    [`app@${SHA256.replace('abc', 'ABC')}`, 'a sha256 digest has 64'],
    [`app@${SHA256}@${SHA256}`, 'a sha256 digest has 64'],
    [`app@md5:${'0'.repeat(32)}`, 'a digest starts with'],
    [`app@constructor:${'0'.repeat(64)}`, 'a digest starts with'],
    [`@${SHA256}`, 'the repository name is missing (position 1)'],
  ])('refuses %j', (text, words) => {
    const error = refusal(text)
    expect(
      words.split('|').some(word => error.message.includes(word)),
      error.message,
    ).toBe(true)
    expect(error.code).toBe('InvalidReference')
  })

  it('quotes 80 characters at most, with control characters escaped', () => {
    expect(refusal('a"\u001b[2J\n\u202e').message).toContain(String.raw`"a\"\u{1b}[2J\n\u{202e}":`)
    const { message } = refusal('A'.repeat(5000))
    expect(message).toContain(`"${'A'.repeat(80)}"…`)
    expect(message).not.toContain('A'.repeat(81))
  })
})

describe('names', () => {
  it.each([
    ['nginx', 'docker.io/library/nginx:latest', true],
    ['nginx:latest', 'docker.io/library/nginx:latest', true],
    ['nginx:latest-x', 'docker.io/library/nginx:latest-x', false],
    ['nginx:1.23', 'docker.io/library/nginx:1.23', false],
    ['host:5000/app', 'host:5000/app:latest', true],
    [`nginx:latest@${SHA256}`, `docker.io/library/nginx@${SHA256}`, false],
    [`nginx@${SHA256}`, `docker.io/library/nginx@${SHA256}`, false],
  ])('%s is listed as %s', (text, name, moving) => {
    const ref = parseReference(text)
    expect(normalizedName(ref)).toBe(name)
    expect(isMoving(ref)).toBe(moving)
  })

  it('gives the repository and the registry host', () => {
    expect(repositoryOf(parseReference('nginx:1'))).toBe('docker.io/library/nginx')
    expect(registryHost(parseReference('nginx:1'))).toBe('registry-1.docker.io')
    expect(registryHost(parseReference('[::1]:5000/a'))).toBe('[::1]:5000')
  })
})

describe('properties', () => {
  const word = fc.stringMatching(/^[a-z0-9]{1,8}$/)
  const component = fc
    .array(fc.tuple(word, fc.constantFrom('.', '_', '__', '-', '---')), { minLength: 1, maxLength: 3 })
    .map(pairs => pairs.map(([text, separator], i) => (i === 0 ? text : separator + text)).join(''))
  const path = fc.array(component, { minLength: 1, maxLength: 4 }).map(parts => parts.join('/'))
  const domain = fc.constantFrom(
    'ghcr.io',
    'localhost',
    'localhost:1',
    'h:5000',
    '10.0.0.1',
    '[fd00::1]:443',
    'A',
  )
  const tag = fc.option(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/), { nil: undefined })
  const digest = fc.option(fc.stringMatching(/^sha256:[a-f0-9]{64}$/), { nil: undefined })

  it('reads back a reference that is built from parts', () => {
    fc.assert(
      fc.property(domain, path, tag, digest, (domain, path, tag, digest) => {
        const text = `${domain}/${path}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`
        const ref = parseReference(text)
        expect(ref).toEqual({ domain, path, ...(tag && { tag }), ...(digest && { digest }), text })
        const name = normalizedName(ref)
        expect(normalizedName(parseReference(name))).toBe(name)
        expect(repositoryOf(parseReference(repositoryOf(ref)))).toBe(repositoryOf(ref))
      }),
    )
  })

  it('answers any string with a reference or an InvalidReferenceError', () => {
    const near = fc.string({ unit: fc.constantFrom(...Array.from('aA0._-/:@[]+ $;\n')), maxLength: 40 })
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary', maxLength: 400 }), near), text => {
        const ref = tryParseReference(text)
        if (ref === undefined) expect(refusal(text)).toBeInstanceOf(InvalidReferenceError)
        else expect(normalizedName(parseReference(normalizedName(ref)))).toBe(normalizedName(ref))
      }),
      { numRuns: 2000 },
    )
  })
})

function refusal(text: string): InvalidReferenceError {
  try {
    const ref = parseReference(text)
    throw new TypeError(`parsed as ${normalizedName(ref)}`)
  } catch (error) {
    if (error instanceof InvalidReferenceError) return error
    throw error
  }
}
