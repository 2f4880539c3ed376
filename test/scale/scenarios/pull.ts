import { createCache, cachesOf, NAMESPACE, outcomeOf } from '../caches.ts'
import { countOf, measure } from '../measure.ts'
import { image, KIND_LABEL, LISTED_IMAGES } from '../nodes.ts'
import { atMost, costs, plain, type Result, settledIn, writes } from '../report.ts'
import type { World } from '../world.ts'

/** Nodes without images pull the images of one cache, by simulated kubelets. */

const NAME = 'to-pull'
const REQUESTS_PER_IMAGE = 6
const BYTES_PER_NODE = 300e3

/** Creates the cache and waits until every node has reported all its images. */
export async function pull(world: World): Promise<Result> {
  await world.fresh('empty')
  const { pullNodes, pullImages } = world.options
  const images = Array.from({ length: pullImages }, (_, index) => image(LISTED_IMAGES + index))
  let outcome: string | undefined
  const measured = await measure(world, async () => {
    await createCache(world.plane.client, NAME, images, { [KIND_LABEL]: 'empty' })
    await world.until(async () => {
      const cache = await cachesOf(world.plane.client).get({ name: NAME, namespace: NAMESPACE })
      outcome = outcomeOf(cache)
      return {
        done: outcome !== undefined,
        progress: `${outcome ?? 'not settled'}, nodes ${cache.status?.summary?.nodes ?? '-'}`,
      }
    })
  })
  const requests = countOf(measured.requests, /^(?!GET|LIST|WATCH|CONNECT).*/)
  return {
    title: `${pullNodes} nodes pull ${pullImages} images, simulated kubelets`,
    figures: [
      settledIn('until Succeeded', outcome !== undefined, measured.seconds, measured.nodeWrites),
      plain('Jobs', countOf(measured.requests, /^POST jobs$/), '', 0),
      atMost('requests per node and image', requests / pullNodes / pullImages, REQUESTS_PER_IMAGE, '', 2),
      ...writes(measured, pullNodes, { bytes: BYTES_PER_NODE }),
      ...costs(measured),
    ],
    ...(outcome !== 'Succeeded' && { wrong: `the cache is ${outcome ?? 'not settled'}` }),
  }
}
