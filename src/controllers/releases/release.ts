import { isDeepStrictEqual } from 'node:util'
import * as z from 'zod'
import { HelmError } from './helm-error.ts'

/** A release of helm, as far as it is read here. */
const release = z.object({
  name: z.string(),
  namespace: z.string(),
  /** Number of the revision. */
  version: z.int(),
  info: z.object({ status: z.string(), description: z.string().optional() }),
  /** The values that it was given. */
  config: z.record(z.string(), z.unknown()).nullish(),
  manifest: z.string(),
  hooks: z.array(z.object({ path: z.string(), name: z.string(), manifest: z.string() })).nullish(),
})

/** A release of helm, stored or planned. */
export type Release = z.infer<typeof release>

/** Reads what `helm … --output json` prints. Throws HelmError `Unusable`. */
export function parseRelease(output: string): Release {
  try {
    return release.parse(JSON.parse(output))
  } catch (cause) {
    throw new HelmError('Unusable', `helm printed what is no release: ${output.slice(0, 200)}`, { cause })
  }
}

/** Whether the plan says the same as what is deployed: then helm has nothing to do. */
export function isDeployed(current: Release, planned: Release): boolean {
  return (
    current.info.status === 'deployed' &&
    current.manifest === planned.manifest &&
    isDeepStrictEqual(current.config ?? {}, planned.config ?? {}) &&
    isDeepStrictEqual(hooksOf(current), hooksOf(planned))
  )
}

/**
 * Whether helm was ended in the middle of something, by a crash or a node that went. It refuses all work on such a release; since the
 * operator is the only one that works on it, nothing goes on there any more.
 */
export function isAbandoned({ info }: Release): boolean {
  return info.status.startsWith('pending-')
}

/** Name of the Secret in which helm stores a revision. */
export function storedAs({ name, version }: Release): string {
  return `sh.helm.release.v1.${name}.v${version}`
}

function hooksOf({ hooks }: Release): readonly string[] {
  return (hooks ?? []).map(({ path, name, manifest }) => `${path}\n${name}\n${manifest}`).toSorted()
}
