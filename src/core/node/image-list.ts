import type { NodeFacts } from './node-facts.ts'

/** Entries that a kubelet lists in `node.status.images` unless told otherwise (`nodeStatusMaxImages`). */
const LIST_CAP = 50
/** Names that a kubelet lists for one image (`maxNamesPerImageInNodeStatus`). */
const NAME_CAP = 5
/**
 * How old the kubelet's list may be when it is written: it looks at the runtime every 30 s and reports every 10 s by
 * default. A list written sooner than this after a pull may not know the image yet.
 */
const LIST_LAG_MS = 60_000

/** What the kubelet's image list says of an image. */
export type Listing = 'listed' | 'unlisted' | 'unknown'

/**
 * Looks an image up in the node's own list. A listed image is present. An unlisted one is absent only where the list
 * is whole (fewer entries than its cap, no image with as many names as are listed at most).
 *
 * @param name the normalised name, `docker.io/library/nginx:1.23` or `host/app@sha256:…`
 */
export function lookUp(node: NodeFacts, name: string): Listing {
  if (node.imageNames.includes(`\n${name}\n`)) return 'listed'
  return isWhole(node) ? 'unlisted' : 'unknown'
}

/** True where the list names every image of the node. */
export function isWhole(node: NodeFacts): boolean {
  return node.imageCount > 0 && node.imageCount < LIST_CAP && node.mostNames < NAME_CAP
}

/** True where the list is recent enough to speak against a verification made at `verifiedAt`. */
export function isNewerThan(node: NodeFacts, verifiedAt: string | undefined): boolean {
  if (!verifiedAt) return true
  return Date.parse(node.heartbeatAt) - LIST_LAG_MS > Date.parse(verifiedAt)
}

/** The digest that the list gives an image before its name, in the same repository; undefined where it gives none. */
export function listedDigest(node: NodeFacts, name: string, repository: string): string | undefined {
  const at = node.imageNames.indexOf(`\n${name}\n`)
  if (at < 0) return undefined
  const before = node.imageNames.slice(0, at).split('\n').toReversed()
  for (const candidate of before) {
    if (candidate === '') return undefined
    if (candidate.startsWith(`${repository}@`)) return candidate.slice(repository.length + 1)
  }
  return undefined
}
