import { REFRESH_ANNOTATION } from '../../../src/api/constants.ts'
import { cachesOf, NAMESPACE, outcomeOf } from '../caches.ts'
import { leaseOf, measure } from '../measure.ts'
import { atMost, plain, type Result } from '../report.ts'
import type { World } from '../world.ts'
import { cacheName, haveManyCaches } from './many-caches.ts'

/** What the controller does with 100 caches on all nodes and 300 on pools in place. */

const SEEN_SECONDS = 2
const BACK_SECONDS = 30

/** A refresh is asked for by annotation. */
export async function annotation(world: World): Promise<Result> {
  await haveManyCaches(world)
  const caches = cachesOf(world.plane.client)
  const target = { name: cacheName('pools', 0), namespace: NAMESPACE }
  const before = (await caches.get(target)).status?.refreshRevision ?? 0
  let isSeen = false
  let seenAfter = 0
  const measured = await measure(world, async () => {
    const began = performance.now()
    await caches.mergePatch(target, { metadata: { annotations: { [REFRESH_ANNOTATION]: '' } } })
    isSeen = await world.until(async () => {
      const { refreshRevision = 0 } = (await caches.get(target)).status ?? {}
      seenAfter = (performance.now() - began) / 1000
      return { done: refreshRevision > before, progress: 'waiting until the annotation is seen' }
    }, 100)
  })
  await world.until(async () => {
    const outcome = outcomeOf(await caches.get(target))
    return { done: outcome !== undefined, progress: 'waiting until the refresh is over' }
  })
  return {
    title: `${world.options.nodes} nodes, 400 caches, a refresh by annotation`,
    figures: [
      atMost('annotation seen after', seenAfter, SEEN_SECONDS, 's'),
      plain('event-loop delay, longest', measured.delay.longest, 'ms', 0),
      atMost('lease lost', measured.leaseLost, 0, 'times', 0),
    ],
    ...(!isSeen && { wrong: 'the annotation was not seen' }),
  }
}

/** The controller is killed and started again. */
export async function restart(world: World): Promise<Result> {
  await haveManyCaches(world)
  const holder = (await leaseOf(world))?.spec?.holderIdentity
  await world.controller.kill()
  world.controller.start()
  const before = world.controller.usage().cpuSeconds
  const seconds = await world.leadingAndQuiet(world.options.limit * 1000, holder)
  const { cpuSeconds, peakRss } = world.controller.usage()
  const { p99, longest } = await world.controller.loopDelay()
  return {
    title: `${world.options.nodes} nodes, 400 caches, the controller is killed and started again`,
    figures: [
      atMost('leading, with empty queues after', seconds, BACK_SECONDS, 's'),
      plain('CPU of the controller', cpuSeconds - before, 's'),
      plain('memory (RSS), greatest', peakRss / 1e6, 'MB', 0),
      plain('event-loop delay, p99', p99, 'ms', 0),
      plain('event-loop delay, longest', longest, 'ms', 0),
    ],
  }
}
