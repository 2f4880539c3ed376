import { describe, expect, it } from 'vitest'
import { errorFromAnswer, errorFromStatus, isKubeError, KubeError } from './errors.ts'

const status = (more: object) => JSON.stringify({ kind: 'Status', status: 'Failure', ...more })

describe('errorFromAnswer', () => {
  it.each([
    [400, 'BadRequest', false],
    [401, 'Unauthorized', false],
    [403, 'Forbidden', false],
    [404, 'NotFound', false],
    [409, 'Conflict', false],
    [410, 'Gone', false],
    [422, 'Invalid', false],
    [429, 'TooManyRequests', true],
    [500, 'ServerError', true],
    [503, 'ServerError', true],
    [504, 'Timeout', true],
    [418, 'Unexpected', false],
  ] as const)('calls %i %s (retryable: %s)', (code, expected, retryable) => {
    const error = errorFromAnswer('get /x', code, '')
    expect(error.code).toBe(expected)
    expect(error.status).toBe(code)
    expect(error.retryable).toBe(retryable)
  })

  it('distinguishes AlreadyExists from Conflict and keeps the server’s text', () => {
    const body = status({ reason: 'AlreadyExists', message: 'pods "a" already exists', code: 409 })
    const error = errorFromAnswer('create /api/v1/namespaces/x/pods', 409, body)
    expect(error.code).toBe('AlreadyExists')
    expect(error.message).toBe('pods "a" already exists (create /api/v1/namespaces/x/pods: 409)')
  })

  it('shows the beginning of a page that is not from the API server', () => {
    const page = `<html>${'x'.repeat(500)}`
    const { message } = errorFromAnswer('get /x', 502, page)
    expect(message).toBe(`${page.slice(0, 200)} (get /x: 502)`)
  })

  it('reads Retry-After from the header, else from the status', () => {
    const body = status({ details: { retryAfterSeconds: 7 } })
    expect(errorFromAnswer('get /x', 429, body, '3').retryAfterMs).toBe(3000)
    expect(errorFromAnswer('get /x', 429, body).retryAfterMs).toBe(7000)
    expect(errorFromAnswer('get /x', 429, '', 'Wed, 21 Oct 2026 07:28:00 GMT').retryAfterMs).toBeUndefined()
  })

  it('understands the status of an ERROR event', () => {
    const error = errorFromStatus('watch /x', { code: 410, reason: 'Expired', message: 'too old' })
    expect(isKubeError(error, 'Gone')).toBe(true)
    expect(error.reason).toBe('Expired')
  })
})

describe('isKubeError', () => {
  it('matches any of the given codes', () => {
    const error = new KubeError('NotFound', 'x')
    expect(isKubeError(error)).toBe(true)
    expect(isKubeError(error, 'Conflict', 'NotFound')).toBe(true)
    expect(isKubeError(error, 'Conflict')).toBe(false)
    expect(isKubeError(new Error('x'))).toBe(false)
  })
})
