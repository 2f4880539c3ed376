import { describe, expect, it } from 'vitest'
import { encodeRequest, InvalidRequestError, parseRequest, REQUEST_LIMITS } from './request.ts'

describe('a removal request', () => {
  it('survives encoding and parsing', () => {
    const request = { remove: ['r.test/app:1', 'nginx'], keep: ['r.test/other:1'] }
    expect(parseRequest(encodeRequest(request))).toEqual(request)
    const crowded = { ...request, keepRepositories: ['r.test/crowded'] }
    expect(parseRequest(encodeRequest(crowded))).toEqual(crowded)
  })

  it('fits into the annotations of a Pod with the greatest number of references', () => {
    const remove = Array.from(
      { length: REQUEST_LIMITS.remove },
      (_, index) => `registry.example.com/team/app:${index}`,
    )
    expect(Buffer.byteLength(encodeRequest({ remove, keep: [] }))).toBeLessThan(REQUEST_LIMITS.bytes)
  })

  it.each([
    ['', 'the request is not JSON'],
    ['{"v":1,"remove":[', 'the request is not JSON'],
    ['null', 'the request is not of version 1'],
    ['[]', 'the request is not of version 1'],
    ['{"v":2,"remove":[],"keep":[]}', 'the request is not of version 1'],
    ['{"v":1,"keep":[]}', '"remove" of the request is not a list of references'],
    ['{"v":1,"remove":[1],"keep":[]}', '"remove" of the request is not a list of references'],
    [
      '{"v":1,"remove":[],"keep":[],"keepRepositories":[1]}',
      '"keepRepositories" of the request is not a list of references',
    ],
    ['{"v":1,"remove":[],"keep":"x"}', '"keep" of the request is not a list of references'],
    [`"${'x'.repeat(REQUEST_LIMITS.bytes)}"`, /^the request has 204802 bytes, 204800 are allowed$/],
    [
      JSON.stringify({ v: 1, remove: Array(1001).fill('a'), keep: [] }),
      '"remove" of the request has 1001 references, 1000 are allowed',
    ],
  ])('rejects %.40s', (text, message) => {
    expect(() => parseRequest(text)).toThrow(InvalidRequestError)
    expect(() => parseRequest(text)).toThrow(message)
  })
})
