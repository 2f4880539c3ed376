import type { Failure, ImageStatus } from '../../api/image-cache.ts'
import type { ImageOnNode } from './count-node.ts'
import { Examples } from './examples.ts'

/** Sums over all nodes for one image of a cache. */
export class ImageTally {
  readonly failures = new Examples<Failure>()
  #desired = 0
  #present = 0
  #pulling = 0
  /** Nodes by the digest that they report. '' where it is not known. */
  readonly #digests = new Map<string, number>()

  /** Adds what one node has of the image, or takes it out. */
  add({ isDesired, isPresent, isPulling, digest }: ImageOnNode, sign: 1 | -1): void {
    if (isDesired) this.#desired += sign
    if (isPresent) this.#present += sign
    if (isPulling) this.#pulling += sign
    if (!isPresent || !isDesired) return
    const count = (this.#digests.get(digest ?? '') ?? 0) + sign
    if (count > 0) this.#digests.set(digest ?? '', count)
    else this.#digests.delete(digest ?? '')
  }

  /** Its entry in `status.images`. It has a digest where all nodes agree. */
  status(image: string): ImageStatus {
    const [digest] = this.#digests.keys()
    return {
      image,
      ...(this.#digests.size === 1 && digest && { digest }),
      desired: this.#desired,
      present: this.#present,
      ...(this.#pulling > 0 && { pulling: this.#pulling }),
      ...(this.failures.total > 0 && { failed: this.failures.total }),
    }
  }
}
