import { cachesOf, createCache, NAMESPACE, outcomeOf } from '../caches.ts'
import { measure } from '../measure.ts'
import { image, KIND_LABEL, LISTED_IMAGES } from '../nodes.ts'
import { costs, type Result, settledIn, atMost, writes } from '../report.ts'
import type { World } from '../world.ts'

/** One cache of the 40 images that all nodes list. */

const NAME = 'all-present'
const BYTES_OF_HEAP = 15_000
const IMAGES = Array.from({ length: LISTED_IMAGES }, (_, index) => image(index))

/** The cache is created; nothing has to be pulled. */
export async function present(world: World): Promise<Result> {
  await world.fresh('listing')
  const result = await settle(world, 'one cache of 40 images that all nodes already have', () =>
    createCache(world.plane.client, NAME, IMAGES, { [KIND_LABEL]: 'listing' }),
  )
  world.leave(NAME)
  return result
}

/** The cache loses one image by an edit; nothing has to be pulled or removed. */
export async function edit(world: World): Promise<Result> {
  await world.have(NAME, () => present(world))
  const cacheSpec = [{ images: IMAGES.slice(1), nodeSelector: { [KIND_LABEL]: 'listing' } }]
  const result = await settle(world, 'that cache loses one image by an edit', () =>
    cachesOf(world.plane.client).mergePatch({ name: NAME, namespace: NAMESPACE }, { spec: { cacheSpec } }),
  )
  return result
}

async function settle(world: World, what: string, change: () => Promise<unknown>): Promise<Result> {
  const { nodes } = world.options
  let outcome: string | undefined
  const measured = await measure(world, async () => {
    await change()
    await world.until(async () => {
      const cache = await cachesOf(world.plane.client).get({ name: NAME, namespace: NAMESPACE })
      outcome = outcomeOf(cache)
      const { summary } = cache.status ?? {}
      return {
        done: outcome !== undefined,
        progress: `${outcome ?? 'not settled'}, nodes ${summary?.nodes ?? '-'}`,
      }
    })
  })
  const heap = await world.heapPerNode()
  return {
    title: `${nodes} nodes, ${what}`,
    figures: [
      settledIn('until Succeeded', outcome !== undefined, measured.seconds, measured.nodeWrites),
      ...writes(measured, nodes, { writes: 1 }),
      ...costs(measured),
      ...(heap === undefined ? [] : [atMost('heap per node', heap / 1e3, BYTES_OF_HEAP / 1e3, 'KB')]),
    ],
    ...(outcome !== 'Succeeded' && { wrong: `the cache is ${outcome ?? 'not settled'}` }),
  }
}
