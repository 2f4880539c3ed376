import { setTimeout as delay } from 'node:timers/promises'
import { isKubeError } from '../../src/kube/index.ts'
import { namespaceOf } from '../builders/namespace.ts'
import { HarnessError } from '../harness/errors.ts'
import { eventually } from '../harness/eventually.ts'
import { NAMESPACE, OTHER_NAMESPACE } from './caches.ts'
import { type ControlPlane, metric } from './control-plane.ts'
import type { ControllerProcess } from './controller-process.ts'
import { leaseOf } from './measure.ts'
import { createNodes, deleteNodes, type NodeKind } from './nodes.ts'
import type { ScaleOptions } from './options.ts'

const READY_MS = 180_000
const LOOK_MS = 1000
/** Looks in a row that must find empty queues. */
const QUIET_LOOKS = 3

/** The cluster of a run: its processes, and which nodes and caches it has. */
export class World {
  readonly options: ScaleOptions
  readonly plane: ControlPlane
  readonly controller: ControllerProcess
  /** Bytes of heap of a controller without nodes. */
  #emptyHeap = 0
  #nodes: NodeKind | undefined
  /** Names of what scenarios have left for others. */
  readonly #left = new Set<string>()

  constructor(options: ScaleOptions, plane: ControlPlane, controller: ControllerProcess) {
    this.options = options
    this.plane = plane
    this.controller = controller
  }

  /** Creates the namespaces, starts the controller without nodes, and measures its heap. */
  async prepare(): Promise<void> {
    for (const name of [NAMESPACE, OTHER_NAMESPACE]) {
      await this.plane.client.request({
        verb: 'create',
        path: '/api/v1/namespaces',
        body: namespaceOf(name),
      })
    }
    this.controller.start()
    await this.leadingAndQuiet(READY_MS)
    this.#emptyHeap = (await this.controller.heap()) ?? 0
  }

  /** A controller that has just been started, without caches, in a cluster with these nodes only. */
  async fresh(kind: NodeKind): Promise<void> {
    await this.controller.stop()
    this.#left.clear()
    for (const collection of [
      '/apis/kubefledged.io/v1alpha2/namespaces/scale/imagecaches',
      '/apis/kubefledged.io/v1alpha2/namespaces/other/imagecaches',
      '/apis/kubefledged.io/v1alpha2/nodeimages',
      '/apis/batch/v1/namespaces/scale/jobs',
      '/api/v1/namespaces/scale/pods',
    ]) {
      await this.#deleteAll(collection)
    }
    if (this.#nodes !== kind) {
      if (this.#nodes) await deleteNodes(this.plane.client, this.#nodes)
      const count = kind === 'listing' ? this.options.nodes : this.options.pullNodes
      console.log(`creating ${count} nodes`)
      await createNodes(this.plane.client, kind, count)
      this.#nodes = kind
    }
    this.controller.start()
    await this.leadingAndQuiet(READY_MS)
  }

  /** The API server ends a request after a minute. It goes on with what is left. */
  async #deleteAll(collection: string): Promise<void> {
    for (;;) {
      try {
        const query = { propagationPolicy: 'Background' }
        await this.plane.client.request({ verb: 'delete', path: collection, query, timeoutMs: 300_000 })
        return
      } catch (error) {
        if (!isKubeError(error, 'Timeout')) throw error
        console.log(`deleting ${collection} takes long`)
      }
    }
  }

  /** Makes what a scenario starts from, unless another scenario has left it. */
  async have(name: string, make: () => Promise<unknown>): Promise<void> {
    if (this.#left.has(name)) return
    console.log(`preparing: ${name}`)
    await make()
    this.#left.add(name)
  }

  /** Notes what a scenario leaves for others. */
  leave(name: string): void {
    this.#left.add(name)
  }

  /**
   * Waits until the controller leads and no key waits in its queues. Resolves to the seconds until then.
   *
   * @param since the leader to replace
   */
  async leadingAndQuiet(timeoutMs: number, since = ''): Promise<number> {
    const began = performance.now()
    let quietSince = 0
    let looks = 0
    await eventually(
      'the controller to lead with empty queues',
      async () => {
        const holder = (await leaseOf(this))?.spec?.holderIdentity
        const page = holder && holder !== since ? await this.controller.metrics() : undefined
        const isQuiet =
          page !== undefined &&
          metric(page, 'kubefledged_queue_depth') === 0 &&
          metric(page, 'kubefledged_reconcile_total') > 0
        if (isQuiet && looks === 0) quietSince = performance.now()
        looks = isQuiet ? looks + 1 : 0
        return looks >= QUIET_LOOKS
      },
      { timeoutMs, everyMs: LOOK_MS },
    )
    return (quietSince - began) / 1000
  }

  /**
   * Bytes of heap for each node, when the controller has nothing to do. Undefined for a controller that
   * does not get that far.
   */
  async heapPerNode(): Promise<number | undefined> {
    try {
      await this.leadingAndQuiet(READY_MS)
    } catch (error) {
      if (error instanceof HarnessError && error.code === 'DeadlineExceeded') return undefined
      throw error
    }
    const heap = await this.controller.heap()
    return heap === undefined ? undefined : (heap - this.#emptyHeap) / this.options.nodes
  }

  /**
   * Looks until all is done, or the limit of the options has passed. Prints how far it is. Resolves to
   * whether all was done.
   */
  async until(
    look: () => Promise<{ readonly done: boolean; readonly progress: string }>,
    everyMs = 500,
  ): Promise<boolean> {
    const began = performance.now()
    for (let printed = 0; ; ) {
      const { done, progress } = await look()
      const seconds = (performance.now() - began) / 1000
      if (done || seconds > this.options.limit || seconds > printed + 10) {
        const { cpuSeconds, peakRss } = this.controller.usage()
        console.log(
          `  ${seconds.toFixed(0).padStart(4)} s  ${progress}; CPU ${cpuSeconds.toFixed(0)} s, RSS at most ${(peakRss / 1e6).toFixed(0)} MB`,
        )
        printed = seconds
      }
      if (done) return true
      if (seconds > this.options.limit) return false
      await delay(everyMs)
    }
  }
}
