import { isKubeError } from '../../../src/kube/index.ts'
import { cachesOf, createCache, NAMESPACE, outcomeOf } from '../caches.ts'
import { inParallel } from '../in-parallel.ts'
import { measure } from '../measure.ts'
import { image, KIND_LABEL, LISTED_IMAGES, POOLS } from '../nodes.ts'
import { costs, type Result, settledIn, writes } from '../report.ts'
import type { World } from '../world.ts'

/** Many caches of one image each, which all their nodes list. */

const GROUPS = {
  all: { count: 100, what: '100 caches of one image on all nodes' },
  pools: { count: 300, what: 'beside them 300 caches, each on a pool of nodes' },
} as const

type Group = keyof typeof GROUPS

/** 100 caches on all nodes. */
export async function caches100(world: World): Promise<Result> {
  await world.fresh('listing')
  return settle(world, 'all')
}

/** 300 caches on pools, beside the 100. */
export async function pools300(world: World): Promise<Result> {
  await world.have('all', () => caches100(world))
  return settle(world, 'pools')
}

/** Makes all 400 caches, unless they are there. */
export async function haveManyCaches(world: World): Promise<void> {
  await world.have('pools', () => pools300(world))
}

/** Name of a cache of a group. */
export function cacheName(group: Group, index: number): string {
  return `${group}-${index}`
}

async function settle(world: World, group: Group): Promise<Result> {
  const { count, what } = GROUPS[group]
  let settled = 0
  let isSettled = false
  const measured = await measure(world, async () => {
    await inParallel(Array(count).keys(), index => create(world, group, index))
    isSettled = await world.until(async () => {
      const { items } = await cachesOf(world.plane.client).list({ namespace: NAMESPACE })
      const caches = items.filter(({ metadata }) => metadata.name.startsWith(`${group}-`))
      settled = caches.filter(cache => outcomeOf(cache) === 'Succeeded').length
      return { done: settled === count, progress: `${settled} of ${count} caches Succeeded` }
    })
  })
  world.leave(group)
  return {
    title: `${world.options.nodes} nodes, ${what}`,
    figures: [
      settledIn(`until all ${count} Succeeded`, isSettled, measured.seconds, measured.nodeWrites),
      ...writes(measured, world.options.nodes),
      ...costs(measured),
    ],
    ...(!isSettled && { wrong: `only ${settled} of ${count} caches Succeeded` }),
  }
}

async function create(world: World, group: Group, index: number): Promise<void> {
  const selector = group === 'all' ? { [KIND_LABEL]: 'listing' } : { pool: `pool-${index % POOLS}` }
  try {
    await createCache(world.plane.client, cacheName(group, index), [image(index % LISTED_IMAGES)], selector)
  } catch (error) {
    if (!isKubeError(error, 'AlreadyExists')) throw error
  }
}
