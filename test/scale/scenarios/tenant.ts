import { setTimeout as delay } from 'node:timers/promises'
import type { ImageCacheSpec } from '../../../src/api/image-cache.ts'
import { imageCacheOf } from '../../builders/image-cache.ts'
import { cachesOf, createCache, NAMESPACE, OTHER_NAMESPACE, outcomeOf } from '../caches.ts'
import { measure } from '../measure.ts'
import { image, KIND_LABEL } from '../nodes.ts'
import { atMost, costs, type Result, settledIn, writes } from '../report.ts'
import type { World } from '../world.ts'

/** One tenant writes large caches; the cache of another tenant must not wait for them. */

const CACHES = 20
/** With these each cache has 150 KB. */
const LISTS = 1_700
/** Time until the other tenant comes. */
const LEAD_MS = 10_000
const SEEN_SECONDS = 2

/** Creates the large caches, then the small one. */
export async function tenant(world: World): Promise<Result> {
  await world.fresh('listing')
  const caches = cachesOf(world.plane.client)
  const target = { name: 'small', namespace: OTHER_NAMESPACE }
  let begun: number | undefined
  let outcome: string | undefined
  let created = 0
  const measured = await measure(world, async () => {
    for (let index = 0; index < CACHES; index++) {
      await caches.create(imageCacheOf({ name: `large-${index}`, namespace: NAMESPACE }, largeSpec()))
    }
    await delay(LEAD_MS)
    created = performance.now()
    await createCache(
      world.plane.client,
      target.name,
      [image(1)],
      { [KIND_LABEL]: 'listing' },
      OTHER_NAMESPACE,
    )
    await world.until(async () => {
      const cache = await caches.get(target)
      if (cache.status?.status !== undefined) begun ??= (performance.now() - created) / 1000
      outcome = outcomeOf(cache)
      const progress = `the other tenant's cache: ${cache.status?.status ?? 'not begun'}, nodes ${cache.status?.summary?.nodes ?? '-'}`
      return { done: outcome !== undefined, progress }
    })
  })
  const seconds = measured.seconds - LEAD_MS / 1000
  return {
    title: `${world.options.nodes} nodes, ${CACHES} caches of 150 KB in one namespace, then one of another tenant`,
    figures: [
      begun === undefined
        ? { what: 'that one begun after', value: 'never', budget: `${SEEN_SECONDS} s`, isOk: false }
        : atMost('that one begun after', begun, SEEN_SECONDS, 's'),
      settledIn('that one settled after', outcome !== undefined, seconds, measured.nodeWrites),
      ...writes(measured, world.options.nodes),
      ...costs(measured),
    ],
    ...(outcome !== 'Succeeded' && { wrong: `the other tenant's cache is ${outcome ?? 'not settled'}` }),
  }
}

/** Many lists of the same image, whose tolerations differ. */
function largeSpec(): ImageCacheSpec {
  return {
    cacheSpec: Array.from({ length: LISTS }, (_, index) => ({
      images: [image(0)],
      tolerations: [{ key: `example.com/${index}`, operator: 'Exists' as const }],
    })),
  }
}
