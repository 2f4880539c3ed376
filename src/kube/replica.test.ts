import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { silentLogger } from '../base/logger.ts'
import type { KubeObject } from './object.ts'
import { Replica } from './replica.ts'
import { Store } from './store.ts'

function newReplica() {
  const store = new Store<KubeObject>({}, silentLogger)
  const replica = new Replica(store, raw => raw)
  const list = (resourceVersion: string, objects: readonly KubeObject[]) => {
    const listing = replica.startList()
    for (const object of objects) listing.add({ type: 'ADDED', object })
    listing.finish(resourceVersion)
  }
  const held = () => [...store.values()].map(({ metadata: m }) => `${m.name}@${m.resourceVersion}`).sort()
  return { replica, list, held }
}

function thing(name: string, resourceVersion: number, uid = name): KubeObject {
  return { metadata: { name, uid, resourceVersion: String(resourceVersion) } }
}

describe('a replica', () => {
  it('becomes equal to each list, whatever the versions were before', () => {
    const collection = fc.uniqueArray(
      fc.record({
        name: fc.constantFrom('a', 'b', 'c', 'd'),
        version: fc.integer({ min: 1, max: 50 }),
        uid: fc.constantFrom('u1', 'u2'),
      }),
      { selector: ({ name }) => name },
    )
    // The version of a list is not older than its objects.
    const lists = fc.array(fc.tuple(collection, fc.integer({ min: 50, max: 60 })), { maxLength: 6 })
    fc.assert(
      fc.property(lists, all => {
        const { list, held } = newReplica()
        for (const [objects, version] of all) {
          list(
            String(version),
            objects.map(object => thing(object.name, object.version, object.uid)),
          )
          expect(held()).toEqual(objects.map(({ name, version }) => `${name}@${version}`).sort())
        }
      }),
    )
  })

  it('keeps the answer of a write that is newer than the list', () => {
    const { replica, list, held } = newReplica()
    list('10', [thing('a', 5)])
    replica.upsert(thing('a', 12))
    replica.upsert(thing('new', 13))
    list('11', [thing('a', 5)])
    expect(held()).toEqual(['a@12', 'new@13'])
    list('14', [])
    expect(held()).toEqual([])
  })

  it('takes over changes that come before the end of a list', () => {
    const { replica, list, held } = newReplica()
    list('10', [thing('a', 5), thing('b', 6), thing('c', 9)])
    const listing = replica.startList()
    listing.add({ type: 'ADDED', object: thing('a', 4) })
    listing.add({ type: 'ADDED', object: thing('b', 6) })
    listing.add({ type: 'MODIFIED', object: thing('a', 5) })
    listing.add({ type: 'DELETED', object: thing('b', 11) })
    listing.finish('12')
    expect(held()).toEqual(['a@5'])
  })

  it('refuses an event that is older than what it has seen', () => {
    const { replica, list, held } = newReplica()
    list('10', [thing('a', 5)])
    replica.apply({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '20' } } })
    replica.apply({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '20' } } })
    expect(() => replica.apply({ type: 'MODIFIED', object: thing('a', 19) })).toThrow(
      'the API server went back from version 20 to 19',
    )
    expect(held()).toEqual(['a@5'])
    expect(replica.progress).toBe('20')
  })
})
