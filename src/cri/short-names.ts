import { type Reference, tryParseReference } from '../oci/reference.ts'
import type { CriClient } from './client.ts'
import { isCriError } from './errors.ts'
import type { RuntimeTraits } from './traits.ts'

/**
 * Asks the runtime which image each short name means (a reference without registry), when the runtime's
 * configuration decides that. The result maps the reference to a name as the runtime lists it, or to an empty
 * text when the runtime has no such image. Throws `CriError`.
 */
export async function resolveShortNames(
  client: CriClient,
  { looksUpShortNames }: RuntimeTraits,
  references: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const shortNames = new Map<string, string>()
  if (!looksUpShortNames) return shortNames
  for (const text of new Set(references)) {
    const reference = tryParseReference(text)
    if (reference && isShort(reference)) shortNames.set(text, await resolve(client, reference))
  }
  return shortNames
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
    // The runtime knows no registry for the name, or several. So no Pod can have pulled it.
    if (isCriError(error, 'Internal')) return ''
    throw error
  }
}

/** True when the text names no registry. A reference of Docker Hub may name it. */
function isShort({ domain, text }: Reference): boolean {
  return ![domain, 'index.docker.io'].some(written => text.startsWith(`${written}/`))
}
