import type { JobMethod } from './pull-job.ts'

/**
 * Names of the containers and of the volumes of a pull Pod.
 * Meshes and policies add containers at any place, so evidence is read by these names, never by position.
 */

/** The init container of the method `containers`. It copies the static binary. */
export const COPY_CONTAINER = 'busybox'

const PULL_CONTAINER = 'imagepuller'

/** True for a container that a pull Job asks for. Others were injected. */
export function isPullContainer(name: string): boolean {
  return /^imagepuller(-\d+)?$/.test(name)
}

/**
 * Name of the container that proves an image.
 *
 * @param index position of the image in its Job
 * @param count number of images of the Job
 */
export function pullContainer(method: JobMethod, index: number, count: number): string {
  const isShared = method === 'batch' || (method === 'containers' && count === 1)
  return isShared ? PULL_CONTAINER : `${PULL_CONTAINER}-${index}`
}

/** True for an image volume that a pull Job asks for. */
export function isPullVolume(name: string): boolean {
  return /^image-\d+$/.test(name)
}

/** Name of the volume of an image. */
export function pullVolume(index: number): string {
  return `image-${index}`
}
