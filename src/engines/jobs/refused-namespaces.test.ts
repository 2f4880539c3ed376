import { describe, expect, it } from 'vitest'
import { RefusedNamespaces } from './refused-namespaces.ts'

describe('RefusedNamespaces', () => {
  it('knows nothing against a namespace at first', () => {
    const refused = new RefusedNamespaces()
    expect([refused.messageFor('ns', 0), refused.mayTry('ns', 0)]).toEqual([undefined, true])
    expect([refused.refusedUntil('ns'), refused.recoveredAt('ns', 0)]).toEqual([undefined, undefined])
  })

  it('lets one try after a pause that grows, and nobody else until it is known how that went', () => {
    const refused = new RefusedNamespaces()
    refused.refuse('ns', 'exceeded quota', 0)
    expect([refused.messageFor('ns', 4_999), refused.mayTry('ns', 4_999)]).toEqual(['exceeded quota', false])
    expect([refused.refusedUntil('ns'), refused.recoveredAt('ns', 4_999)]).toEqual([5_000, undefined])
    expect([refused.messageFor('ns', 5_000), refused.messageFor('ns', 5_000)]).toEqual([undefined, undefined])
    expect(refused.recoveredAt('ns', 5_000)).toBe('1970-01-01T00:00:05.000Z')
    expect([refused.mayTry('ns', 5_000), refused.mayTry('ns', 5_001)]).toEqual([true, false])
    expect(refused.messageFor('ns', 5_001)).toBe('exceeded quota')
    refused.refuse('ns', 'exceeded quota again', 5_002)
    expect([refused.messageFor('ns', 15_001), refused.mayTry('ns', 15_001)]).toEqual([
      'exceeded quota again',
      false,
    ])
    expect(refused.mayTry('ns', 15_002)).toBe(true)
  })

  it('lets one try every minute, however long it lasts', () => {
    const refused = new RefusedNamespaces()
    let now = 0
    for (let times = 0; times < 50; times += 1) {
      refused.refuse('ns', 'exceeded quota', now)
      now = refused.refusedUntil('ns') ?? Number.NaN
      expect(refused.mayTry('ns', now)).toBe(true)
    }
    refused.refuse('ns', 'exceeded quota', now)
    expect(refused.refusedUntil('ns')).toBe(now + 60_000)
  })

  it('lets another try where nothing was heard of the one who did', () => {
    const refused = new RefusedNamespaces()
    refused.refuse('ns', 'exceeded quota', 0)
    expect([5_000, 14_999, 15_000].map(now => refused.mayTry('ns', now))).toEqual([true, false, true])
  })

  it('counts the Jobs of many nodes that are refused together as one refusal', () => {
    const refused = new RefusedNamespaces()
    for (let node = 0; node < 100; node += 1) refused.refuse('ns', 'exceeded quota', node)
    expect(refused.refusedUntil('ns')).toBe(5_000)
  })

  it('is open again at once when a Pod could be made', () => {
    const refused = new RefusedNamespaces()
    refused.refuse('ns', 'exceeded quota', 0)
    expect(refused.clear('ns', 1)).toBe(true)
    expect(refused.messageFor('ns', 1)).toBeUndefined()
    expect(refused.recoveredAt('ns', 1)).toBe('1970-01-01T00:00:00.001Z')
    expect(refused.clear('ns', 2)).toBe(false)
    expect(refused.recoveredAt('ns', 3)).toBe('1970-01-01T00:00:00.001Z')
  })

  it('keeps namespaces apart', () => {
    const refused = new RefusedNamespaces()
    refused.refuse('a', 'no', 0)
    expect(refused.messageFor('b', 1)).toBeUndefined()
  })
})
