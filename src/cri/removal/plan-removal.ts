import { normalizedName, tryParseReference } from '../../oci/reference.ts'
import type { CriContainer, CriImage } from '../client.ts'
import { ImageIndex, type ImageName, type IndexedImage, leftoversOf, usersOf } from '../image-index.ts'
import type { RuntimeTraits } from '../traits.ts'

/**
 * Decides what may be removed from a node. The CRI removes an image with all names of its ID, and not every runtime refuses
 * what is in use or pinned; so names are counted per ID here, and all care is taken before the call.
 */

/** What is on the node, and what is to go. */
export interface RemovalRequest {
  readonly images: readonly CriImage[]
  readonly containers: readonly CriContainer[]
  /** References that nobody who is known wants any more. */
  readonly remove: readonly string[]
  /** References that somebody else wants on this node. */
  readonly keep: readonly string[]
  readonly traits: RuntimeTraits
  /** What `meaningsOf` says of these references. */
  readonly meanings: ReadonlyMap<string, string>
}

/** Why a reference stays, or that it is gone already. */
export type StayReason =
  /** It is not on the node. */
  | 'NotFound'
  /** A container, running or not, was made from it or mounts it. */
  | 'InUse'
  /** Another cache wants it, or wants its image by another name that cannot be told apart by this runtime. */
  | 'WantedByOthers'
  /** Its image has another name that somebody else put there, and the runtime can only remove both. */
  | 'SharedId'
  /** The runtime keeps it from garbage collection, or it is the sandbox image. */
  | 'Pinned'
  /** It is not an image reference. */
  | 'InvalidReference'

/** What is to become of one reference. */
export type Verdict =
  | { readonly kind: 'Go'; readonly step: number }
  | { readonly kind: 'Stay'; readonly reason: StayReason; readonly detail: string }

/** One thing to do. */
export type RemovalStep =
  /** The image goes, with all its names, which are written as the runtime lists them; before it the containers left over of it. */
  | {
      readonly kind: 'RemoveImage'
      readonly id: string
      readonly names: readonly string[]
      readonly sizeBytes: number
      readonly leftovers: readonly string[]
    }
  /** These names go, written as the runtime lists them; the image stays under others. */
  | { readonly kind: 'RemoveNames'; readonly id: string; readonly names: readonly string[] }

/** What to do, at most one step for an image, and what becomes of each reference of `remove`, in its order. */
export interface RemovalPlan {
  readonly steps: readonly RemovalStep[]
  readonly verdicts: readonly Verdict[]
}

/** Plans a removal. Pure. */
export function planRemoval(request: RemovalRequest): RemovalPlan {
  const index = new ImageIndex(request.images)
  const users = usersOf(index, request.containers)
  const leftovers = leftoversOf(index, request.containers)
  const wanted = request.remove.map(text => normalize(text, request.meanings))
  const keep = new Set(request.keep.map(text => normalize(text, request.meanings)))
  const going = new Set(wanted.filter(name => name !== undefined && !keep.has(name)))
  const steps: RemovalStep[] = []
  const stepOf = new Map<string, number>()

  const verdicts = wanted.map((name): Verdict => {
    if (name === undefined) return stay('InvalidReference')
    const target = index.byName(name)
    if (!target) return stay('NotFound')
    const { image } = target
    if (image.pinned || target.names.some(isSandboxImage)) return stay('Pinned')
    if (keep.has(name)) return stay('WantedByOthers')
    const user = users.get(image.id)
    if (user) return stay('InUse', describeUser(user))

    const leaving = namesThatLeave(target, going, keep, request.traits)
    const staying = target.names.filter(other => !leaving.includes(other))
    if (
      staying.length > 0 &&
      (!request.traits.canRemoveNames || !leaving.some(own => own.normalized === name))
    ) {
      const wantedName = staying.find(other => keep.has(other.normalized))
      return wantedName
        ? stay('WantedByOthers', wantedName.listed)
        : stay('SharedId', staying[0]?.listed ?? '')
    }
    let step = stepOf.get(image.id)
    if (step === undefined) {
      const { id, sizeBytes } = image
      const names = leaving.map(own => own.listed)
      step =
        steps.push(
          staying.length > 0
            ? { kind: 'RemoveNames', id, names }
            : { kind: 'RemoveImage', id, names, sizeBytes, leftovers: [...(leftovers.get(id) ?? [])] },
        ) - 1
      stepOf.set(id, step)
    }
    return { kind: 'Go', step }
  })
  return { steps, verdicts }
}

/**
 * The names of an image that go: the tags that are to go; and the digests that are to go, or that came along with a name
 * that goes, unless somebody wants them or another tag of their repository stays.
 */
function namesThatLeave(
  { names }: IndexedImage,
  going: ReadonlySet<string | undefined>,
  keep: ReadonlySet<string | undefined>,
  { addsDigests }: RuntimeTraits,
): readonly ImageName[] {
  return names.filter(name => {
    if (name.kind === 'tag') return going.has(name.normalized)
    const siblings = names.filter(other => other.repository === name.repository)
    const tags = siblings.filter(({ kind }) => kind === 'tag')
    if (keep.has(name.normalized) || tags.some(tag => !going.has(tag.normalized))) return false
    const cameAlong = tags.length > 0 || (addsDigests && siblings.some(other => going.has(other.normalized)))
    return cameAlong || going.has(name.normalized)
  })
}

/** Runtimes older than `pinned` do not mark the image of the Pods' sandboxes: `registry.k8s.io/pause`, `rancher/mirrored-pause`. */
function isSandboxImage({ repository }: ImageName): boolean {
  return /[/-]pause(-[a-z0-9]+)?$/.test(repository)
}

/** Undefined for what is no reference; what no image can be called for a name that stands for none. */
function normalize(text: string, meanings: ReadonlyMap<string, string>): string | undefined {
  const meaning = meanings.get(text)
  if (meaning === '') return ''
  const reference = tryParseReference(meaning ?? text)
  return reference && normalizedName(reference)
}

function stay(reason: StayReason, detail = ''): Verdict {
  return { kind: 'Stay', reason, detail }
}

function describeUser({ id, name, pod }: CriContainer): string {
  return pod === '' ? `container ${name || id}` : `container ${name} of Pod ${pod}`
}
