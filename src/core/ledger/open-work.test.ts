import { expect, it } from 'vitest'
import { circuitsOf } from '../../../test/builders/circuits.ts'
import { compiledOf } from '../../../test/builders/image-cache.ts'
import { desiredOf, entryOf, failedEntryOf, removalOf } from '../../../test/builders/node-images.ts'
import { nodeOf } from '../../../test/builders/node.ts'
import { T0, at } from '../../../test/builders/time.ts'
import { nodeListInventory } from '../node/index.ts'
import { openWork } from './open-work.ts'

const CACHE = compiledOf('cache', [])
const NODE = nodeOf('n1')
const IMAGES = ['there:1', 'new:1', 'waits:1', 'cordoned:1']
const failedRemoval = (image: string) =>
  entryOf(image, { removal: { state: 'Failed', revision: 1, count: 1, finishedAt: at(10) } })

/** The open work ten seconds after the tests begin. */
function workOf(mayRemove: boolean) {
  return openWork({
    node: NODE,
    inventory: nodeListInventory(NODE),
    caches: new Map([[CACHE.owner, CACHE]]),
    circuits: circuitsOf(),
    recheckIntervalMs: 0,
    now: T0 + 10_000,
    desired: desiredOf(IMAGES, CACHE),
    removals: ['gone:1', 'stays:1', 'failed:1'].map(image =>
      removalOf(image, image === 'stays:1' ? { stays: 'NotOurs' } : {}),
    ),
    ledger: [
      entryOf('there:1'),
      failedEntryOf('waits:1', 'RegistryUnavailable', { finishedAt: at(10) }),
      failedRemoval('failed:1'),
    ],
    startable: new Set(IMAGES.filter(image => image !== 'cordoned:1')),
    mayRemove,
  })
}

it('has the pulls and removals that are due now, and when the others are due', () => {
  const { pulls, removals, later } = workOf(true)
  expect(pulls.map(({ desired, entry, due }) => [desired.image, entry, due.how])).toEqual([
    ['new:1', undefined, 'ask'],
  ])
  expect(removals.map(({ image }) => image)).toEqual(['gone:1'])
  expect([...later.keys()]).toEqual(['waits:1', 'failed:1'])
  for (const ms of later.values()) expect(ms).toBeGreaterThanOrEqual(30_000)
})

it('has no removals where the node may have none', () => {
  const { pulls, removals, later } = workOf(false)
  expect(pulls).toHaveLength(1)
  expect([removals, [...later.keys()]]).toEqual([[], ['waits:1']])
})
