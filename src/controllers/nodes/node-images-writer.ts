import { API_VERSION } from '../../api/constants.ts'
import type { LedgerEntry, NodeImages, NodeImagesSpec } from '../../api/node-images.ts'
import { isKubeError, mergePatchOf, withoutManagedFields } from '../../kube/index.ts'
import { countImages } from '../../core/ledger/index.ts'
import type { NodeFacts } from '../../core/node/index.ts'
import type { ClusterState } from '../../state/cluster-state.ts'

/**
 * Shortest time between two ledger writes of a node.
 * It grows with the number of nodes: all nodes together write at most 50 times per second.
 */
const WRITE_INTERVAL_MS = 2_000
const WRITES_PER_SECOND = 50

/**
 * Writes the NodeImages of nodes: the plan and the ledger, at a limited rate.
 * Writes nothing where nothing differs. All methods throw KubeError.
 */
export class NodeImagesWriter {
  readonly #cluster: ClusterState
  /** When the ledger of each node was last written, on the clock of this process. */
  readonly #lastWrite = new Map<string, number>()

  constructor(cluster: ClusterState) {
    this.#cluster = cluster
  }

  /** Forgets a node that is gone. */
  forget(name: string): void {
    this.#lastWrite.delete(name)
  }

  /** Deletes the object, but not a newer object of the same name. */
  async delete({ metadata: { name, uid = '' } }: NodeImages, signal: AbortSignal): Promise<void> {
    try {
      await this.#cluster.nodeImages.delete({ name }, { preconditions: { uid }, signal })
    } catch (error) {
      if (!isKubeError(error, 'NotFound', 'Conflict')) throw error
    }
  }

  /** Creates the object of a node that has none. */
  async create(node: NodeFacts, spec: NodeImagesSpec, signal: AbortSignal): Promise<NodeImages> {
    const { name, uid = '' } = node.metadata
    const ownerReferences = [{ apiVersion: 'v1', kind: 'Node', name, uid }]
    const created = await this.#cluster.nodeImages.create(
      {
        apiVersion: API_VERSION,
        kind: 'NodeImages',
        metadata: { name, ownerReferences },
        spec,
      },
      { signal },
    )
    return this.#kept(created)
  }

  /** Writes the plan of the node. Resolves to the object as it is then. */
  async writeSpec(current: NodeImages, spec: NodeImagesSpec, signal: AbortSignal): Promise<NodeImages> {
    const patch = mergePatchOf(current.spec ?? {}, spec)
    if (patch === undefined) return current
    const { name } = current.metadata
    return this.#kept(await this.#cluster.nodeImages.mergePatch({ name }, { spec: patch }, { signal }))
  }

  /**
   * Writes the ledger. Resolves to 0, or to the milliseconds until its turn.
   *
   * @param ledger.rests true where the node has no work left.
   *   Its ledger is written at once, because a cache may wait for it.
   */
  async writeLedger(
    node: NodeFacts,
    nodeImages: NodeImages,
    { images, rests }: { readonly images: readonly LedgerEntry[]; readonly rests: boolean },
    signal: AbortSignal,
  ): Promise<number> {
    const { name, uid } = node.metadata
    const { generation, resourceVersion } = nodeImages.metadata
    const status = {
      ...(generation !== undefined && { observedGeneration: generation }),
      ...(uid !== undefined && { nodeUid: uid }),
      machineId: node.machineId,
      counts: countImages(nodeImages.spec?.images ?? [], images),
      images,
    }
    const patch = mergePatchOf(nodeImages.status ?? {}, status)
    if (patch === undefined) return 0
    const nodes = this.#cluster.nodeInformer.size
    const interval = Math.max(WRITE_INTERVAL_MS, (nodes / WRITES_PER_SECOND) * 1000)
    const wait = (this.#lastWrite.get(name) ?? 0) + interval - Date.now()
    if (wait > 0 && !rests) return wait
    const body = { metadata: { resourceVersion }, status: patch }
    this.#kept(await this.#cluster.nodeImages.mergePatch({ name }, body, { subresource: 'status', signal }))
    this.#lastWrite.set(name, Date.now())
    return 0
  }

  /** Read-your-writes: the next look sees what was written. */
  #kept(written: NodeImages): NodeImages {
    const object = withoutManagedFields(written)
    this.#cluster.nodeImagesInformer.upsert(object)
    return object
  }
}
