import { describe, expect, it } from 'vitest'
import { compiledOf } from '../../../test/builders/image-cache.ts'
import { desiredOf, entryOf, failedEntryOf } from '../../../test/builders/node-images.ts'
import { nodeOf } from '../../../test/builders/node.ts'
import { T0, at } from '../../../test/builders/time.ts'
import type { DesiredImage, LedgerEntry } from '../../api/node-images.ts'
import { type NodeFacts, nodeListInventory } from '../node/index.ts'
import { isDoubtful, isSameMachine } from './apply-inventory.ts'
import { NO_EVIDENCE } from './evidence.ts'
import { updateLedger } from './update-ledger.ts'

const IMAGE = 'r.test/a:1'
const CACHE = compiledOf('cache', [IMAGE])
const digest = (letter: string) => `sha256:${letter.repeat(64)}`

/** The ledger that the list of a node makes, without any evidence of an engine. */
function ledgerOf(node: NodeFacts, desired: readonly DesiredImage[], ledger: readonly LedgerEntry[]) {
  const inventory = nodeListInventory(node)
  const now = Math.max(T0, Date.parse(node.heartbeatAt))
  const caches = new Map([[CACHE.owner, CACHE]])
  return updateLedger({ node, inventory, desired, removals: [], ledger, caches, evidence: NO_EVIDENCE, now })
}

/** The entry that the list of a node makes of an entry. */
function entryAfter(node: NodeFacts, entry: LedgerEntry | undefined, changes: Partial<DesiredImage> = {}) {
  const image = changes.image ?? IMAGE
  const desired = desiredOf([image], CACHE).map(wanted => ({ ...wanted, ...changes }))
  const [after] = ledgerOf(node, desired, entry ? [entry] : [])
  if (!after) throw new Error('the ledger lost the image')
  return after
}

describe('the list of a node', () => {
  it('proves nothing where a secret may have brought the image', () => {
    const node = nodeOf('n1', [[IMAGE]], at(600))
    const other = compiledOf('other', [IMAGE], { imagePullSecrets: [{ name: 'password' }] })
    const desired = [...desiredOf([IMAGE], CACHE), ...desiredOf([IMAGE], other)]
    const theirs = entryOf(IMAGE, { credential: other.credential })
    const factsOf = (ledger: LedgerEntry[]) =>
      ledgerOf(node, desired, ledger).map(({ credential, presence, attempt }) => [
        credential,
        presence?.state ?? attempt?.state,
      ])
    expect(factsOf([theirs])).toEqual([
      [undefined, undefined],
      [other.credential, 'Present'],
    ])
    expect(factsOf([failedEntryOf(IMAGE, 'Unauthorized'), theirs])).toEqual([
      [undefined, 'Failed'],
      [other.credential, 'Present'],
    ])
    // Nobody's secret has brought it: the image is there for all who need none.
    expect(factsOf([])).toEqual([
      [undefined, 'Present'],
      [other.credential, undefined],
    ])
  })

  it('is believed about a moving tag where it is surely newer than the pull', () => {
    const pulled = entryOf(IMAGE, { presence: { state: 'Present', since: at(600), by: 'Job', revision: 1 } })
    const look = (letter: string, heartbeat: number, entry = pulled) => {
      const node = nodeOf('n1', [[`r.test/a@${digest(letter)}`, IMAGE]], at(heartbeat))
      const after = entryAfter(node, entry, { pullPolicy: 'Always' })
      return { digest: after.presence?.digest, isDoubtful: isDoubtful(nodeListInventory(node), after) }
    }
    // It may still show what the tag meant before. A heart-beat alone wakes nobody, so it is looked at again.
    expect(look('a', 610)).toEqual({ digest: undefined, isDoubtful: true })
    expect(look('b', 670)).toEqual({ digest: digest('b'), isDoubtful: false })
    // The digest that the registry gave when the pull was asked for is no older than the pull.
    const asked = entryOf(IMAGE, {
      presence: { state: 'Present', since: at(600), by: 'Job', revision: 1, registryDigest: digest('b') },
    })
    expect(look('b', 610, asked)).toEqual({ digest: digest('b'), isDoubtful: false })
  })

  it.each<{
    name: string
    lists?: string[][]
    presence: Partial<NonNullable<LedgerEntry['presence']>>
    isGone: boolean
  }>([
    { name: 'a whole list that has never shown it', presence: { since: at(0) }, isGone: false },
    {
      name: 'a whole list that has shown it before',
      presence: { since: at(590), listed: true },
      isGone: true,
    },
    {
      name: 'a full list that has shown it before',
      lists: Array.from({ length: 50 }, (_, index) => [`other.test/b:${index}`]),
      presence: { since: at(0), listed: true },
      isGone: false,
    },
  ])(
    '$name that lacks a present image: gone $isGone',
    ({ lists = [['other.test/b:1']], presence, isGone }) => {
      const node = nodeOf('n1', lists, at(600))
      const entry = entryOf(IMAGE, {
        presence: { state: 'Present', since: at(0), by: 'Job', revision: 1, ...presence },
        pulledByUs: false,
      })
      const after = entryAfter(node, entry)
      if (isGone) {
        // What was there before the operator never becomes the operator's.
        const absent = { state: 'Absent', since: at(600), by: 'NodeList' }
        expect(after).toMatchObject({ presence: absent, pulledByUs: false })
      } else expect(after).toMatchObject({ presence: entry.presence, pulledByUs: false })
      expect(isDoubtful(nodeListInventory(node), after)).toBe(false)
    },
  )

  it('proves that an image is there, and ends a failure', () => {
    const node = nodeOf('n1', [[`r.test/a@${digest('a')}`, IMAGE]], at(600))
    const after = entryAfter(node, failedEntryOf(IMAGE, 'RegistryUnavailable'))
    const presence = { state: 'Present', since: at(600), by: 'NodeList', revision: 1, digest: digest('a') }
    expect(after).toMatchObject({ presence: { ...presence, listed: true } })
    expect(after).not.toHaveProperty('attempt')
  })

  it('proves nothing of an image that is always pulled', () => {
    const node = nodeOf('n1', [[IMAGE]], at(600))
    expect(entryAfter(node, undefined, { pullPolicy: 'Always' })).not.toHaveProperty('presence')
  })

  it('proves nothing where it may be older than a removal', () => {
    const removed = (seconds: number) =>
      entryOf(IMAGE, { presence: { state: 'Absent', since: at(seconds), by: 'Job' } })
    const node = nodeOf('n1', [[IMAGE]], at(600))
    expect(entryAfter(node, removed(590)).presence?.state).toBe('Absent')
    expect(entryAfter(node, removed(0)).presence?.state).toBe('Present')
  })

  it('is not needed for the digest of an image that is named by its digest', () => {
    const image = `r.test/a@${digest('c')}`
    expect(entryAfter(nodeOf('n1'), entryOf(image), { image }).presence?.digest).toBe(digest('c'))
  })
})

describe('isSameMachine', () => {
  const status = { nodeUid: 'uid-of-n1', machineId: 'machine-of-n1' }
  it.each<{ name: string; status: { nodeUid?: string; machineId?: string }; expected: boolean }>([
    { name: 'a ledger that names no node', status: {}, expected: true },
    { name: 'the ledger of the node', status, expected: true },
    {
      name: 'the ledger of an older Node of the same name',
      status: { ...status, nodeUid: 'old' },
      expected: false,
    },
    { name: 'the ledger of another machine', status: { ...status, machineId: 'old' }, expected: false },
  ])('$name: $expected', ({ status: known, expected }) => {
    expect(isSameMachine(nodeOf('n1'), known)).toBe(expected)
  })
})
