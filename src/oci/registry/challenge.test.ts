import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseChallenges } from './challenge.ts'

/** Challenges as plain objects, for comparison. */
function parse(header: string) {
  return parseChallenges(header).map(({ scheme, params }) => ({ scheme, ...Object.fromEntries(params) }))
}

describe('parseChallenges', () => {
  test.each([
    ['Basic realm="Registry"', [{ scheme: 'basic', realm: 'Registry' }]],
    [
      'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"',
      [
        {
          scheme: 'bearer',
          realm: 'https://auth.docker.io/token',
          service: 'registry.docker.io',
          scope: 'repository:a/b:pull,push',
        },
      ],
    ],
    ['BEARER Realm = "a" , SERVICE=b', [{ scheme: 'bearer', realm: 'a', service: 'b' }]],
    [
      'Negotiate, Basic realm="a", Bearer realm="b"',
      [{ scheme: 'negotiate' }, { scheme: 'basic', realm: 'a' }, { scheme: 'bearer', realm: 'b' }],
    ],
    ['Negotiate oRk==, Basic realm="a"', [{ scheme: 'negotiate' }, { scheme: 'basic', realm: 'a' }]],
    [
      'Bearer realm=https://a/token,service=x',
      [{ scheme: 'bearer', realm: 'https://a/token', service: 'x' }],
    ],
    ['Bearer realm="a \\"quoted\\" \\\\ one"', [{ scheme: 'bearer', realm: 'a "quoted" \\ one' }]],
    ['Bearer realm="a",realm="b"', [{ scheme: 'bearer', realm: 'a' }]],
    [
      ', ,Bearer realm="a",,error="insufficient_scope",',
      [{ scheme: 'bearer', realm: 'a', error: 'insufficient_scope' }],
    ],
    ['Bearer realm="never ends', [{ scheme: 'bearer', realm: '' }]],
    ['Basic', [{ scheme: 'basic' }]],
    ['', []],
    ['"', []],
  ])('%s', (header, expected) => {
    expect(parse(header)).toEqual(expected)
  })

  test('never throws and always ends', () => {
    const piece = fc.constantFrom('Bearer', 'Basic', ' ', ',', '=', '"', '\\', 'realm', 'a', '\t', '==', 'ü')
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece).map(pieces => pieces.join('')),
        ),
        header => {
          for (const { scheme } of parseChallenges(header)) expect(scheme).toBe(scheme.toLowerCase())
        },
      ),
    )
  })

  test('reads back one or more formatted challenges', () => {
    const token = fc.stringMatching(/^[a-z][a-z0-9_-]{0,8}$/)
    const challenge = fc.record({
      scheme: token,
      params: fc.dictionary(token, fc.string({ unit: 'binary-ascii' }), {
        minKeys: 1,
        noNullPrototype: true,
      }),
    })
    const quote = (value: string) => `"${value.replaceAll(/["\\]/g, '\\$&')}"`
    fc.assert(
      fc.property(fc.array(challenge), challenges => {
        const header = challenges
          .map(
            ({ scheme, params }) =>
              `${scheme} ${Object.entries(params)
                .map(([name, value]) => `${name}=${quote(value)}`)
                .join(',')}`,
          )
          .join(', ')
        expect(
          parseChallenges(header).map(({ scheme, params }) => ({
            scheme,
            params: Object.fromEntries(params),
          })),
        ).toEqual(challenges)
      }),
    )
  })

  test('parses a long invalid header quickly', () => {
    for (const header of [
      'Bearer realm="'.repeat(1100),
      `Bearer ${'a'.repeat(16_000)}`,
      '\\"'.repeat(8000),
    ]) {
      expect(parseChallenges(header).length).toBeLessThan(3000)
    }
  })
})
