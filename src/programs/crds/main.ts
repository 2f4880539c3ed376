import { imageCacheCrd, nodeImagesCrd } from '../../api/crd.ts'
import { runOneShot } from '../../process/one-shot.ts'
import { applyDefinitions } from './apply.ts'

/**
 * Writes the CustomResourceDefinitions of this release to a cluster. Resolves to the exit code. Throws
 * `UsageError`.
 */
export function runCrds(argv: readonly string[]): Promise<number> {
  const program = {
    name: 'kubefledged-crds',
    description:
      'Creates the CustomResourceDefinitions of this release or brings them up to date; deletes none.',
    failure: 'the definitions could not be written',
    work: (client, context) => applyDefinitions(client, [imageCacheCrd, nodeImagesCrd], context),
  } satisfies Parameters<typeof runOneShot>[0]
  return runOneShot(program, argv)
}
