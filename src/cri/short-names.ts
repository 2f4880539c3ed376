import { type Reference, tryParseReference } from '../oci/reference.ts'
import type { CriClient } from './client.ts'
import { isCriError } from './errors.ts'
import type { RuntimeTraits } from './traits.ts'

/**
 * What a runtime takes those references for that leave the registry out, where its configuration decides that: by the text of
 * the reference a name as the runtime lists it, or an empty text where it has no such image. Throws `CriError`.
 */
export async function meaningsOf(
  client: CriClient,
  { looksUpShortNames }: RuntimeTraits,
  references: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const meanings = new Map<string, string>()
  if (!looksUpShortNames) return meanings
  for (const text of new Set(references)) {
    const reference = tryParseReference(text)
    if (reference && isShort(reference)) meanings.set(text, await meaningOf(client, reference))
  }
  return meanings
}

async function meaningOf(client: CriClient, reference: Reference): Promise<string> {
  const { text, tag, digest } = reference
  try {
    const image = await client.imageStatus(text)
    const path = text.replace(/[:@].*$/, '')
    const ending = digest ? `/${path}@${digest}` : `/${path}:${tag ?? 'latest'}`
    const names = [...(image?.repoTags ?? []), ...(image?.repoDigests ?? [])]
    // An alias may be called something else altogether.
    return names.find(listed => listed.endsWith(ending)) ?? names[0] ?? ''
  } catch (error) {
    // It knows no registry for it, or several: so no Pod can have pulled it.
    if (isCriError(error, 'Internal')) return ''
    throw error
  }
}

/** No registry stands in it; that of a reference which is read as Docker Hub's may. */
function isShort({ domain, text }: Reference): boolean {
  return ![domain, 'index.docker.io'].some(written => text.startsWith(`${written}/`))
}
