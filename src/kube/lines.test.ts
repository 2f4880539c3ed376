import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { lines } from './lines.ts'

async function* chunksOf(bytes: Buffer, cuts: readonly number[]): AsyncGenerator<Buffer> {
  let start = 0
  for (const cut of [...cuts.map(cut => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)) {
    yield bytes.subarray(start, cut)
    start = cut
  }
}

describe('lines', () => {
  it('yields the same lines wherever the bytes are cut, also within a character', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.string({ unit: 'binary', maxLength: 8 }).map(text => text.replaceAll('\n', '')),
          { maxLength: 6 },
        ),
        fc.array(fc.nat(), { maxLength: 6 }),
        fc.boolean(),
        async (texts, cuts, closed) => {
          const bytes = Buffer.from(texts.join('\n') + (closed ? '\n' : ''))
          const expected = bytes
            .toString('utf8')
            .split('\n')
            .filter(line => line !== '')
          const seen: string[] = []
          for await (const line of lines(chunksOf(bytes, cuts))) seen.push(line)
          expect(seen).toEqual(expected)
        },
      ),
    )
  })
})
