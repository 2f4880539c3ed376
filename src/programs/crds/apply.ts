import type { CustomResourceDefinition } from '../../api/crd.ts'
import {
  isKubeError,
  type KubeClient,
  type Logger,
  type Resource,
  type ResourceDef,
  sleep,
} from '../../kube/index.ts'
import { isEstablished, newDefinition, type StoredDefinition, upgradedDefinition } from './upgrade.ts'

/** Writes CustomResourceDefinitions over any older version. It never deletes one. */

const DEFINITIONS: ResourceDef = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false,
}
const FIELD_MANAGER = 'kubefledged-crds'
const POLL_MS = 200

/**
 * Creates missing definitions, updates the others, and resolves when the API server serves all of them. Their
 * objects are not changed. Throws KubeError, `Aborted` when the signal fires first.
 */
export async function applyDefinitions(
  client: KubeClient,
  wanted: readonly CustomResourceDefinition[],
  { signal, log }: { readonly signal: AbortSignal; readonly log: Logger },
): Promise<void> {
  const definitions = client.resource<StoredDefinition>(DEFINITIONS)
  for (const definition of wanted) {
    const { name } = definition.metadata
    const outcome = await write(definitions, definition, signal)
    log.info({ definition: name, outcome }, 'definition written')
  }
  for (const { metadata } of wanted) {
    while (!isEstablished(await definitions.get({ name: metadata.name, signal })))
      await sleep(POLL_MS, signal)
  }
}

/**
 * Repeats until the definition is written: another write may be faster, and a definition that is being
 * deleted must be gone before it can be created again.
 */
async function write(
  definitions: Resource<StoredDefinition>,
  wanted: CustomResourceDefinition,
  signal: AbortSignal,
): Promise<'created' | 'changed' | 'unchanged'> {
  const { name } = wanted.metadata
  for (;;) {
    const stored = await find(definitions, name, signal)
    if (!stored) {
      // Use apply, not create: only then can a role be limited to the names of the objects.
      await definitions.apply(newDefinition(wanted), { fieldManager: FIELD_MANAGER, force: true, signal })
      return 'created'
    }
    if (!stored.metadata.deletionTimestamp) {
      const written = await replace(definitions, upgradedDefinition(stored, wanted), signal)
      if (written) {
        return written.metadata.resourceVersion === stored.metadata.resourceVersion ? 'unchanged' : 'changed'
      }
    }
    await sleep(POLL_MS, signal)
  }
}

async function find(
  definitions: Resource<StoredDefinition>,
  name: string,
  signal: AbortSignal,
): Promise<StoredDefinition | undefined> {
  try {
    return await definitions.get({ name, signal })
  } catch (error) {
    if (isKubeError(error, 'NotFound')) return undefined
    throw error
  }
}

async function replace(
  definitions: Resource<StoredDefinition>,
  definition: StoredDefinition,
  signal: AbortSignal,
): Promise<StoredDefinition | undefined> {
  try {
    return await definitions.replace(definition, { signal })
  } catch (error) {
    if (isKubeError(error, 'Conflict', 'NotFound')) return undefined
    throw error
  }
}
