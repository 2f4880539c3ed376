import { describe, expect, it } from 'vitest'
import { deadlineWarning, effectiveDeadlineMs } from './pull-deadline.ts'

describe('effectiveDeadlineMs', () => {
  it.each([
    [undefined, 300_000],
    ['', 300_000],
    ['0s', 300_000],
    ['-5m', 300_000],
    ['soon', 300_000],
    ['90s', 90_000],
    ['1ns', 10_000],
    ['10s', 10_000],
    ['1h', 3_600_000],
    ['1000h', 3_600_000],
  ])('of %s', (own, expected) => {
    expect(effectiveDeadlineMs(own, 300_000)).toBe(expected)
  })

  it('may be as long as the flag', () => {
    expect(effectiveDeadlineMs('1000h', 7_200_000)).toBe(7_200_000)
    expect(effectiveDeadlineMs(undefined, 5_000)).toBe(5_000)
  })
})

it('warns of a deadline that does not count as written', () => {
  expect(deadlineWarning('1ns')).toBe('pullDeadline: 1ns is raised to 10s, the shortest one')
  expect(deadlineWarning('1000h')).toContain('pullDeadline: 1000h is cut to 1h')
  for (const own of ['', '10s', '1h', 'soon']) expect(deadlineWarning(own)).toBeUndefined()
})
