import type { RuntimeVersion } from './client.ts'

/** What runtimes do that the CRI does not say. */
export interface RuntimeTraits {
  /** It can take one name off an image that keeps others. */
  readonly canRemoveNames: boolean
  /**
   * It lists an image in each of its repositories by every digest that it knows of it, those of the index and of the platform's
   * manifest, whether or not anybody pulled it so.
   */
  readonly addsDigests: boolean
  /** Its configuration says what a name without a registry stands for; for the others it is Docker Hub. */
  readonly looksUpShortNames: boolean
}

/** The traits of a runtime, by the name that it gives itself. */
export function traitsOf({ name }: RuntimeVersion): RuntimeTraits {
  const isCrio = name === 'cri-o'
  return { canRemoveNames: name === 'containerd', addsDigests: isCrio, looksUpShortNames: isCrio }
}
