import { API_VERSION } from '../../api/constants.ts'
import type { LedgerEntry, NodeImages, NodeImagesSpec, NodeImagesStatus } from '../../api/node-images.ts'
import { isKubeError, mergePatchOf } from '../../kube/index.ts'
import { countImages, fitMessages } from '../../core/ledger/index.ts'
import type { NodeFacts } from '../../core/node/index.ts'
import type { ClusterState } from '../../state/cluster-state.ts'
import { WriteBudget, type WriteKind } from './write-budget.ts'

/** Shortest time between two writes of the progress of a node, in milliseconds. */
const PROGRESS_INTERVAL_MS = 2_000

/** What is to be stored of a node. */
export interface NodeRecord {
  readonly spec: NodeImagesSpec
  readonly images: readonly LedgerEntry[]
}

/** The object as it is stored now, and the milliseconds until the record may be written. 0: it is stored. */
export interface Written {
  readonly stored: NodeImages | undefined
  readonly waitMs: number
}

/**
 * Writes the NodeImages of nodes: the plan and the ledger in one request, at a limited rate.
 * Writes nothing where nothing differs. All methods throw KubeError.
 */
export class NodeImagesWriter {
  readonly #cluster: ClusterState
  readonly #budget: WriteBudget
  /** When each node was last written, on the clock of this process. */
  readonly #lastWrite = new Map<string, number>()

  /** @param writesPerSecond of all nodes together */
  constructor(cluster: ClusterState, writesPerSecond: number) {
    this.#cluster = cluster
    this.#budget = new WriteBudget(writesPerSecond)
  }

  /** Forgets a node that is gone. */
  forget(name: string): void {
    this.#lastWrite.delete(name)
    this.#budget.forget(name)
  }

  /** Deletes the object, but not a newer object of the same name. */
  async delete({ metadata: { name, uid = '' } }: NodeImages, signal: AbortSignal): Promise<void> {
    try {
      await this.#cluster.nodeImages.delete({ name }, { preconditions: { uid }, signal })
    } catch (error) {
      if (!isKubeError(error, 'NotFound', 'Conflict')) throw error
    }
  }

  /**
   * Writes the plan and the ledger of a node where they differ from what is stored.
   *
   * @param current the stored object. Undefined where there is none.
   * @param kind `work` where a pull, a removal or a cache waits for this write
   */
  async write(
    node: NodeFacts,
    current: NodeImages | undefined,
    { spec, images }: NodeRecord,
    kind: WriteKind,
    signal: AbortSignal,
  ): Promise<Written> {
    const { name, uid } = node.metadata
    const status: NodeImagesStatus = {
      ...(uid !== undefined && { nodeUid: uid }),
      machineId: node.machineId,
      counts: countImages(spec.images ?? [], images),
      images: [...fitMessages(images)],
    }
    const patch = mergePatchOf({ spec: current?.spec ?? {}, status: current?.status ?? {} }, { spec, status })
    if (patch === undefined) return { stored: current, waitMs: 0 }
    const waitMs = this.#waitMs(name, kind, { spec, status })
    if (waitMs > 0) return { stored: current, waitMs }
    const { nodeImages } = this.#cluster
    const written = current
      ? await nodeImages.mergePatch({ name }, { metadata: versionOf(current), ...Object(patch) }, { signal })
      : await nodeImages.create(newObject(node, { spec, status }), { signal })
    this.#lastWrite.set(name, performance.now())
    // Read-your-writes: the next look sees what was written.
    const stored = this.#cluster.keepNodeImages(written)
    return { stored, waitMs: 0 }
  }

  #waitMs(name: string, kind: WriteKind, content: Pick<NodeImages, 'spec' | 'status'>): number {
    const now = performance.now()
    const early = (this.#lastWrite.get(name) ?? -Infinity) + PROGRESS_INTERVAL_MS - now
    if (early > 0 && kind === 'record') return early
    return this.#budget.waitMs(name, kind, Buffer.byteLength(JSON.stringify(content)), now)
  }
}

/** An object that somebody else has written since is not overwritten. */
function versionOf({ metadata: { resourceVersion } }: NodeImages): object {
  return resourceVersion === undefined ? {} : { resourceVersion }
}

function newObject(
  { metadata: { name, uid = '' } }: NodeFacts,
  content: Pick<NodeImages, 'spec' | 'status'>,
): NodeImages {
  return {
    apiVersion: API_VERSION,
    kind: 'NodeImages',
    metadata: { name, ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name, uid }] },
    ...content,
  }
}
