import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  MAX_RESULT_BYTES,
  encodeResult,
  parseResult,
  type RemovalAnswer,
  type RemovalOutcome,
} from './result.ts'

const OUTCOMES: readonly RemovalOutcome[] = [
  'Removed',
  'NotFound',
  'InUse',
  'WantedByOthers',
  'SharedId',
  'Pinned',
  'InvalidReference',
  'Failed',
]
const done = (answers: readonly RemovalAnswer[]) =>
  ({ kind: 'Done', runtime: 'containerd v2.3.7', removedBytes: 12_345, answers }) as const

describe('the result of a removal', () => {
  it('survives encoding and parsing', () => {
    const result = done(
      OUTCOMES.map(outcome => ({ outcome, detail: outcome === 'InUse' ? 'container web' : '' })),
    )
    expect(encodeResult(result)).toBe(
      '{"v":1,"runtime":"containerd v2.3.7","removedBytes":12345,"outcomes":"RNUWSPIF","details":{"2":"container web"}}',
    )
    expect(parseResult(encodeResult(result))).toEqual(result)
  })

  it('reports why the removal did not start', () => {
    const error = { kind: 'Error', code: 'Unavailable', message: 'nobody "home"' } as const
    expect(parseResult(encodeResult(error))).toEqual(error)
  })

  it('has every outcome and at most the bytes that the kubelet keeps', () => {
    const answer = fc.record({
      outcome: fc.constantFrom(...OUTCOMES),
      detail: fc.oneof(fc.constant(''), fc.string({ unit: 'binary', maxLength: 400 })),
    })
    fc.assert(
      fc.property(fc.array(answer, { maxLength: 1000, size: 'max' }), answers => {
        const text = encodeResult(done(answers))
        expect(Buffer.byteLength(text)).toBeLessThanOrEqual(MAX_RESULT_BYTES)
        const result = parseResult(text)
        expect(result?.kind === 'Done' && result.answers.map(({ outcome }) => outcome)).toEqual(
          answers.map(({ outcome }) => outcome),
        )
      }),
      { numRuns: 50 },
    )
    const error = { kind: 'Error', code: 'Internal', message: '"'.repeat(10_000) } as const
    expect(Buffer.byteLength(encodeResult(error))).toBeLessThanOrEqual(MAX_RESULT_BYTES)
  })

  it('keeps the details of failures when there is no room for all', () => {
    const uses = Array.from(
      { length: 50 },
      (): RemovalAnswer => ({ outcome: 'InUse', detail: 'u'.repeat(200) }),
    )
    const result = parseResult(encodeResult(done([...uses, { outcome: 'Failed', detail: 'disk' }])))
    expect(result?.kind === 'Done' && result.answers.at(-1)).toEqual({ outcome: 'Failed', detail: 'disk' })
  })

  it.each(['', 'Killed', 'null', '{}', '{"v":1}', '{"v":2,"error":"Internal","message":""}'])(
    'is not read from %j',
    text => {
      expect(parseResult(text)).toBeUndefined()
    },
  )

  it('reads an unknown outcome as a failure', () => {
    const result = parseResult('{"v":1,"runtime":"x","removedBytes":0,"outcomes":"R?"}')
    expect(result).toMatchObject({ answers: [{ outcome: 'Removed' }, { outcome: 'Failed' }] })
  })
})
