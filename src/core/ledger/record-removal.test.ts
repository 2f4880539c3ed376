import { describe, expect, it } from 'vitest'
import { entryOf, failedEntryOf, removalOf } from '../../../test/builders/node-images.ts'
import { at } from '../../../test/builders/time.ts'
import type { LedgerEntry, RemovalState } from '../../api/node-images.ts'
import type { AttemptFacts, RemovalVerdict } from './evidence.ts'
import { isRemovalAnswered, recordRemoval, recordRemovalRequest } from './record-removal.ts'

const IMAGE = 'r.test/a:1'
const REMOVAL = removalOf(IMAGE, { revision: 2 })
const FACTS: AttemptFacts = { id: 'j1', revision: 2, startedAt: at(2) }
const NOW = at(5)
const ENDED = { revision: 2, id: 'j1', startedAt: at(2), finishedAt: NOW }
const FAILED: RemovalVerdict = { kind: 'failed', reason: 'RemovalFailed', message: 'the runtime is away' }

const withRemoval = (removal: RemovalState) => entryOf(IMAGE, { removal })

describe('isRemovalAnswered', () => {
  it.each<{ name: string; removal: RemovalState | undefined; expected: boolean }>([
    { name: 'nothing', removal: undefined, expected: false },
    { name: 'a removal that waits', removal: { state: 'Waiting', revision: 2 }, expected: false },
    { name: 'a removal that runs', removal: { state: 'Removing', revision: 2 }, expected: false },
    { name: 'a removed image', removal: { state: 'Removed', revision: 2 }, expected: true },
    { name: 'a kept image', removal: { state: 'Kept', revision: 2 }, expected: true },
    { name: 'a failure', removal: { state: 'Failed', revision: 2 }, expected: true },
    { name: 'an answer to an older request', removal: { state: 'Removed', revision: 1 }, expected: false },
  ])('$name: $expected', ({ removal, expected }) => {
    expect(isRemovalAnswered(REMOVAL, entryOf(IMAGE, { removal }))).toBe(expected)
  })

  it('is true of an image that the plan leaves, and false where the ledger has no entry', () => {
    expect(isRemovalAnswered({ ...REMOVAL, stays: 'NotOurs' }, undefined)).toBe(true)
    expect(isRemovalAnswered(REMOVAL, undefined)).toBe(false)
  })
})

describe('recordRemovalRequest', () => {
  it('shows that the image waits, and forgets how its last pull ended', () => {
    const old = { ...entryOf(IMAGE), attempt: failedEntryOf(IMAGE, 'ImageNotFound').attempt }
    const removal = { state: 'Waiting', revision: 2, startedAt: NOW } as const
    expect(recordRemovalRequest(REMOVAL, old, NOW)).toEqual({ ...entryOf(IMAGE), removal })
    expect(recordRemovalRequest(REMOVAL, undefined, NOW)).toEqual({
      image: IMAGE,
      owners: REMOVAL.owners,
      pulledByUs: true,
      removal,
    })
  })

  it('makes an entry with the credential of the image', () => {
    const removal = { ...REMOVAL, credential: 'team:12345678' }
    expect(recordRemovalRequest(removal, undefined, NOW).credential).toBe('team:12345678')
    expect(recordRemoval(removal, undefined, FAILED, FACTS, NOW).credential).toBe('team:12345678')
  })

  it.each<RemovalState>([
    { state: 'Waiting', revision: 2, startedAt: at(1) },
    { state: 'Removing', revision: 2, id: 'j1', startedAt: at(1) },
    { state: 'Removing', revision: 1, id: 'j0', startedAt: at(1) },
    { state: 'Kept', revision: 2, reason: 'InUse' },
  ])('changes nothing where the ledger shows $state of revision $revision', removal => {
    const old = withRemoval(removal)
    expect(recordRemovalRequest(REMOVAL, old, NOW)).toBe(old)
  })

  it('replaces the answer to an older request', () => {
    const old = withRemoval({ state: 'Kept', revision: 1, reason: 'InUse' })
    expect(recordRemovalRequest(REMOVAL, old, NOW).removal?.state).toBe('Waiting')
  })
})

describe('recordRemoval', () => {
  it.each<{ name: string; verdict: RemovalVerdict; expected: Partial<LedgerEntry> }>([
    {
      name: 'that it runs',
      verdict: { kind: 'removing' },
      expected: { removal: { state: 'Removing', revision: 2, id: 'j1', startedAt: at(2) } },
    },
    {
      name: 'that the image is gone',
      verdict: { kind: 'removed' },
      expected: {
        presence: { state: 'Absent', since: NOW, by: 'Job' },
        removal: { state: 'Removed', ...ENDED },
      },
    },
    {
      name: 'that the image stays',
      verdict: { kind: 'kept', reason: 'InUse', message: 'container web' },
      expected: { removal: { state: 'Kept', ...ENDED, count: 1, reason: 'InUse', message: 'container web' } },
    },
    {
      name: 'that it failed',
      verdict: FAILED,
      expected: {
        removal: {
          state: 'Failed',
          ...ENDED,
          count: 1,
          reason: 'RemovalFailed',
          message: 'the runtime is away',
        },
      },
    },
  ])('records $name', ({ verdict, expected }) => {
    const old = withRemoval({ state: 'Waiting', revision: 2, startedAt: at(1) })
    expect(recordRemoval(REMOVAL, old, verdict, FACTS, NOW)).toEqual({ ...old, ...expected })
  })

  it('knows that a kept image is there', () => {
    const kept = { kind: 'kept', reason: 'InUse', message: '' } as const
    const presence = recordRemoval(REMOVAL, undefined, kept, FACTS, NOW).presence
    expect(presence).toEqual({ state: 'Present', since: NOW, by: 'Job' })
  })

  it('counts failures of one request, and shows the last one until the next attempt ends', () => {
    const once = recordRemoval(REMOVAL, undefined, FAILED, FACTS, NOW)
    expect(recordRemoval(REMOVAL, once, { kind: 'removing' }, { ...FACTS, id: 'j2' }, NOW)).toBe(once)
    const twice = recordRemoval(REMOVAL, once, FAILED, { ...FACTS, id: 'j2' }, NOW)
    expect(twice.removal?.count).toBe(2)
    const asked = { ...REMOVAL, revision: 3 }
    const again = recordRemoval(asked, twice, FAILED, { ...FACTS, id: 'j3', revision: 3 }, NOW)
    expect(again.removal?.count).toBe(1)
  })

  it('of an older request answers no newer one, and a greater number answers no later one', () => {
    const recorded = (revision: number) =>
      recordRemoval(REMOVAL, undefined, { kind: 'removed' }, { ...FACTS, revision }, NOW)
    expect(isRemovalAnswered(REMOVAL, recorded(1))).toBe(false)
    expect(isRemovalAnswered(REMOVAL, recorded(9))).toBe(true)
    expect(isRemovalAnswered({ ...REMOVAL, revision: 3 }, recorded(9))).toBe(false)
  })
})
