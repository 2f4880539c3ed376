import type { CacheList, ImageCacheSpec } from '../../../api/image-cache.ts'
import { isMoving, normalizedName, tryParseReference } from '../../../oci/reference.ts'
import { GUARDED_FIELDS } from '../job-template.ts'
import { TOO_MANY_LISTS, nodeSelections } from '../node-selections.ts'
import { deadlineWarning } from '../pull-deadline.ts'

/** Warnings about a spec that is valid but probably not what its author meant. */
export function* specWarnings(spec: ImageCacheSpec): Generator<string> {
  const everywhere = imagesForEveryNode(spec.cacheSpec)
  if (spec.refresh?.schedule && spec.refresh.interval) {
    yield 'refresh: the schedule goes before the interval, which has no effect'
  }
  if (spec.refresh?.timeZone && !spec.refresh.schedule) {
    yield 'refresh: timeZone has no effect without a schedule'
  }
  const deadline = deadlineWarning(spec.pullDeadline)
  if (deadline) yield deadline
  for (const field of GUARDED_FIELDS.filter(candidate => spec.jobTemplate?.[candidate])) {
    yield `jobTemplate.${field}: nothing is pulled for this cache unless the administrator allows the field (--job-template-allow)`
  }
  if (nodeSelections(spec.cacheSpec).beyond.length > 0) {
    yield `some images are for no node: ${TOO_MANY_LISTS}`
  }
  for (const list of spec.cacheSpec) {
    if (list.images.length === 0) yield 'No images specified within image list'
    yield* imageWarnings(list, spec.pullPolicy !== 'Always')
    if (choosesNodes(list)) {
      for (const image of list.images) {
        if (everywhere.has(nameOf(image))) {
          yield `${image}: another list of this cache has it for every node already`
        }
      }
    }
    if (list.nodeAffinity?.nodeSelectorTerms.some(isEmptyTerm)) {
      yield 'nodeAffinity: a term without expressions and fields matches no node'
    }
    if (list.tolerations?.some(({ effect }) => effect === 'PreferNoSchedule')) {
      yield 'tolerations: PreferNoSchedule has no effect here; such taints never keep images off a node'
    }
  }
}

function* imageWarnings(list: CacheList, once: boolean): Generator<string> {
  for (const image of list.images) {
    const reference = tryParseReference(image)
    if (!reference) continue
    if (reference.digest !== undefined && reference.tag !== undefined) {
      yield `${image}: the tag is ignored, the digest alone says which image it is`
    }
    if (once && isMoving(reference)) {
      const what = reference.tag === undefined ? 'without a tag :latest is meant, and it' : ':latest'
      yield `${image}: ${what} is asked for again at every refresh, whatever the pull policy`
    }
  }
}

function imagesForEveryNode(lists: readonly CacheList[]): ReadonlySet<string> {
  return new Set(lists.filter(list => !choosesNodes(list)).flatMap(list => list.images.map(nameOf)))
}

function choosesNodes({ nodeSelector = {}, nodeAffinity, tolerations }: CacheList): boolean {
  return Object.keys(nodeSelector).length > 0 || nodeAffinity !== undefined || tolerations !== undefined
}

function isEmptyTerm(term: {
  readonly matchExpressions?: unknown[] | undefined
  readonly matchFields?: unknown[] | undefined
}): boolean {
  return (term.matchExpressions ?? []).length + (term.matchFields ?? []).length === 0
}

function nameOf(image: string): string {
  const reference = tryParseReference(image)
  return reference ? normalizedName(reference) : image
}
