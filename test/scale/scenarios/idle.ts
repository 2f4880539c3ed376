import { setTimeout as delay } from 'node:timers/promises'
import { metric } from '../control-plane.ts'
import { measure } from '../measure.ts'
import { heartbeat } from '../nodes.ts'
import { atMost, costs, plain, type Result } from '../report.ts'
import type { World } from '../world.ts'
import { present } from './one-cache.ts'

/** What the controller takes while nothing changes but the heartbeats of nodes. */

const SECONDS = 60
/** Status reports per second of 5 000 kubelets: each reports every five minutes when nothing changed. */
const RATE = 17
const PERCENT_OF_A_CORE = 3

/** Heartbeats while the cache of the scenario `present` is settled. */
export async function idle(world: World): Promise<Result> {
  await world.have('all-present', () => present(world))
  await world.leadingAndQuiet(world.options.limit * 1000)
  const requests = await ownRequests(world)
  const measured = await measure(world, () => beat(world))
  const asked = (await ownRequests(world)) - requests
  return {
    title: `${world.options.nodes} nodes, ${RATE} heartbeats a second for ${SECONDS} s`,
    figures: [
      atMost(
        'CPU of the controller',
        (measured.cpuSeconds / measured.seconds) * 100,
        PERCENT_OF_A_CORE,
        '% of a core',
      ),
      plain("controller's requests per second", asked / measured.seconds, ''),
      ...costs(measured).slice(1),
    ],
  }
}

async function beat(world: World): Promise<void> {
  const began = performance.now()
  for (let count = 0; count < SECONDS * RATE; count++) {
    await heartbeat(world.plane.client, 'listing', count % world.options.nodes)
    await delay(Math.max(0, began + ((count + 1) * 1000) / RATE - performance.now()))
  }
}

async function ownRequests({ controller }: World): Promise<number> {
  return metric((await controller.metrics()) ?? '', 'kubefledged_api_requests')
}
