import { isDeepStrictEqual } from 'node:util'
import * as z from 'zod'
import { GROUP } from '../../api/constants.ts'
import { type ImageCacheSpec, imageCacheSpec } from '../../api/image-cache.ts'
import { validateImageCache } from '../../core/demand/index.ts'
import type { AdmissionRequest, AdmissionResponse } from './admission.ts'

const imageCache = z.object({ spec: imageCacheSpec })

/** Longest response, in lines. A cache may have thousands of errors. */
const MAX_LINES = 10
/** Longest line, in characters. The API server cuts longer warnings. */
const MAX_LINE = 256

/** Reviews a write of an ImageCache. Other kinds and operations are allowed. */
export function reviewImageCache({
  kind,
  operation,
  object,
  oldObject,
}: AdmissionRequest): AdmissionResponse {
  if (kind.group !== GROUP || kind.kind !== 'ImageCache') return { allowed: true }
  if (operation !== 'CREATE' && operation !== 'UPDATE') return { allowed: true }
  if (operation === 'UPDATE' && isDeepStrictEqual(specOf(object), specOf(oldObject))) return { allowed: true }
  const next = imageCache.safeParse(object)
  if (!next.success) return { allowed: false, message: bounded(issuesOf(next.error)).join('; ') }
  const { errors, warnings } = validateImageCache(next.data.spec, previousSpec(oldObject))
  return errors.length > 0
    ? { allowed: false, message: bounded(errors).join('; ') }
    : { allowed: true, warnings: bounded(warnings) }
}

function issuesOf(error: z.ZodError): string[] {
  return error.issues.map(({ path, message }) => {
    return `${z.core.toDotPath(path) || 'the object'}: ${message.replace(/^Invalid input: /, '')}`
  })
}

function specOf(object: unknown): unknown {
  return typeof object === 'object' && object !== null && 'spec' in object ? object.spec : undefined
}

/** An old object that cannot be parsed has no spec to compare with. */
function previousSpec(oldObject: unknown): ImageCacheSpec | undefined {
  return imageCache.safeParse(oldObject).data?.spec
}

function bounded(lines: readonly string[]): string[] {
  const shown = lines.slice(0, MAX_LINES).map(line => {
    return line.length > MAX_LINE ? `${line.slice(0, MAX_LINE - 1)}…` : line
  })
  return lines.length > MAX_LINES ? [...shown, `and ${lines.length - MAX_LINES} more`] : shown
}
