import { isDeepStrictEqual } from 'node:util'
import * as z from 'zod'
import { HelmError } from './helm-error.ts'

/** A release of helm, as far as it is read here. */
const release = z.object({
  name: z.string(),
  namespace: z.string(),
  /** Number of the revision. */
  version: z.int(),
  info: z.object({
    status: z.string(),
    description: z.string().optional(),
    /** When helm began to make the revision, RFC 3339. */
    last_deployed: z.string().optional(),
  }),
  /** The values that it was given. */
  config: z.record(z.string(), z.unknown()).nullish(),
  manifest: z.string(),
  hooks: z.array(z.object({ path: z.string(), name: z.string(), manifest: z.string() })).nullish(),
})

/** A release of helm, stored or planned. */
export type Release = z.infer<typeof release>

/** The part of `helm get metadata` that is read here. */
const metadata = z.object({ chart: z.string() })

/** Reads what `helm get metadata … --output json` prints: the name of the release's chart. Throws HelmError `Unusable`. */
export function parseChartName(output: string): string {
  try {
    return metadata.parse(JSON.parse(output)).chart
  } catch (cause) {
    throw new HelmError('Unusable', `helm printed what is no metadata: ${output.slice(0, 200)}`, { cause })
  }
}

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

/** Whether helm has begun something with the release and not ended it. It refuses all other work on the release before it has. */
export function isPending({ info }: Release): boolean {
  return info.status.startsWith('pending-')
}

/** When helm began to make the revision, in milliseconds since the epoch; undefined where the release does not say. */
export function begunAt({ info }: Release): number | undefined {
  const time = Date.parse(info.last_deployed ?? '')
  return Number.isNaN(time) ? undefined : time
}

/** What tells a revision from all others, also from one of the same number that was made after an uninstall. */
export function revisionOf({ version, info }: Release): string {
  return `${version} ${info.last_deployed ?? ''}`
}

/** Name of the Secret in which helm stores a revision. */
export function storedAs({ name, version }: Release): string {
  return `sh.helm.release.v1.${name}.v${version}`
}

function hooksOf({ hooks }: Release): readonly string[] {
  return (hooks ?? []).map(({ path, name, manifest }) => `${path}\n${name}\n${manifest}`).toSorted()
}
