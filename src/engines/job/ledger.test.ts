import fc from 'fast-check'
import { expect, test } from 'vitest'
import { clip } from './ledger.ts'

test('a long message keeps the words of the registry, which come last', () => {
  const image = `registry.example/${'team/'.repeat(20)}app:1`
  const message = `failed to pull and unpack image "${image}": failed to resolve image: unexpected status from HEAD request to https://${image}:\n403 Forbidden\ndenied: requested access to the resource is denied`
  const clipped = clip(message)
  expect(clipped).toMatch(/^failed to pull and unpack image "registry\.example/)
  expect(clipped).toMatch(/403 Forbidden denied: requested access to the resource is denied$/)
})

test('a message has 256 bytes at most and no broken character', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 0, maxLength: 600 }), message => {
      const clipped = clip(message)
      expect(Buffer.byteLength(clipped)).toBeLessThanOrEqual(256)
      if (!message.includes('\uFFFD')) expect(clipped).not.toContain('\uFFFD')
      expect(clip(clipped)).toBe(clipped)
    }),
  )
})
