import { type DesiredImage, type LedgerEntry, type PlanOwner, entryKey } from '../../api/node-images.ts'
import { type CompiledCache, pullSecretNames } from '../demand/index.ts'
import { isPermanent } from '../../api/failure-reasons.ts'
import { byKey, hasPullFailed, isPresent } from '../ledger/index.ts'
import type { NodeFacts } from '../node/index.ts'
import { type TagAnswers, applyAnswers } from './answers.ts'
import { cacheIndex } from './cache-index.ts'
import type { Claim } from './claims.ts'
import { type NewRequests, newRequests } from './owners.ts'

/** What the images of one node are planned from. */
export interface ImagesInput extends TagAnswers {
  /** The oldest cache first. */
  readonly claims: readonly Claim[]
  /** `spec.images` and `spec.owners` as they stand. */
  readonly existing: readonly DesiredImage[]
  readonly owners: Readonly<Record<string, PlanOwner>>
  readonly ledger: readonly LedgerEntry[]
  /** Number of the requests that this plan makes. */
  readonly nextRevision: number
}

/** The images that a node is to hold, sorted by key. */
export function planImages(input: ImagesInput): DesiredImage[] {
  const before = byKey(input.existing)
  const entries = byKey(input.ledger)
  const requests = requestsOf(input)
  return [...Map.groupBy(input.claims, ({ key }) => key)]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, claims]) => {
      const [old, entry] = [before.get(key), entries.get(key)]
      const isAskedAgain = claims.some(({ cache }) => asksAgain(requests.get(cache.owner), entry))
      return withRevision(input, merged(claims), { key, old, entry, isAskedAgain })
    })
}

/**
 * Keys of the images that the node may have work for now. A cordoned node keeps its requests and gets no
 * work.
 */
export function startableKeys(node: NodeFacts, caches: readonly CompiledCache[]): Set<string> {
  const keys = new Set<string>()
  for (const { cache, lists, isCrowdedOut } of cacheIndex(caches).selecting(node)) {
    if (cache.activity !== 'active' || isCrowdedOut) continue
    for (const { list, selection } of lists) {
      if (selection.kind !== 'desired') continue
      for (const { image } of list.wanted) keys.add(entryKey({ image, credential: cache.credential }))
    }
  }
  return keys
}

/** The oldest cache first. Its Job pulls what several caches want. */
export function byAge(a: CompiledCache, b: CompiledCache): number {
  const [madeA = '', madeB = ''] = [a.cache.metadata.creationTimestamp, b.cache.metadata.creationTimestamp]
  if (madeA !== madeB) return madeA < madeB ? -1 : 1
  return a.key < b.key ? -1 : 1
}

function requestsOf({ claims, owners }: ImagesInput): Map<string, NewRequests> {
  const requests = new Map<string, NewRequests>()
  for (const { cache } of claims) {
    if (!requests.has(cache.owner)) requests.set(cache.owner, newRequests(cache, owners[cache.owner]))
  }
  return requests
}

function asksAgain(requests: NewRequests | undefined, entry: LedgerEntry | undefined): boolean {
  return requests !== undefined && (requests.refresh || (requests.edit && hasPullFailed(entry)))
}

/** One request for what several caches want. The oldest comes first, and gives the pull secrets. */
function merged(claims: readonly Claim[]): Omit<DesiredImage, 'revision'> {
  const [{ cache, image } = {}] = claims
  if (!cache || image === undefined) throw new RangeError('an image without a claim')
  const lists = claims.flatMap(claim => claim.lists)
  return {
    image,
    ...(cache.credential !== undefined && {
      credential: cache.credential,
      pullSecrets: pullSecretNames(cache.cache).map(name => ({ name })),
    }),
    pullPolicy: claims.some(({ pullPolicy }) => pullPolicy === 'Always') ? 'Always' : 'IfNotPresent',
    owners: claims.map(claim => claim.cache.owner),
    ...(lists.length > 0 && { lists }),
  }
}

/**
 * Raises the revision where the image is asked for again, and notes what the registry says of a moving tag.
 */
function withRevision(
  { refreshes, beforePulls, nextRevision }: ImagesInput,
  desired: Omit<DesiredImage, 'revision'>,
  {
    key,
    old,
    entry,
    isAskedAgain,
  }: {
    readonly key: string
    readonly old: DesiredImage | undefined
    readonly entry: LedgerEntry | undefined
    readonly isAskedAgain: boolean
  },
): DesiredImage {
  const isStricter = old?.pullPolicy === 'IfNotPresent' && desired.pullPolicy === 'Always'
  const isAsked = isAskedAgain || isStricter
  const revision = old === undefined || isAsked ? nextRevision : old.revision
  if (desired.pullPolicy !== 'Always') return { ...desired, revision }
  const answers = { refresh: refreshes?.get(key), beforePull: beforePulls?.get(key) }
  const { isNew, ...known } = applyAnswers(old, entry, answers, old === undefined || isAsked)
  // A failed image that is tried again anyway keeps its pauses, however often its tag moves.
  const isRetried = !isPresent(entry) && hasPullFailed(entry) && !isPermanent(entry?.attempt?.reason)
  return { ...desired, revision: isNew && !isRetried ? nextRevision : revision, ...known }
}
