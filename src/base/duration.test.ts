import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatDuration, InvalidDurationError, parseDuration } from './duration.ts'

describe('parseDuration', () => {
  it.each([
    ['0', 0],
    ['-0', 0],
    ['0s', 0],
    ['5m', 300_000],
    ['15m', 900_000],
    ['1h30m', 5_400_000],
    ['1h0m0s', 3_600_000],
    ['90s', 90_000],
    ['1.5h', 5_400_000],
    ['.5s', 500],
    ['1.s', 1000],
    ['30.123s', 30_123],
    ['250ms', 250],
    ['1us', 0.001],
    ['1µs', 0.001],
    ['1μs', 0.001],
    ['1500000ns', 1.5],
    ['-2m', -120_000],
    ['+2m', 120_000],
    ['1m1m', 120_000],
    ['2562047h47m16.854775807s', 9_223_372_036_854.775],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBeCloseTo(ms, 2)
  })

  it.each([
    ['', 'it has no number'],
    ['-', 'it has no number'],
    ['5', 'a unit is missing after 5'],
    ['1h30', 'a unit is missing after 30'],
    ['s', 'a number is missing before "s"'],
    ['.s', 'a number is missing before ".s"'],
    ['.', 'a number is missing before "."'],
    ['1..5s', 'a unit is missing after 1'],
    ['5d', 'the unit "d" is none of'],
    ['5 m', 'the unit " m" is none of'],
    ['5m garbage', 'the unit "m garbage" is none of'],
    ['1h-30m', 'the unit "h-" is none of'],
    ['5M', 'the unit "M" is none of'],
    ['--5m', 'a number is missing before "-5m"'],
    ['soon', 'a number is missing before "soon"'],
    ['1e3s', 'the unit "e" is none of'],
    ['9999999h', 'it is longer than 292 years'],
    [`${'9'.repeat(64)}h`, 'it has more than 64 characters'],
    ['5m\n', String.raw`the unit "m\n" is none of`],
  ])('refuses %j', (text, words) => {
    expect(() => parseDuration(text)).toThrow(InvalidDurationError)
    expect(() => parseDuration(text)).toThrow(words)
  })
})

describe('formatDuration', () => {
  it.each([
    [0, '0s'],
    [300_000, '5m'],
    [5_400_000, '1h30m'],
    [3_601_000, '1h1s'],
    [90_500, '1m30.5s'],
    [250, '250ms'],
    [1.5, '1.5ms'],
    [-120_000, '-2m'],
    [21_600_000, '6h'],
    [864_000_000, '240h'],
  ])('%d ms is %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text)
  })
})

describe('properties', () => {
  it('reads back every whole number of milliseconds', () => {
    fc.assert(
      fc.property(fc.integer({ min: -9e12, max: 9e12 }), ms => {
        expect(parseDuration(formatDuration(ms))).toBe(ms)
      }),
    )
  })

  it('adds up its parts', () => {
    const part = fc.tuple(fc.nat(999), fc.constantFrom('ms', 's', 'm', 'h'))
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 8 }), parts => {
        const texts = parts.map(([count, unit]) => `${count}${unit}`)
        const sum = texts.reduce((total, text) => total + parseDuration(text), 0)
        expect(parseDuration(texts.join(''))).toBe(sum)
      }),
    )
  })

  it('answers any string with a finite number or an InvalidDurationError', () => {
    const near = fc.string({ unit: fc.constantFrom(...Array.from('0159.+-nuµmsh e')), maxLength: 12 })
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary', maxLength: 100 }), near), text => {
        const result = attempt(text)
        expect(result instanceof InvalidDurationError || Number.isFinite(result)).toBe(true)
      }),
      { numRuns: 1000 },
    )
  })
})

function attempt(text: string): unknown {
  try {
    return parseDuration(text)
  } catch (error) {
    return error
  }
}
