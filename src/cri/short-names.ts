import { type Reference, isShortName, tryParseReference } from '../oci/reference.ts'
import type { CriClient } from './client.ts'
import { isCriError } from './errors.ts'
import type { RuntimeTraits } from './traits.ts'

/** What short names mean on a node. */
export interface ShortNames {
  /**
   * The name as the runtime lists it, by reference. Empty where the runtime has no such image.
   * References that name a registry are not in it.
   */
  readonly names: ReadonlyMap<string, string>
  /** The runtime's text for references that it could not look up. They may be on the node. */
  readonly errors: ReadonlyMap<string, string>
}

/**
 * Asks the runtime which image each short name means (a reference without registry), when the runtime's
 * configuration decides that. Throws `CriError` where the runtime does not answer.
 */
export async function resolveShortNames(
  client: CriClient,
  { looksUpShortNames }: RuntimeTraits,
  references: readonly string[],
): Promise<ShortNames> {
  const names = new Map<string, string>()
  const errors = new Map<string, string>()
  if (!looksUpShortNames) return { names, errors }
  for (const text of new Set(references)) {
    const reference = tryParseReference(text)
    if (!reference || !isShortName(reference)) continue
    try {
      names.set(text, await resolve(client, reference))
    } catch (error) {
      if (!isCriError(error, 'Internal')) throw error
      errors.set(text, error.message)
    }
  }
  return { names, errors }
}

async function resolve(client: CriClient, reference: Reference): Promise<string> {
  const { text, tag, digest } = reference
  try {
    const image = await client.imageStatus(text)
    const path = text.replace(/[:@].*$/, '')
    const ending = digest ? `/${path}@${digest}` : `/${path}:${tag ?? 'latest'}`
    const names = [...(image?.repoTags ?? []), ...(image?.repoDigests ?? [])]
    // An alias may have a completely different name.
    return names.find(listed => listed.endsWith(ending)) ?? names[0] ?? ''
  } catch (error) {
    // No Pod can have pulled a name without registry.
    if (isCriError(error, 'UnknownShortName')) return ''
    throw error
  }
}
