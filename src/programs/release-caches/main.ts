import { runOneShot } from '../../process/one-shot.ts'
import { releaseCaches } from '../../controllers/caches/release-caches.ts'

/**
 * Removes the finalizer of all image caches when kube-fledged is uninstalled.
 * Resolves to the exit code. Throws `UsageError`.
 */
export function runReleaseCaches(argv: readonly string[]): Promise<number> {
  const program = {
    name: 'kubefledged-release-caches',
    description:
      'Takes the finalizer of deletionPolicy Purge off all image caches, for when nobody is left to purge them: they can be deleted, and their images stay.',
    failure: 'not all image caches could be let go of',
    work: releaseCaches,
  } satisfies Parameters<typeof runOneShot>[0]
  return runOneShot(program, argv)
}
