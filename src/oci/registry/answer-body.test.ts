import { expect, test } from 'vitest'
import { errorCodesOf } from './answer-body.ts'

const body = (...errors: unknown[]) => JSON.stringify({ errors })

test.each([
  [body({ code: 'MANIFEST_UNKNOWN', message: 'x' }), 'MANIFEST_UNKNOWN'],
  [body({ code: 'A' }, { code: 'B' }, { code: 'C' }, { code: 'D' }), 'A, B, C'],
  [body({ code: 'a secret\n' }, { code: 'X'.repeat(49) }, { code: 7 }, null, 'DENIED'), ''],
  ['{"errors":"DENIED"}', ''],
  ['{"error":"invalid_scope"}', ''],
  ['null', ''],
  ['<html>', ''],
  ['', ''],
])('%s names %j', (text, expected) => {
  expect(errorCodesOf(text)).toBe(expected)
})
