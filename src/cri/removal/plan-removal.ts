import { normalizedName, tryParseReference } from '../../oci/reference.ts'
import type { CriContainer, CriImage } from '../client.ts'
import { ImageIndex, type ImageName, type IndexedImage, leftoversOf, usersOf } from '../image-index.ts'
import type { RuntimeTraits } from '../traits.ts'

/**
 * Decides which images and names can be removed from a node. The CRI removes an image with all names of its
 * ID, and not every runtime protects an image that is in use or pinned. So the plan checks names, users and
 * pins before any call.
 */

/** The content of the node, and the references to remove. */
export interface RemovalInput {
  readonly images: readonly CriImage[]
  readonly containers: readonly CriContainer[]
  /** References that no known cache wants any more. */
  readonly remove: readonly string[]
  /** References that another cache wants on this node. */
  readonly keep: readonly string[]
  /** Repositories of which every digest stays. */
  readonly keepRepositories?: readonly string[] | undefined
  readonly traits: RuntimeTraits
  /** Result of `resolveShortNames` for these references. */
  readonly shortNames: ReadonlyMap<string, string>
}

/** Why a reference is kept, or that it is already gone. */
export type KeepReason =
  /** It is not on the node. */
  | 'NotFound'
  /** A container, running or not, was created from it or mounts it. */
  | 'InUse'
  /**
   * Another cache wants it. Or it wants the same image by another name that this runtime cannot remove
   * separately.
   */
  | 'WantedByOthers'
  /** The image has another name that is not ours, and the runtime can only remove both. */
  | 'SharedId'
  /** The runtime protects it from garbage collection, or it is the sandbox image. */
  | 'Pinned'
  /** It is not an image reference. */
  | 'InvalidReference'

/** The decision for one reference. `step` is the index of the step that removes it. */
export type RemovalDecision =
  | { readonly kind: 'Remove'; readonly step: number }
  | { readonly kind: 'Keep'; readonly reason: KeepReason; readonly detail: string }

/** One call or group of calls to the runtime. */
export type RemovalStep =
  /**
   * Removes the image with all its names, after its leftover containers. Names are as the runtime lists them.
   */
  | {
      readonly kind: 'RemoveImage'
      readonly id: string
      readonly names: readonly string[]
      readonly sizeBytes: number
      readonly leftovers: readonly string[]
    }
  /** Removes these names, as the runtime lists them. The image stays with its other names. */
  | { readonly kind: 'RemoveNames'; readonly id: string; readonly names: readonly string[] }

/** At most one step per image, and one decision for each reference of `remove`, in the same order. */
export interface RemovalPlan {
  readonly steps: readonly RemovalStep[]
  readonly decisions: readonly RemovalDecision[]
}

/** Plans a removal. Pure function. */
export function planRemoval(request: RemovalInput): RemovalPlan {
  const index = new ImageIndex(request.images)
  const users = usersOf(index, request.containers)
  const leftovers = leftoversOf(index, request.containers)
  const requested = request.remove.map(text => normalize(text, request.shortNames))
  const wantedNames = new Set(request.keep.map(text => normalize(text, request.shortNames)))
  const repositories = new Set(request.keepRepositories)
  const isWanted = ({ normalized, repository, kind }: ImageName) =>
    wantedNames.has(normalized) || (kind === 'digest' && repositories.has(repository))
  const toRemove = new Set(requested.filter(name => name !== undefined && !wantedNames.has(name)))
  const steps: RemovalStep[] = []
  const stepOf = new Map<string, number>()

  const decisions = requested.map((name): RemovalDecision => {
    if (name === undefined) return keepBecause('InvalidReference')
    const target = index.byName(name)
    if (!target) return keepBecause('NotFound')
    const { image } = target
    if (image.pinned || target.names.some(isSandboxImage)) return keepBecause('Pinned')
    if (target.names.some(own => own.normalized === name && isWanted(own)))
      return keepBecause('WantedByOthers')
    const user = users.get(image.id)
    if (user) return keepBecause('InUse', describeUser(user))

    const removable = removableNames(target, toRemove, isWanted, request.traits)
    const keptNames = target.names.filter(other => !removable.includes(other))
    if (
      keptNames.length > 0 &&
      (!request.traits.canRemoveNames || !removable.some(own => own.normalized === name))
    ) {
      const blockingName = keptNames.find(isWanted)
      return blockingName
        ? keepBecause('WantedByOthers', blockingName.listed)
        : keepBecause('SharedId', keptNames[0]?.listed ?? '')
    }
    let step = stepOf.get(image.id)
    if (step === undefined) {
      const { id, sizeBytes } = image
      const names = removable.map(own => own.listed)
      step =
        steps.push(
          keptNames.length > 0
            ? { kind: 'RemoveNames', id, names }
            : { kind: 'RemoveImage', id, names, sizeBytes, leftovers: [...(leftovers.get(id) ?? [])] },
        ) - 1
      stepOf.set(id, step)
    }
    return { kind: 'Remove', step }
  })
  return { steps, decisions }
}

/**
 * The names of an image that can be removed. A tag: when it is to be removed. A digest: when it is to be
 * removed, or it came with a name that is removed. A digest stays when a cache wants it, or when another tag
 * of its repository stays.
 */
function removableNames(
  { names }: IndexedImage,
  toRemove: ReadonlySet<string | undefined>,
  isWanted: (name: ImageName) => boolean,
  { addsDigests }: RuntimeTraits,
): readonly ImageName[] {
  return names.filter(name => {
    if (name.kind === 'tag') return toRemove.has(name.normalized)
    const siblings = names.filter(other => other.repository === name.repository)
    const tags = siblings.filter(({ kind }) => kind === 'tag')
    if (isWanted(name) || tags.some(tag => !toRemove.has(tag.normalized))) return false
    const cameWithTag =
      tags.length > 0 || (addsDigests && siblings.some(other => toRemove.has(other.normalized)))
    return cameWithTag || toRemove.has(name.normalized)
  })
}

/**
 * Runtimes without `pinned` do not mark the sandbox image: `registry.k8s.io/pause`, `rancher/mirrored-pause`.
 */
function isSandboxImage({ repository }: ImageName): boolean {
  return /[/-]pause(-[a-z0-9]+)?$/.test(repository)
}

/**
 * Undefined for an invalid reference. Empty, which no image has as its name, for a short name without image.
 */
function normalize(text: string, shortNames: ReadonlyMap<string, string>): string | undefined {
  const shortName = shortNames.get(text)
  if (shortName === '') return ''
  const reference = tryParseReference(shortName ?? text)
  return reference && normalizedName(reference)
}

function keepBecause(reason: KeepReason, detail = ''): RemovalDecision {
  return { kind: 'Keep', reason, detail }
}

function describeUser({ id, name, pod }: CriContainer): string {
  return pod === '' ? `container ${name || id}` : `container ${name} of Pod ${pod}`
}
