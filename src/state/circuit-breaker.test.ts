import { describe, expect, it } from 'vitest'
import type { LedgerEntry } from '../../api/node-images.ts'
import { RegistryHealth, withLatest } from './registry-health.ts'
import { T0, at, entryOf } from '../../engines/jobs/pull/testing.ts'

const HOST = 'r.test'
const present = (seconds: number) => entryOf('r.test/a:1', { job: 'j', finishedAt: at(seconds) })
const failed = (reason: string, seconds: number, message = ''): LedgerEntry =>
  entryOf('r.test/b:1', { state: 'Failed', reason, message, job: 'j', finishedAt: at(seconds) })
const silence = (seconds: number) =>
  failed('RegistryUnavailable', seconds, 'dial tcp 10.0.0.1:443: i/o timeout')

describe('RegistryHealth', () => {
  it.each<[string, LedgerEntry[], string]>([
    ['nothing seen', [], 'unknown'],
    ['a pull', [present(1)], 'good'],
    ['found without a Job', [entryOf('r.test/a:1', { finishedAt: at(1) })], 'unknown'],
    ['of another registry', [entryOf('other.test/a:1', { job: 'j', finishedAt: at(1) })], 'unknown'],
    ['silence', [silence(1)], 'failing'],
    [
      'no answer to a request',
      [
        failed(
          'RegistryUnavailable',
          1,
          'rpc error: code = DeadlineExceeded desc = failed to do request: Head "http://r.test/v2/b/manifests/1": net/http: timeout awaiting response headers',
        ),
      ],
      'failing',
    ],
    ['silence after a pull', [present(1), silence(2)], 'failing'],
    ['a pull after silence', [silence(1), present(2)], 'good'],
    ['not found', [failed('ImageNotFound', 1)], 'good'],
    ['refused', [silence(1), failed('Unauthorized', 2)], 'good'],
    ['an error of the server', [failed('RegistryUnavailable', 1, '503 Service Unavailable')], 'good'],
    ['rate limit', [failed('RateLimited', 1)], 'limited'],
    ['a pull after a rate limit', [failed('RateLimited', 1), present(2)], 'good'],
    ['a time-out of an unknown registry', [failed('Timeout', 1)], 'failing'],
    ['a time-out of one that answers', [present(1), failed('Timeout', 2)], 'good'],
    ['no room on the disk', [failed('InsufficientDisk', 1)], 'unknown'],
    ['the helper', [failed('HelperImageUnavailable', 1, 'dial tcp')], 'unknown'],
    ['the node', [failed('NodeRefused', 1)], 'unknown'],
    ['concluded without a Job', [{ ...silence(1), job: undefined }], 'unknown'],
  ])('%s', (_, ledger, expected) => {
    const health = new RegistryHealth()
    health.observe('node', ledger)
    expect(health.state(HOST, 'node')).toBe(expected)
  })

  it('says when a silent registry is back, once', () => {
    const health = new RegistryHealth()
    expect(health.observe('node', [present(1)])).toBe(false)
    expect(health.observe('node', [silence(2)])).toBe(false)
    expect(health.observe('node', [present(1)])).toBe(false)
    expect(health.observe('node', [present(3)])).toBe(true)
    expect(health.observe('node', [present(3), silence(2)])).toBe(false)
    expect(health.lastSuccess(HOST)).toBe(at(3))
  })
})

describe('a registry that is silent towards some nodes', () => {
  it('is failing for the node that met with silence, and for all when two did', () => {
    const health = new RegistryHealth()
    health.observe('a', [present(1)])
    health.observe('b', [silence(2)])
    expect(['a', 'b', 'c'].map(node => health.state(HOST, node))).toEqual(['good', 'failing', 'good'])
    expect(health.isSilentForAll(HOST)).toBe(false)
    health.observe('c', [silence(3)])
    expect(['a', 'b', 'c'].map(node => health.state(HOST, node))).toEqual(['failing', 'failing', 'failing'])
    expect(health.isSilentForAll(HOST)).toBe(true)
    expect(health.observe('a', [present(4)])).toBe(true)
    expect(['a', 'b', 'c'].map(node => health.state(HOST, node))).toEqual(['good', 'good', 'good'])
  })
})

describe('a node that is gone', () => {
  it('counts no more among those that a registry is silent towards', () => {
    const health = new RegistryHealth()
    health.observe('a', [silence(1)])
    health.observe('b', [silence(2)])
    expect(health.isSilentForAll(HOST)).toBe(true)
    health.forget('b')
    expect(health.isSilentForAll(HOST)).toBe(false)
    expect(['a', 'b', 'c'].map(node => health.state(HOST, node))).toEqual(['failing', 'unknown', 'unknown'])
  })
})

describe('a registry that no ledger speaks of any more', () => {
  it('is forgotten, as by a restart', () => {
    const health = new RegistryHealth()
    health.observe('a', [present(1)])
    health.observe('b', [entryOf('r.test/c:1', { state: 'Pending' })])
    health.observe('a', [])
    expect([health.state(HOST, 'a'), health.lastSuccess(HOST)]).toEqual(['good', at(1)])
    health.observe('b', [entryOf('other.test/c:1')])
    expect([health.state(HOST, 'a'), health.lastSuccess(HOST)]).toEqual(['unknown', undefined])
  })

  it('is forgotten with the last node that had images of it', () => {
    const health = new RegistryHealth()
    health.observe('a', [failed('RateLimited', 1)])
    health.observe('b', [silence(2)])
    health.forget('a')
    expect(health.state(HOST, 'b')).toBe('failing')
    health.forget('b')
    expect(health.state(HOST, 'b')).toBe('unknown')
  })
})

describe('withLatest', () => {
  it('puts what was seen just now above what was known', () => {
    const known = { state: () => 'good' as const, lastSuccess: () => at(-5), mayProbe: () => true }
    const view = withLatest(known, [silence(0), { ...present(-1), image: 'other.test/a:1' }], T0)
    expect(view.state(HOST)).toBe('failing')
    expect(view.state('other.test')).toBe('good')
    expect(view.lastSuccess(HOST)).toBe(at(-5))
    const back = withLatest({ ...known, state: () => 'failing' as const }, [present(0)], T0)
    expect(back.state(HOST)).toBe('good')
    expect(back.lastSuccess(HOST)).toBe(at(0))
  })
})
