import { describe, expect, it } from 'vitest'
import { PURGE_FINALIZER } from '../../api/constants.ts'
import type { ImageCacheStatus } from '../../api/image-cache.ts'
import type { PlanOwner } from '../../api/node-images.ts'
import { compiledOf } from '../../../test/builders/image-cache.ts'
import { desiredOf, removalOf } from '../../../test/builders/node-images.ts'
import { at } from '../../../test/builders/time.ts'
import { newRequests, planOwners } from './owners.ts'

const IMAGE = 'r.test/a:1'
const NOTHING = { refresh: false, edit: false, purge: false }
const followed = (changes: Partial<PlanOwner> = {}): PlanOwner => ({
  cache: 'team/c',
  generation: 1,
  ...changes,
})

describe('newRequests', () => {
  it.each<{
    name: string
    status?: ImageCacheStatus
    generation?: number
    known: PlanOwner | undefined
    expected: object
  }>([
    {
      name: 'a cache that is new for the node has none',
      status: { refreshRevision: 3, purgeRevision: 2 },
      known: undefined,
      expected: NOTHING,
    },
    { name: 'the plan follows all', known: followed(), expected: NOTHING },
    {
      name: 'the plan follows all, with numbers',
      status: { refreshRevision: 3, purgeRevision: 2 },
      known: followed({ refresh: 3, purge: 2 }),
      expected: NOTHING,
    },
    {
      name: 'a first refresh',
      status: { refreshRevision: 1 },
      known: followed(),
      expected: { ...NOTHING, refresh: true },
    },
    {
      name: 'another refresh',
      status: { refreshRevision: 4 },
      known: followed({ refresh: 3 }),
      expected: { ...NOTHING, refresh: true },
    },
    {
      name: 'a number that went back, as after a restore from a backup',
      status: {},
      known: followed({ refresh: 3 }),
      expected: { ...NOTHING, refresh: true },
    },
    { name: 'an edit', generation: 2, known: followed(), expected: { ...NOTHING, edit: true } },
    {
      name: 'a purge',
      status: { purgeRevision: 2 },
      known: followed({ purge: 1 }),
      expected: { ...NOTHING, purge: true },
    },
  ])('$name', ({ status = {}, generation = 1, known, expected }) => {
    const cache = compiledOf('c', [IMAGE], {}, status, { generation })
    expect(newRequests(cache, known)).toEqual(expected)
  })

  it('takes the purge of a deletion for one request, whatever was purged before', () => {
    const metadata = { deletionTimestamp: at(0), finalizers: [PURGE_FINALIZER] }
    const cache = compiledOf('c', [IMAGE], { deletionPolicy: 'Purge' }, { purgeRevision: 2 }, metadata)
    expect(newRequests(cache, followed({ purge: 2 })).purge).toBe(true)
    expect(newRequests(cache, followed({ purge: -1 })).purge).toBe(false)
  })
})

describe('planOwners', () => {
  const cache = compiledOf('c', [IMAGE], {}, { refreshRevision: 2, purgeRevision: 1 }, { generation: 7 })

  it('records the requests of the caches of images and of removals', () => {
    const record = { cache: 'team/c', generation: 7, refresh: 2, purge: 1 }
    expect(planOwners(desiredOf([IMAGE], cache), [cache], {})).toEqual({ [cache.owner]: record })
    expect(planOwners([removalOf(IMAGE, { owners: [cache.owner] })], [cache], {})).toEqual({
      [cache.owner]: record,
    })
    expect(newRequests(cache, record)).toEqual(NOTHING)
  })

  it('records no cache that nothing is planned for', () => {
    expect(planOwners([], [cache], { [cache.owner]: followed() })).toEqual({})
  })

  it('keeps the record of a cache that is gone while a removal names it', () => {
    const previous = { gone: followed({ cache: 'team/gone' }) }
    expect(planOwners([removalOf(IMAGE, { owners: ['gone', 'unknown'] })], [], previous)).toEqual(previous)
  })

  it('makes a new record read as followed, also without numbers', () => {
    const plain = compiledOf('p', [IMAGE])
    const owners = planOwners(desiredOf([IMAGE], plain), [plain], {})
    expect(owners[plain.owner]).toEqual({ cache: 'team/p', generation: 1 })
    expect(newRequests(plain, owners[plain.owner])).toEqual(NOTHING)
  })
})
