import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { failedEntryOf } from '../../../test/builders/node-images.ts'
import type { LedgerEntry } from '../../api/node-images.ts'
import { MESSAGES_BYTES, fitMessages } from './fit-messages.ts'

const failing = (count: number, message: string): LedgerEntry[] =>
  Array.from({ length: count }, (_, index) => failedEntryOf(`r.test/a:${index}`, 'PullFailed', { message }))

const messagesOf = (ledger: readonly LedgerEntry[]) =>
  ledger.flatMap(({ attempt, removal }) =>
    [attempt?.message, removal?.message].filter(text => text !== undefined),
  )

const bytesOf = (ledger: readonly LedgerEntry[]) =>
  messagesOf(ledger).reduce((sum, text) => sum + Buffer.byteLength(JSON.stringify(text)), 0)

describe('fitMessages', () => {
  it('leaves messages as they are where there is room', () => {
    const ledger = failing(380, 'x'.repeat(256))
    expect(fitMessages(ledger)).toBe(ledger)
  })

  it('shortens the longest, and leaves short ones as they are', () => {
    const ledger = [...failing(1_000, `begin ${'x'.repeat(240)} end`), ...failing(100, 'not found')]
    const messages = messagesOf(fitMessages(ledger))
    expect(messages.slice(1_000)).toEqual(messagesOf(ledger).slice(1_000))
    for (const message of messages.slice(0, 1_000)) expect(message).toMatch(/^begin x+…x+ end$/)
    expect(bytesOf(fitMessages(ledger))).toBeGreaterThan(0.9 * MESSAGES_BYTES)
  })

  it('shortens messages of removals too', () => {
    const removal = { state: 'Failed' as const, revision: 1, message: 'y'.repeat(256) }
    const ledger = failing(1_000, 'x'.repeat(256)).map(entry => ({ ...entry, removal }))
    expect(bytesOf(fitMessages(ledger))).toBeLessThanOrEqual(MESSAGES_BYTES)
  })

  it('always fits, changes nothing but messages, and changes nothing the second time', () => {
    const text = fc.string({ unit: 'binary', minLength: 50, maxLength: 256 })
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 8 }), fc.nat(400), (texts, copies) => {
        const ledger = texts.flatMap(message => failing(copies, message))
        const fitted = fitMessages(ledger)
        expect(bytesOf(fitted)).toBeLessThanOrEqual(MESSAGES_BYTES)
        expect(fitMessages(fitted)).toBe(fitted)
        const bare = (entries: readonly LedgerEntry[]) =>
          entries.map(({ attempt, ...entry }) => ({ ...entry, attempt: { ...attempt, message: '' } }))
        expect(bare(fitted)).toEqual(bare(ledger))
      }),
      { numRuns: 30 },
    )
  })
})
