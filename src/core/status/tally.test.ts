import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compiledOf } from '../../../test/builders/image-cache.ts'
import { desiredOf, entryOf, failedEntryOf, nodeImagesOf } from '../../../test/builders/node-images.ts'
import { nodeWith } from '../../../test/builders/node.ts'
import { at } from '../../../test/builders/time.ts'
import type { NodeImages } from '../../api/node-images.ts'
import type { NodeFacts } from '../node/index.ts'
import { Tally } from './tally.ts'

const IMAGES = ['r.io/a:1', 'r.io/b:1', 'r.io/c:1']
const CACHE = compiledOf('c', [...IMAGES, 'no reference'])

/** What is to be counted of one node. */
interface State {
  readonly node: NodeFacts
  readonly nodeImages: NodeImages
}

const entry = (image: string) =>
  fc.constantFrom(
    undefined,
    entryOf(image),
    entryOf(image, {
      presence: { state: 'Present', since: at(1), by: 'Job', revision: 1, digest: 'sha256:d' },
    }),
    failedEntryOf(image, 'ImageNotFound'),
    { image, attempt: { state: 'Pulling' as const, revision: 1 } },
  )

function stateOf(name: string): fc.Arbitrary<State> {
  return fc
    .record({
      ready: fc.boolean(),
      isYoung: fc.boolean(),
      entries: fc.tuple(...IMAGES.map(entry)),
      kept: fc.boolean(),
    })
    .map(({ ready, isYoung, entries, kept }) => {
      const node = nodeWith(name, { ready, madeAt: at(isYoung ? 100 : -100) })
      const removal = { image: 'r.io/gone:1', owners: [CACHE.owner], revision: 1, stays: 'NotOurs' as const }
      const spec = { images: desiredOf(IMAGES, CACHE), ...(kept && { remove: [removal] }) }
      const ledger = entries.flatMap(each => each ?? [])
      return { node, nodeImages: nodeImagesOf(node, spec, ledger) }
    })
}

const NAMES = ['n1', 'n2', 'n3', 'n4']
/** Changes of nodes, one after the other. Without a state, the node goes. */
const CHANGES = fc.array(
  fc
    .constantFrom(...NAMES)
    .chain(name => fc.record({ name: fc.constant(name), state: fc.option(stateOf(name)) })),
  { maxLength: 30 },
)

function add(tally: Tally, { node, nodeImages }: State): void {
  tally.add(node, nodeImages)
}

describe('the sums over nodes', () => {
  it('are those of a new count, whatever has changed', () => {
    fc.assert(
      fc.property(CHANGES, changes => {
        const states = new Map<string, State>()
        const kept = new Tally(CACHE, at(0))
        for (const { name, state } of changes) {
          const before = states.get(name)
          if (before) kept.remove(before.node, before.nodeImages)
          if (state) add(kept, state)
          if (state) states.set(name, state)
          else states.delete(name)
        }
        const counted = new Tally(CACHE, at(0))
        for (const state of states.values()) add(counted, state)
        expect(kept.observation()).toEqual(counted.observation())
        expect(kept.awaited).toBe(counted.awaited)
        expect(kept.hasExamples).toBe(true)
      }),
    )
  })

  it('keep the same examples in the memory of a few nodes, and say when they have run out', () => {
    const names = Array.from({ length: 300 }, (_, index) => `n${String(index).padStart(3, '0')}`)
    const nodes = names.map(name => nodeWith(name, {}))
    const failed = nodes.map(node =>
      nodeImagesOf(node, { images: desiredOf(IMAGES, CACHE) }, [failedEntryOf('r.io/a:1', 'ImageNotFound')]),
    )
    const tally = new Tally(CACHE, at(0))
    for (const [index, node] of nodes.entries()) tally.add(node, failed[index])
    expect(tally.observation().failures.get('r.io/a:1')).toMatchObject({ total: 300 })
    expect(tally.observation().failures.get('r.io/a:1')?.listed).toHaveLength(10)
    for (const [index, node] of nodes.slice(0, 95).entries()) tally.remove(node, failed[index])
    expect(tally.hasExamples).toBe(false)
    expect(tally.observation().failures.get('r.io/a:1')).toMatchObject({ total: 205 })
  })
})
