import { describe, expect, it } from 'vitest'
import { entryOf, removalOf } from '../../../test/builders/node-images.ts'
import { nodeWith } from '../../../test/builders/node.ts'
import { T0, at } from '../../../test/builders/time.ts'
import type { RemovalState } from '../../api/node-images.ts'
import { recordRemoval, recordRemovalRequest } from './record-removal.ts'
import { isHeld, mayLookEarly, removalDue } from './removal-due.ts'

const IMAGE = 'r.test/a:1'
const NODE = nodeWith('n1', {})
const NOW_ASKED = { kind: 'now', how: 'ask', urgent: true }
const NOW_AGAIN = { kind: 'now', how: 'ask', urgent: false }

function dueOf(removal: Parameters<typeof removalOf>[1], state?: RemovalState, seconds = 1) {
  const entry = entryOf(IMAGE, state && { removal: state })
  return removalDue(removalOf(IMAGE, removal), entry, { node: NODE, now: T0 + seconds * 1000 })
}

const failed = { state: 'Failed', revision: 1, count: 1, finishedAt: at(0) } as const
const inUse = (count: number): RemovalState => ({
  state: 'Kept',
  reason: 'InUse',
  revision: 1,
  count,
  finishedAt: at(0),
})

describe('removalDue', () => {
  it.each<{ name: string; due: ReturnType<typeof dueOf>; expected: object }>([
    { name: 'a request without an answer is due now', due: dueOf({}), expected: NOW_ASKED },
    {
      name: 'an answer to an older request is none',
      due: dueOf({ revision: 2 }, { state: 'Kept', revision: 1 }),
      expected: NOW_ASKED,
    },
    {
      name: 'an image that stays is settled',
      due: dueOf({ stays: 'NotOurs' }, inUse(1)),
      expected: { kind: 'settled' },
    },
    {
      name: 'an image that is not ours is settled',
      due: dueOf({}, { ...inUse(1), reason: 'NotOurs' }, 1e6),
      expected: { kind: 'settled' },
    },
    { name: 'a failure waits', due: dueOf({}, failed, 1), expected: { kind: 'later' } },
    { name: 'a failure is tried again after its pause', due: dueOf({}, failed, 60), expected: NOW_AGAIN },
    { name: 'an image in use waits', due: dueOf({}, inUse(1), 29), expected: { kind: 'later' } },
    { name: 'an image in use is looked at again', due: dueOf({}, inUse(1), 37), expected: NOW_AGAIN },
    { name: 'its pauses grow', due: dueOf({}, inUse(5), 479), expected: { kind: 'later' } },
    { name: 'up to an hour', due: dueOf({}, inUse(100), 3_600 * 1.2 + 1), expected: NOW_AGAIN },
    { name: 'and end', due: dueOf({}, inUse(175), 1e7), expected: { kind: 'settled' } },
  ])('$name', ({ due, expected }) => {
    expect(due).toMatchObject(expected)
  })

  it('looks at an image in use for about a week', () => {
    let seconds = 0
    for (let count = 1; isHeld(entryOf(IMAGE, { removal: inUse(count) })); count++) {
      const due = dueOf({}, inUse(count), 0)
      seconds += due.kind === 'later' ? due.inMs / 1000 : Number.NaN
    }
    expect(seconds / 86_400).toBeGreaterThan(6.5)
    expect(seconds / 86_400).toBeLessThan(9)
  })

  it('leaves time between the attempts at an image, however often it is asked for', () => {
    const kept = entryOf(IMAGE, { removal: inUse(3) })
    const again = removalOf(IMAGE, { revision: 2 })
    const waiting = recordRemovalRequest(again, kept, at(1))
    const due = (seconds: number) => removalDue(again, waiting, { node: NODE, now: T0 + seconds * 1000 })
    expect(waiting.removal).toMatchObject({ state: 'Waiting', revision: 2 })
    expect(due(14)).toMatchObject({ kind: 'later' })
    expect(due(15)).toMatchObject(NOW_ASKED)
  })
})

describe('mayLookEarly', () => {
  const early = (state: RemovalState, seconds: number) =>
    mayLookEarly(removalOf(IMAGE), entryOf(IMAGE, { removal: state }), {
      node: NODE,
      now: T0 + seconds * 1000,
    })

  it('is true of an image in use after half of its pause', () => {
    expect([early(inUse(8), 1_799), early(inUse(8), 2_161)]).toEqual([false, true])
    expect(early({ ...inUse(8), reason: 'NotOurs' }, 1e6)).toBe(false)
  })
})

describe('looks at an image in use', () => {
  const facts = (id: string) => ({ id, revision: 1, startedAt: at(1) })
  const used = { kind: 'kept', reason: 'InUse', message: 'container web' } as const

  it('are counted, and what was seen last stays on record until one ends', () => {
    const removal = removalOf(IMAGE)
    const first = recordRemoval(removal, entryOf(IMAGE), used, facts('j1'), at(2))
    expect(first.removal).toMatchObject({ state: 'Kept', reason: 'InUse', count: 1 })
    expect(recordRemoval(removal, first, { kind: 'removing' }, facts('j2'), at(3))).toBe(first)
    const second = recordRemoval(removal, first, used, facts('j2'), at(4))
    expect(second.removal).toMatchObject({ state: 'Kept', count: 2, id: 'j2', finishedAt: at(4) })
    const refused = { kind: 'failed', reason: 'JobRefused', message: 'no' } as const
    expect(recordRemoval(removal, second, refused, facts('j3'), at(5)).removal).toEqual({
      ...second.removal,
      id: 'j3',
      count: 3,
      finishedAt: at(5),
    })
    const gone = recordRemoval(removal, second, { kind: 'removed' }, facts('j3'), at(5))
    expect(gone.removal).toMatchObject({ state: 'Removed' })
  })

  it('begin anew where the removal is asked for again', () => {
    const kept = entryOf(IMAGE, { removal: inUse(9) })
    const again = recordRemoval(
      removalOf(IMAGE, { revision: 2 }),
      kept,
      used,
      { ...facts('j2'), revision: 2 },
      at(2),
    )
    expect(again.removal).toMatchObject({ revision: 2, count: 1 })
  })
})
