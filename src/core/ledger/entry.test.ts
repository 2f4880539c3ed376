import { describe, expect, it } from 'vitest'
import { compiledOf } from '../../../test/builders/image-cache.ts'
import { desiredOf, entryOf, failedEntryOf } from '../../../test/builders/node-images.ts'
import { at } from '../../../test/builders/time.ts'
import type { LedgerEntry } from '../../api/node-images.ts'
import { attemptEndedAt, countImages } from './entry.ts'

const WANTED = desiredOf(['a:1', 'b:1', 'c:1'], compiledOf('cache', []))
const failed = (image: string) => failedEntryOf(image, 'ImageNotFound')

describe('countImages', () => {
  it.each<{ name: string; ledger: LedgerEntry[]; expected: object }>([
    { name: 'nothing known', ledger: [], expected: { present: 0, failed: 0, removing: 0 } },
    {
      name: 'one of each',
      ledger: [entryOf('a:1'), failed('b:1'), { image: 'c:1', attempt: { state: 'Pulling', revision: 1 } }],
      expected: { present: 1, failed: 1, removing: 0 },
    },
    {
      name: 'an image that is there and whose refresh failed',
      ledger: [{ ...entryOf('a:1'), attempt: failed('a:1').attempt }],
      expected: { present: 1, failed: 1, removing: 0 },
    },
    {
      name: 'an image that has disappeared',
      ledger: [entryOf('a:1', { presence: { state: 'Absent', since: at(1), by: 'NodeList' } })],
      expected: { present: 0, failed: 0, removing: 0 },
    },
    {
      name: 'images that nobody wants',
      ledger: [entryOf('x:1'), { ...entryOf('y:1'), attempt: failed('y:1').attempt }],
      expected: { present: 0, failed: 0, removing: 0 },
    },
    {
      name: 'removals',
      ledger: [
        entryOf('w:1', { removal: { state: 'Waiting', revision: 1 } }),
        entryOf('x:1', { removal: { state: 'Removing', revision: 1 } }),
        entryOf('y:1', { removal: { state: 'Failed', revision: 1 } }),
        entryOf('z:1', { removal: { state: 'Kept', revision: 1 } }),
      ],
      expected: { present: 0, failed: 1, removing: 2 },
    },
    {
      name: 'the image of another credential',
      ledger: [entryOf('a:1', { credential: 'team:1' })],
      expected: { present: 0, failed: 0, removing: 0 },
    },
  ])('$name', ({ ledger, expected }) => {
    expect(countImages(WANTED, ledger)).toEqual({ desired: 3, ...expected })
  })
})

describe('attemptEndedAt', () => {
  it.each<{ name: string; entry: LedgerEntry; expected: string | undefined }>([
    { name: 'no attempt', entry: entryOf('a:1'), expected: undefined },
    {
      name: 'an attempt that runs',
      entry: { image: 'a:1', attempt: { state: 'Pulling', revision: 1, startedAt: at(1) } },
      expected: undefined,
    },
    { name: 'a failure', entry: failed('a:1'), expected: at(1) },
    {
      name: 'a success',
      entry: entryOf('a:1', { attempt: { state: 'Succeeded', revision: 1 } }),
      expected: at(1),
    },
    {
      name: 'a success of an image that has gone',
      entry: {
        image: 'a:1',
        attempt: { state: 'Succeeded', revision: 1 },
        presence: { state: 'Absent', since: at(9), by: 'NodeList' },
      },
      expected: undefined,
    },
  ])('$name', ({ entry, expected }) => {
    expect(attemptEndedAt(entry)).toBe(expected)
  })
})
