import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compiledOf } from '../../../test/builders/image-cache.ts'
import {
  desiredOf,
  entryOf,
  failedEntryOf,
  listedEntryOf,
  removalOf,
} from '../../../test/builders/node-images.ts'
import { nodeOf } from '../../../test/builders/node.ts'
import { T0, at } from '../../../test/builders/time.ts'
import { type DesiredImage, type LedgerEntry, entryKey } from '../../api/node-images.ts'
import { nodeListInventory } from '../node/index.ts'
import { isPullAnswered } from './entry.ts'
import { NO_EVIDENCE, type PullEvidence, type PullVerdict, type RemovalEvidence } from './evidence.ts'
import { type LedgerInput, updateLedger } from './update-ledger.ts'

const IMAGE = 'r.test/a:1'
const CACHE = compiledOf('cache', [IMAGE])
const FAILED: PullVerdict = { kind: 'failed', reason: 'ImageNotFound', message: 'not found' }
const NOW = at(100)

function desired(changes: Partial<DesiredImage> = {}): DesiredImage {
  return { image: IMAGE, pullPolicy: 'IfNotPresent', revision: 1, owners: [CACHE.owner], ...changes }
}

function evidenceOf(verdict: PullVerdict, changes: Partial<PullEvidence> = {}): PullEvidence {
  return { key: IMAGE, verdict, owner: CACHE.owner, id: 'j1', revision: 1, startedAt: at(10), ...changes }
}

function inputOf(changes: Partial<LedgerInput> = {}): LedgerInput {
  const node = changes.node ?? nodeOf('n1')
  return {
    node,
    inventory: nodeListInventory(node),
    desired: [],
    removals: [],
    ledger: [],
    caches: new Map([[CACHE.owner, CACHE]]),
    evidence: NO_EVIDENCE,
    now: T0 + 100_000,
    ...changes,
  }
}

/** The only entry of a ledger. */
function only(ledger: readonly LedgerEntry[]): LedgerEntry {
  const [entry, ...more] = ledger
  if (!entry || more.length > 0) throw new Error(`the ledger has ${ledger.length} entries`)
  return entry
}

/** The entry of the image after evidence about it. */
function after(pulls: PullEvidence[], entry?: LedgerEntry, wanted = desired()): LedgerEntry {
  const evidence = { pulls, removals: [] }
  return only(updateLedger(inputOf({ desired: [wanted], ledger: entry ? [entry] : [], evidence })))
}

const pulling: LedgerEntry = {
  image: IMAGE,
  attempt: { state: 'Pulling', revision: 1, id: 'j1', startedAt: at(10) },
  owners: [CACHE.owner],
  pulledByUs: true,
}

describe('evidence about a pull', () => {
  it('of an older request does not answer the newest one', () => {
    const wanted = desired({ revision: 2 })
    const present = after([evidenceOf({ kind: 'present' })], undefined, wanted)
    expect(present.presence).toMatchObject({ state: 'Present' })
    expect(present.presence).not.toHaveProperty('revision')
    const failed = after([evidenceOf(FAILED)], undefined, wanted)
    expect(failed.attempt).toMatchObject({ state: 'Failed', revision: 1 })
    for (const entry of [present, failed]) expect(isPullAnswered(entry, wanted)).toBe(false)
    const answer = evidenceOf(FAILED, { id: 'j2', revision: 2, startedAt: at(20) })
    expect(isPullAnswered(after([answer], failed, wanted), wanted)).toBe(true)
  })

  it('of a Job of another cache cannot make an image fail, and can show that it is there', () => {
    const foreign = (verdict: PullVerdict) => after([evidenceOf(verdict, { owner: 'another' })])
    expect(foreign(FAILED).attempt).toMatchObject({ state: 'Unknown', message: 'not found' })
    expect(foreign({ kind: 'present' }).presence?.state).toBe('Present')
    expect(after([evidenceOf(FAILED)]).attempt).toMatchObject({ state: 'Failed', reason: 'ImageNotFound' })
  })

  it('about another credential is about another image', () => {
    const key = entryKey({ image: IMAGE, credential: 'team:1' })
    expect(after([evidenceOf({ kind: 'present' }, { key })])).not.toHaveProperty('presence')
  })

  it('is recorded once, however often it comes', () => {
    const once = after([evidenceOf(FAILED)])
    const later = inputOf({ desired: [desired()], ledger: [once], now: T0 + 900_000 })
    const evidence = { pulls: [evidenceOf(FAILED)], removals: [] }
    expect(only(updateLedger({ ...later, evidence }))).toEqual(once)
  })

  it('of an older attempt changes nothing of what a later one has shown', () => {
    const later = after([evidenceOf(FAILED, { id: 'j2', startedAt: at(20) })])
    expect(after([evidenceOf({ kind: 'present' })], later)).toEqual(later)
  })

  it('of several attempts is recorded in their order', () => {
    const entry = after([
      evidenceOf({ kind: 'unproven' }),
      evidenceOf({ kind: 'pulling' }, { id: 'j2', startedAt: at(20) }),
    ])
    expect(entry.attempt).toEqual({ state: 'Pulling', revision: 1, id: 'j2', startedAt: at(20), count: 1 })
  })
})

describe('an attempt whose Job went away unread', () => {
  it('has taught nothing, and the image is tried again', () => {
    const { attempt } = after([], pulling)
    expect(attempt).toMatchObject({ state: 'Unknown', id: 'j1', count: 1, finishedAt: at(10) })
    expect(attempt?.message).toContain('went away unread')
  })

  it('is forgotten where the node shows that the image is there', () => {
    const node = nodeOf('n1', [[IMAGE]], NOW)
    const ledger = updateLedger(
      inputOf({
        node,
        desired: [desired()],
        ledger: [pulling],
        evidence: { pulls: [evidenceOf({ kind: 'pulling' })], removals: [] },
      }),
    )
    expect(only(ledger)).toMatchObject({
      presence: { state: 'Present', by: 'NodeList' },
      attempt: { id: 'j1' },
    })
    expect(only(updateLedger(inputOf({ node, desired: [desired()], ledger })))).not.toHaveProperty('attempt')
  })

  it('stays while its Job runs', () => {
    expect(after([evidenceOf({ kind: 'pulling' })], pulling)).toEqual(pulling)
  })
})

describe('an image that nobody wants any more', () => {
  const left = (ledger: LedgerEntry[], changes: Partial<LedgerInput> = {}) =>
    updateLedger(inputOf({ ledger, ...changes }))

  it('stays on record while it is on the node', () => {
    const present = entryOf(IMAGE, { owners: ['x'] })
    expect(left([present])).toEqual([present])
    const node = nodeOf('n1', [['other.test/b:1']], at(1_000))
    expect(left([present], { node })).toEqual([present])
    expect(left([listedEntryOf(IMAGE, { owners: ['x'] })], { node })).toEqual([])
    const days = (count: number) => Date.parse(at(0)) + count * 86_400_000
    expect(left([present], { node, now: days(29) })).toEqual([present])
    expect(left([present], { node, now: days(31) })).toEqual([])
    expect(left([failedEntryOf(IMAGE, 'ImageNotFound')])).toEqual([])
  })

  it('stays on record after its removal until a newer list shows the node without it', () => {
    const removed = entryOf(IMAGE, {
      presence: { state: 'Absent', since: NOW, by: 'Job' },
      removal: { state: 'Removed', revision: 1 },
    })
    expect(left([removed])).toEqual([removed])
    expect(left([removed], { node: nodeOf('n1', undefined, at(1_000)) })).toEqual([])
  })

  it('loses a removal that the plan no longer asks for', () => {
    const waiting = entryOf(IMAGE, { removal: { state: 'Waiting', revision: 1 } })
    expect(left([waiting])).toEqual([entryOf(IMAGE)])
  })

  it('is one of 200 at most', () => {
    const entries = Array.from({ length: 300 }, (_, index) => entryOf(`r.test/a:${index}`))
    expect(left(entries)).toHaveLength(200)
  })
})

describe('an image that is wanted again', () => {
  it.each(['Waiting', 'Removing'] as const)('is proved again where its removal was %s', state => {
    const entry = after([], entryOf(IMAGE, { removal: { state, revision: 1 } }))
    expect(entry).not.toHaveProperty('removal')
    expect(entry.presence).toEqual({ state: 'Absent', since: NOW, by: 'Job' })
  })

  it('is still there where it was kept', () => {
    const kept = entryOf(IMAGE, { removal: { state: 'Kept', revision: 1, reason: 'InUse' } })
    expect(after([], kept)).toEqual({ ...entryOf(IMAGE), owners: [CACHE.owner] })
  })

  it('is not made absent by the Job that was to remove it', () => {
    const removal: RemovalEvidence = {
      key: IMAGE,
      verdict: { kind: 'removed' },
      id: 'r1',
      revision: 1,
      startedAt: at(5),
    }
    const removals = [removalOf(IMAGE, { stays: 'WantedByOthers' })]
    const ledger = updateLedger(
      inputOf({
        desired: [desired()],
        removals,
        ledger: [entryOf(IMAGE)],
        evidence: { pulls: [], removals: [removal] },
      }),
    )
    expect(only(ledger).presence?.state).toBe('Present')
  })
})

describe('a removal', () => {
  const removing = (entry: LedgerEntry | undefined, removals: RemovalEvidence[] = [], node = nodeOf('n1')) =>
    only(
      updateLedger(
        inputOf({
          node,
          removals: [removalOf(IMAGE)],
          ledger: entry ? [entry] : [],
          evidence: { pulls: [], removals },
        }),
      ),
    )
  const evidence = (verdict: RemovalEvidence['verdict'], id = 'r1'): RemovalEvidence => ({
    key: IMAGE,
    verdict,
    id,
    revision: 1,
    startedAt: at(20),
  })

  it('is on record from the moment it is asked for', () => {
    const waiting = { state: 'Waiting', revision: 1, startedAt: NOW }
    expect(removing(entryOf(IMAGE)).removal).toEqual(waiting)
    expect(removing(undefined)).toMatchObject({ owners: ['x'], removal: waiting })
  })

  it('is recorded once, however often its evidence comes', () => {
    const removed = removing(entryOf(IMAGE), [evidence({ kind: 'removed' })])
    expect(removed).toMatchObject({ presence: { state: 'Absent', by: 'Job' }, removal: { state: 'Removed' } })
    const failed = removing(entryOf(IMAGE), [
      evidence({ kind: 'failed', reason: 'RemovalFailed', message: '' }),
    ])
    for (const entry of [removed, failed]) {
      const [verdict] = entry === removed ? [{ kind: 'removed' } as const] : [FAILED_REMOVAL]
      expect(removing(entry, [evidence(verdict)])).toEqual(entry)
    }
  })

  it('is done where the list of the node shows that a kept image has gone', () => {
    const kept = listedEntryOf(IMAGE, { removal: { state: 'Kept', revision: 1, reason: 'InUse' } })
    const node = nodeOf('n1', [['other.test/b:1']], at(1_000))
    expect(removing(kept, [], node)).toMatchObject({
      presence: { state: 'Absent' },
      removal: { state: 'Removed', revision: 1 },
    })
  })
})

const FAILED_REMOVAL = { kind: 'failed', reason: 'RemovalFailed', message: '' } as const

describe('who brought an image', () => {
  it('is recorded with the first entry: what the node lists before was there before', () => {
    const first = (lists?: string[][]) =>
      only(updateLedger(inputOf({ node: nodeOf('n1', lists, NOW), desired: [desired()] }))).pulledByUs
    expect([first([[IMAGE]]), first([['other.test/b:1']]), first()]).toEqual([false, true, true])
  })

  it('is known from another entry of the same image', () => {
    const theirs = entryOf(IMAGE, { credential: 'team:1', pulledByUs: false })
    const [entry] = updateLedger(inputOf({ desired: [desired()], ledger: [theirs] }))
    expect(entry?.pulledByUs).toBe(false)
  })
})

describe('properties of updateLedger', () => {
  const IMAGES = ['a:1', 'b:1', 'c:1'].map(name => `r.test/${name}`)
  const number = fc.integer({ min: 0, max: 3 })
  const verdict = fc.constantFrom<PullVerdict>(
    { kind: 'present' },
    { kind: 'present', digest: 'd1' },
    FAILED,
    { kind: 'failed', reason: 'NodeRefused', message: '' },
    { kind: 'unproven' },
    { kind: 'unknown', message: 'gone' },
    { kind: 'pulling' },
  )
  const removalVerdict = fc.constantFrom<RemovalEvidence['verdict']>(
    { kind: 'removing' },
    { kind: 'removed' },
    { kind: 'kept', reason: 'InUse', message: 'container web' },
    FAILED_REMOVAL,
  )
  /** One attempt after the other, each with a later start. */
  const pulls = fc
    .array(fc.tuple(fc.constantFrom(...IMAGES), verdict, number, fc.boolean()), { maxLength: 5 })
    .map(items =>
      items.map(([key, found, revision, isOwn], index) =>
        evidenceOf(found, {
          key,
          revision,
          id: `j${index}`,
          startedAt: at(10 + index),
          ...(!isOwn && { owner: 'another' }),
        }),
      ),
    )
  const removals = fc
    .uniqueArray(fc.tuple(fc.constantFrom(...IMAGES), removalVerdict, number), { selector: ([key]) => key })
    .map(items =>
      items.map(([key, found, revision], index) => ({
        key,
        verdict: found,
        revision,
        id: `r${index}`,
        startedAt: at(10 + index),
      })),
    )
  const ledgers = fc.uniqueArray(
    fc.record({
      image: fc.constantFrom(...IMAGES, 'r.test/old:1'),
      present: fc.boolean(),
      attempt: fc.constantFrom('Pulling', 'Succeeded', 'Failed', 'Unproven', 'Unknown', undefined),
      removal: fc.constantFrom('Waiting', 'Removing', 'Removed', 'Kept', 'Failed', undefined),
      revision: number,
    }),
    { selector: ({ image }) => image },
  )
  const inputs = fc
    .record({
      wanted: fc.subarray(IMAGES),
      gone: fc.subarray(IMAGES),
      stays: fc.boolean(),
      policy: fc.constantFrom('IfNotPresent' as const, 'Always' as const),
      revision: fc.integer({ min: 1, max: 3 }),
      listed: fc.option(fc.subarray([...IMAGES, 'r.test/old:1'])),
      heartbeat: fc.constantFrom(0, 90, 1_000),
      entries: ledgers,
      pulls,
      removals,
    })
    .map(({ wanted, gone, stays, policy, revision, listed, heartbeat, entries, ...evidence }) =>
      inputOf({
        node: nodeOf(
          'n1',
          listed ? [...listed.map(image => [image]), ['other.test/x:1']] : undefined,
          at(heartbeat),
        ),
        desired: desiredOf(wanted, CACHE).map(image => ({ ...image, pullPolicy: policy, revision })),
        removals: gone.map(image =>
          removalOf(image, {
            revision,
            ...(wanted.includes(image) ? { stays: 'WantedByOthers' } : stays && { stays: 'NotOurs' }),
          }),
        ),
        ledger: entries.map(({ image, present, attempt, removal, revision: known }) => ({
          ...(present ? entryOf(image) : { image, pulledByUs: true }),
          ...(attempt &&
            !(present && attempt === 'Pulling') && {
              attempt: { state: attempt, revision: known, id: 'before', startedAt: at(1), finishedAt: at(2) },
            }),
          ...(removal && {
            removal: {
              state: removal,
              revision: known,
              startedAt: at(1),
              ...(removal !== 'Waiting' && { id: 'before' }),
            },
          }),
        })),
        evidence,
      }),
    )

  it('the same evidence again, then or later, changes nothing', () => {
    fc.assert(
      fc.property(inputs, input => {
        const once = updateLedger(input)
        const twice = updateLedger({ ...input, ledger: once })
        // An image that disappears while an attempt runs shows that attempt from the next look on.
        const isPulling = input.evidence.pulls.some(item => item.verdict.kind === 'pulling')
        if (!isPulling) expect(twice).toEqual(once)
        expect(updateLedger({ ...input, ledger: twice, now: input.now + 1_000 })).toEqual(twice)
      }),
    )
  })

  it('names each wanted image once, in the order of keys', () => {
    fc.assert(
      fc.property(inputs, input => {
        const keys = updateLedger(input).map(entryKey)
        expect(keys).toEqual([...new Set(keys)].toSorted())
        expect(keys).toEqual(expect.arrayContaining(input.desired.map(entryKey)))
      }),
    )
  })
})
