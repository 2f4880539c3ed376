import type { LedgerEntry } from '../../api/node-images.ts'
import { imageName, isShortName, repositoryOf, tryParseReference } from '../../oci/reference.ts'
import type { CompiledCache } from '../demand/index.ts'
import { isPresent } from '../ledger/index.ts'
import type { NodeFacts } from '../node/index.ts'
import { namesOf, wantingLists } from './wanted-names.ts'

/** What a removal on a node must spare. */
export interface KeptReferences {
  /**
   * Names that caches want on the node, by repository: `r.io/app@sha256:…`, `r.io/app:1`.
   * Only repositories of removed images: a runtime removes a digest together with a tag of its repository.
   */
  readonly byRepository: ReadonlyMap<string, readonly string[]>
  /** References whose image only the runtime knows. They are on the node, as far as its ledger says. */
  readonly lookedUp: readonly string[]
}

/** What the references to keep depend on. */
export interface KeepInput {
  readonly node: NodeFacts
  /** The oldest first. */
  readonly caches: readonly CompiledCache[]
  readonly ledger: readonly LedgerEntry[]
}

/**
 * What the removal of these images must spare. What caches want by the same names is not among `images`:
 * the plan sees to that.
 */
export function keptReferences(
  { node, caches, ledger }: KeepInput,
  images: readonly string[],
): KeptReferences {
  const references = images.map(tryParseReference).filter(reference => reference !== undefined)
  const kept = new Map<string, Set<string>>()
  for (const reference of references) kept.set(repositoryOf(reference), new Set())
  const looksUp = !/^(containerd|docker):/.test(node.runtime)
  const isAnyMeant = looksUp && references.some(isShortName)
  const present = new Set(looksUp ? ledger.filter(isPresent).map(({ image }) => imageName(image)) : [])
  const lookedUp = new Set<string>()
  for (const { list } of wantingLists(node, caches)) {
    const { wanted, short } = namesOf(list)
    for (const [repository, names] of kept) {
      for (const name of wanted.get(repository) ?? []) names.add(name)
    }
    if (!looksUp) continue
    for (const [text, name] of short) if (present.has(name)) lookedUp.add(text)
    // The runtime may take a name without registry for any image.
    if (isAnyMeant) for (const name of [...wanted.values()].flat()) if (present.has(name)) lookedUp.add(name)
  }
  return {
    byRepository: new Map([...kept].map(([repository, names]) => [repository, [...names].toSorted()])),
    lookedUp: [...lookedUp].toSorted(),
  }
}
