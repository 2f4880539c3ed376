import { isShortName, normalizedName, repositoryOf, tryParseReference } from '../../oci/reference.ts'
import type { CompiledCache, CompiledList } from '../demand/index.ts'
import type { NodeFacts } from '../node/index.ts'
import { cacheIndex } from './cache-index.ts'

/** The images of a list, by the names under which a runtime lists them. */
export interface ListNames {
  /** All names, also of images that are refused: an image that is there stays. */
  readonly all: ReadonlySet<string>
  /** Names of the images that nodes are to hold, by repository. */
  readonly wanted: ReadonlyMap<string, readonly string[]>
  /** Images without a registry that nodes are to hold, as they are written, with their name. */
  readonly short: ReadonlyMap<string, string>
}

const NAMES = new WeakMap<CompiledList, ListNames>()

/**
 * The names of a list. They are found once for each list.
 * A text that is no reference has no name: no runtime can have an image of that name.
 */
export function namesOf(list: CompiledList): ListNames {
  const names = NAMES.get(list) ?? findNames(list)
  NAMES.set(list, names)
  return names
}

/**
 * The lists that want images on a node, whether there is work for it now or not, with their owners.
 * A cache that may not use the node wants nothing there.
 */
export function* wantingLists(
  node: NodeFacts,
  caches: readonly CompiledCache[],
): Generator<{ readonly owner: string; readonly list: CompiledList }> {
  for (const { cache, lists, isCrowdedOut } of cacheIndex(caches).selecting(node)) {
    const { activity, owner } = cache
    if (isCrowdedOut || (activity !== 'active' && activity !== 'suspended')) continue
    for (const { list, selection } of lists) {
      if (selection.kind === 'skipped' && selection.reason === 'NamespaceNodeSelector') continue
      yield { owner, list }
    }
  }
}

function findNames({ wanted, refused }: CompiledList): ListNames {
  const all = new Set<string>()
  const byRepository = new Map<string, string[]>()
  const short = new Map<string, string>()
  for (const { image } of wanted) {
    const reference = tryParseReference(image)
    if (!reference) continue
    const name = normalizedName(reference)
    if (isShortName(reference)) short.set(image, name)
    if (all.has(name)) continue
    all.add(name)
    const repository = repositoryOf(reference)
    const names = byRepository.get(repository)
    if (names) names.push(name)
    else byRepository.set(repository, [name])
  }
  for (const { image } of refused) {
    const reference = tryParseReference(image)
    if (reference) all.add(normalizedName(reference))
  }
  return { all, wanted: byRepository, short }
}
