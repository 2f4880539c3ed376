import type { RuntimeVersion } from './client.ts'

/** Behaviour of a runtime that the CRI does not specify. */
export interface RuntimeTraits {
  /** It can remove one name of an image and keep the others. */
  readonly canRemoveNames: boolean
  /**
   * It lists an image in each of its repositories by every known digest, of the index and of the platform's
   * manifest, even when nobody pulled it by that digest.
   */
  readonly addsDigests: boolean
  /**
   * Its configuration decides the registry of a name without registry. In other runtimes it is Docker Hub.
   */
  readonly looksUpShortNames: boolean
}

/** The traits of a runtime, by its reported name. */
export function traitsOf({ name }: RuntimeVersion): RuntimeTraits {
  const isCrio = name === 'cri-o'
  return { canRemoveNames: name === 'containerd', addsDigests: isCrio, looksUpShortNames: isCrio }
}
