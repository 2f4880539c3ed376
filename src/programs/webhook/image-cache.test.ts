import { describe, expect, it } from 'vitest'
import { answerReview, ReviewError } from './admission.ts'
import { reviewImageCache } from './image-cache.ts'

const KIND = { group: 'kubefledged.io', version: 'v1alpha2', kind: 'ImageCache' }
const cache = (spec: unknown, more: object = {}) => ({ metadata: { name: 'c' }, spec, ...more })
const listOf = (...images: string[]) => ({ cacheSpec: [{ images }] })
const bodyOf = (request: object, apiVersion = 'admission.k8s.io/v1') =>
  JSON.stringify({ apiVersion, kind: 'AdmissionReview', request: { uid: 'u1', kind: KIND, ...request } })
const ask = (request: object) => JSON.parse(answerReview(bodyOf(request), reviewImageCache))

describe('answerReview', () => {
  it.each([['admission.k8s.io/v1'], ['admission.k8s.io/v1beta1']])('answers %s in kind', apiVersion => {
    const body = bodyOf({ operation: 'CREATE', object: cache(listOf('a:1')), oldObject: null }, apiVersion)
    expect(JSON.parse(answerReview(body, reviewImageCache))).toEqual({
      apiVersion,
      kind: 'AdmissionReview',
      response: { uid: 'u1', allowed: true },
    })
  })

  it.each([
    ['', 'Request could not be decoded: Unexpected end of JSON input'],
    ['{', 'Request could not be decoded: '],
    ['null', 'Request could not be decoded: body: '],
    ['{"apiVersion":"v1","kind":"Pod"}', 'Unsupported group version kind: v1, Kind=Pod'],
    [
      '{"apiVersion":"admission.k8s.io/v2","kind":"AdmissionReview"}',
      'Unsupported group version kind: admission.k8s.io/v2, Kind=AdmissionReview',
    ],
    [
      '{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}',
      'Request could not be decoded: request: ',
    ],
    [
      '{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{}}',
      'Request could not be decoded: request.uid: ',
    ],
  ])('refuses %j', (body, words) => {
    expect(() => answerReview(body, reviewImageCache)).toThrow(ReviewError)
    expect(() => answerReview(body, reviewImageCache)).toThrow(words)
  })
})

describe('reviewImageCache', () => {
  const BAD = listOf('a:1', 'a:1')
  const bad = cache(BAD)
  const message = 'Duplicate image names within image list: a:1'

  it.each<[string, object]>([
    ['a new object', { operation: 'CREATE', object: bad }],
    ['an edit', { operation: 'UPDATE', object: bad, oldObject: cache(listOf('a:1')) }],
    [
      'an edit of what cannot be read',
      { operation: 'UPDATE', object: bad, oldObject: cache({ cacheSpec: 3 }) },
    ],
  ])('refuses %s', (_, request) => {
    expect(ask(request).response).toEqual({ uid: 'u1', allowed: false, status: { message } })
  })

  it.each<[string, object]>([
    ['other kinds', { operation: 'CREATE', object: bad, kind: { ...KIND, kind: 'NodeImages' } }],
    ['other groups', { operation: 'CREATE', object: bad, kind: { ...KIND, group: 'x' } }],
    ['deletion', { operation: 'DELETE', object: null, oldObject: bad }],
    [
      'status and annotations of what is bad',
      { operation: 'UPDATE', object: cache(bad.spec, { status: {} }), oldObject: bad },
    ],
    [
      'the same of what cannot be read',
      {
        operation: 'UPDATE',
        object: cache({ cacheSpec: 3 }, { status: {} }),
        oldObject: cache({ cacheSpec: 3 }),
      },
    ],
    [
      'other edits of what is bad',
      { operation: 'UPDATE', object: cache({ ...BAD, suspend: true }), oldObject: bad },
    ],
  ])('allows %s', (_, request) => {
    expect(ask(request).response).toEqual({ uid: 'u1', allowed: true })
  })

  it('allows with warnings', () => {
    expect(ask({ operation: 'CREATE', object: cache(listOf()) }).response).toEqual({
      uid: 'u1',
      allowed: true,
      warnings: ['No images specified within image list'],
    })
  })

  it.each<[unknown, string]>([
    [{ cacheSpec: 3 }, 'spec.cacheSpec: expected array, received number'],
    [undefined, 'spec: expected object, received undefined'],
    [
      { cacheSpec: [{ images: [1, 'a:1', {}] }] },
      'spec.cacheSpec[0].images[0]: expected string, received number; spec.cacheSpec[0].images[2]: expected string, received object',
    ],
  ])('says in a line that %j is not an ImageCache at all', (spec, message) => {
    const { response } = ask({ operation: 'CREATE', object: cache(spec) })
    expect(response).toEqual({ uid: 'u1', allowed: false, status: { message } })
  })

  it('keeps answers short', () => {
    const images = Array.from({ length: 5000 }, (_, index) => `${index} ${'x'.repeat(300)}`)
    const { response } = ask({ operation: 'CREATE', object: cache(listOf(...images)) })
    expect(response.status.message).toMatch(/; and 4990 more$/)
    expect(response.status.message.length).toBeLessThan(3000)
    const moving = ask({
      operation: 'CREATE',
      object: cache(listOf(...images.map((_, index) => `a${index}`))),
    })
    expect(moving.response.warnings).toHaveLength(11)
  })
})
