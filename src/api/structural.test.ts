import { describe, expect, it } from 'vitest'
import * as z from 'zod'
import { structural } from './structural.ts'

describe('structural', () => {
  it.each([
    [z.int(), { type: 'integer', format: 'int64' }],
    [z.int32(), { type: 'integer', format: 'int32' }],
    [z.int32().min(0).max(9), { type: 'integer', format: 'int32', minimum: 0, maximum: 9 }],
    [z.int().min(1), { type: 'integer', format: 'int64', minimum: 1 }],
    [z.iso.datetime(), { type: 'string', format: 'date-time' }],
    [z.string().regex(/^a$/), { type: 'string', pattern: '^a$' }],
    [z.enum(['True', 'False']), { type: 'string', enum: ['True', 'False'] }],
    [
      z.record(z.string(), z.int32()),
      { type: 'object', additionalProperties: { type: 'integer', format: 'int32' } },
    ],
    [
      z.object({ format: z.string().optional(), pattern: z.boolean() }),
      {
        type: 'object',
        properties: { format: { type: 'string' }, pattern: { type: 'boolean' } },
        required: ['pattern'],
      },
    ],
    [
      z.array(z.string()).meta({ 'x-kubernetes-list-type': 'set' }),
      { type: 'array', items: { type: 'string' }, 'x-kubernetes-list-type': 'set' },
    ],
  ])('case %#', (schema, expected) => {
    expect(structural(schema)).toEqual(expected)
  })

  it('rejects types that JSON cannot represent', () => {
    expect(() => structural(z.object({ at: z.date() }))).toThrow(/date/i)
  })
})
