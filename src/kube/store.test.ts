import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { KubeObject } from './object.ts'
import { type Logger, silentLogger } from '../base/logger.ts'
import { type Change, isNewer, keyOf, Store } from './store.ts'

interface Thing extends KubeObject {
  readonly colours: readonly string[]
}

function thing(name: string, resourceVersion: string, colours: readonly string[] = [], uid = 'u1'): Thing {
  return { metadata: { namespace: 'ns', name, uid, resourceVersion }, colours }
}

function newStore(log: Logger = silentLogger): { store: Store<Thing>; changes: string[] } {
  const store = new Store<Thing>({ colour: object => object.colours }, log)
  const changes: string[] = []
  store.subscribe(({ type, object, previous }) => {
    const { name, uid, resourceVersion } = object.metadata
    changes.push(
      `${type} ${name}/${uid}@${resourceVersion}${previous ? ` was @${previous.metadata.resourceVersion}` : ''}`,
    )
  })
  return { store, changes }
}

describe('Store', () => {
  it('reports additions, updates and deletions once each', () => {
    const { store, changes } = newStore()
    store.put(thing('a', '1'))
    store.put(thing('a', '1'))
    store.put(thing('a', '2'))
    store.delete('ns/a')
    store.delete('ns/a')
    expect(changes).toEqual(['added a/u1@1', 'updated a/u1@2 was @1', 'deleted a/u1@2'])
  })

  it('ignores older versions, also beyond 2^53', () => {
    const { store, changes } = newStore()
    store.put(thing('a', '9007199254740993'))
    store.put(thing('a', '9007199254740992'))
    expect(changes).toEqual(['added a/u1@9007199254740993'])
    expect(isNewer('10', '9')).toBe(true)
    expect(isNewer(undefined, '9')).toBe(false)
    expect(isNewer('1', undefined)).toBe(true)
  })

  it('reports a recreated object of the same name as deleted and added', () => {
    const { store, changes } = newStore()
    store.put(thing('a', '1', ['red'], 'old'))
    store.put(thing('a', '5', ['blue'], 'new'))
    expect(changes).toEqual(['added a/old@1', 'deleted a/old@1', 'added a/new@5'])
    expect(store.byIndex('colour', 'red')).toEqual([])
    expect(store.byIndex('colour', 'blue')).toHaveLength(1)
  })

  it('reports existing objects to a late subscriber', () => {
    const { store } = newStore()
    store.put(thing('a', '1'))
    const seen: Change<Thing>[] = []
    store.subscribe(change => seen.push(change))
    expect(seen.map(change => change.type)).toEqual(['added'])
  })

  it('logs the error of a handler and calls the next one', () => {
    const logged: object[] = []
    const { store } = newStore({ ...silentLogger, error: fields => logged.push(fields) })
    const failure = new Error('handler')
    store.subscribe(() => {
      throw failure
    })
    const seen: string[] = []
    store.subscribe(change => seen.push(change.type))
    store.put(thing('a', '1'))
    expect(seen).toEqual(['added'])
    expect(logged).toEqual([{ err: failure, type: 'added', key: 'ns/a' }])
  })

  it('rejects an unknown index', () => {
    expect(() => newStore().store.byIndex('size', 'x')).toThrow(RangeError)
  })

  it('finds by every index exactly the objects of a full scan', () => {
    const colours = ['red', 'green', 'blue']
    const step = fc.record({
      name: fc.constantFrom('a', 'b', 'c', 'd'),
      colours: fc.subarray(colours),
      uid: fc.constantFrom('u1', 'u2'),
      remove: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50 }), steps => {
        const { store } = newStore()
        steps.forEach(({ name, colours, uid, remove }, i) => {
          if (remove) store.delete(`ns/${name}`)
          else store.put(thing(name, String(i + 1), colours, uid))
        })
        for (const colour of colours) {
          const scanned = [...store.values()].filter(object => object.colours.includes(colour))
          expect(new Set(store.byIndex('colour', colour))).toEqual(new Set(scanned))
        }
      }),
    )
  })

  it('names objects by namespace and name', () => {
    expect(keyOf({ metadata: { name: 'n' } })).toBe('n')
    expect(keyOf(thing('a', '1'))).toBe('ns/a')
  })
})
