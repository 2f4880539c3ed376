import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { boundedText, shortMessage } from './message.ts'

/** Bytes of a text in the JSON of the API server, without the quotes. */
function stored(text: string): number {
  const json = JSON.stringify(text).replace(/[<>&\u2028\u2029]/g, '\\u0000')
  return Buffer.byteLength(json) - 2
}

describe('shortMessage', () => {
  it('keeps a short message, with white space folded', () => {
    expect(shortMessage(' 403 Forbidden\n\t denied \u0000 ')).toBe('403 Forbidden denied')
  })

  it('keeps the beginning and the end of a long one', () => {
    const short = shortMessage(`failed to pull ${'x'.repeat(200_000)} 401 Unauthorized`)
    expect(short).toMatch(/^failed to pull x+…x+ 401 Unauthorized$/)
    expect(stored(short)).toBe(256)
  })

  it('has at most 256 bytes as JSON, whatever the registry answers', () => {
    const hostile = fc.string({
      unit: fc.constantFrom('"', '\\', '<', '\u0001', 'ä', '\u{1f600}', '\ud800', 'a', '\u2028'),
    })
    fc.assert(
      fc.property(fc.array(hostile, { maxLength: 200 }), parts => {
        const short = shortMessage(parts.join(' '))
        expect(stored(short)).toBeLessThanOrEqual(256)
        expect(short.isWellFormed()).toBe(true)
      }),
    )
  })
})

describe('boundedText', () => {
  it('keeps both ends of a text of 200 KB', () => {
    const text = `begin ${'x'.repeat(200_000)} end`
    expect(boundedText(text)).toHaveLength(8_192)
    expect(boundedText(text)).toMatch(/^begin x+…x+ end$/)
    expect(boundedText('short')).toBe('short')
  })
})
