import type { CacheList } from '../../../api/image-cache.ts'
import {
  InvalidReferenceError,
  normalizedName,
  parseReference,
  type Reference,
} from '../../../oci/reference.ts'
import type { Finding } from './finding.ts'

/** Findings about the images of one list: malformed references, and duplicates. */
export function* imageFindings(list: CacheList): Generator<Finding> {
  const spellings = new Map<string, string>()
  for (const image of list.images) {
    const parsed = parse(image)
    if ('problem' in parsed) yield { key: `reference ${image}`, message: parsed.problem }
    const name = 'reference' in parsed ? normalizedName(parsed.reference) : image
    const first = spellings.get(name)
    if (first === undefined) spellings.set(name, image)
    else yield { key: `duplicate ${name}`, message: duplicate(first, image) }
  }
}

function parse(image: string): { readonly reference: Reference } | { readonly problem: string } {
  try {
    return { reference: parseReference(image) }
  } catch (error) {
    if (!(error instanceof InvalidReferenceError)) throw error
    return { problem: error.message }
  }
}

function duplicate(first: string, again: string): string {
  const other = first === again ? '' : ` (the same image as ${first})`
  return `Duplicate image names within image list: ${again}${other}`
}
