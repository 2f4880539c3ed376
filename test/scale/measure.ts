import { requestsBetween } from '../harness/api-requests.ts'
import { LEASES, type Lease } from '../../src/kube/lease.ts'
import { NAMESPACE } from './control-plane.ts'
import type { LoopDelay } from './probe.ts'
import type { World } from './world.ts'

/** What happened while a scenario ran. */
export interface Measured {
  readonly seconds: number
  readonly cpuSeconds: number
  /** Bytes. */
  readonly peakRss: number
  readonly delay: LoopDelay
  /** Processes that ended by themselves, or by their liveness probe. */
  readonly ends: number
  /** Times that the lease went to another process. */
  readonly leaseLost: number
  /** Creations and patches of NodeImages. */
  readonly nodeWrites: number
  /** Requests of everybody that the API server answered, by kind. */
  readonly requests: ReadonlyMap<string, number>
  readonly etcdPuts: number
  readonly etcdBytes: number
}

/** Measures the controller, the API server and etcd while something runs. */
export async function measure(world: World, action: () => Promise<void>): Promise<Measured> {
  const { plane, controller } = world
  await controller.resetPeaks()
  const before = await snapshot(world)
  const began = performance.now()
  await action()
  const seconds = (performance.now() - began) / 1000
  const after = await snapshot(world)
  const delay = await controller.loopDelay()
  const requests = requestsBetween(before.requests, after.requests).byKind
  return {
    seconds,
    cpuSeconds: after.usage.cpuSeconds - before.usage.cpuSeconds,
    peakRss: after.usage.peakRss,
    delay,
    ends: after.ends - before.ends,
    leaseLost: after.transitions - before.transitions,
    nodeWrites: countOf(requests, /^(POST|PATCH|PUT|APPLY) nodeimages(\/status)?$/),
    requests,
    etcdPuts: after.etcd.puts - before.etcd.puts,
    etcdBytes: after.etcd.bytes - before.etcd.bytes,
  }

  async function snapshot({ controller }: World) {
    const usage = controller.usage()
    return {
      usage,
      ends: controller.ends,
      transitions: (await leaseOf(world))?.spec?.leaseTransitions ?? 0,
      requests: await plane.apiRequests(),
      etcd: await plane.etcdLoad(),
    }
  }
}

/** Number of requests of the kinds that match. */
export function countOf(requests: ReadonlyMap<string, number>, kinds: RegExp): number {
  return [...requests].reduce((sum, [kind, count]) => sum + (kinds.test(kind) ? count : 0), 0)
}

/** The leader's Lease. Undefined before the first leader. */
export async function leaseOf({ plane }: World): Promise<Lease | undefined> {
  const leases = plane.client.resource<Lease>(LEASES)
  const { items } = await leases.list({
    namespace: NAMESPACE,
    fieldSelector: 'metadata.name=kubefledged-controller',
  })
  return items[0]
}
