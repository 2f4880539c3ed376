import { isDeepStrictEqual } from 'node:util'
import * as z from 'zod'
import { HelmError } from './helm-error.ts'

/** The fields of a helm release that are read. */
const release = z.object({
  name: z.string(),
  namespace: z.string(),
  /** Number of the revision. */
  version: z.int(),
  info: z.object({
    status: z.string(),
    description: z.string().optional(),
    /** When helm started the revision, RFC 3339. */
    last_deployed: z.string().optional(),
  }),
  /** The user's values. */
  config: z.record(z.string(), z.unknown()).nullish(),
  manifest: z.string(),
  hooks: z.array(z.object({ path: z.string(), name: z.string(), manifest: z.string() })).nullish(),
})

/** A release of helm, stored or planned. */
export type Release = z.infer<typeof release>

/** The fields of `helm get metadata` that are read. */
const metadata = z.object({ chart: z.string() })

/**
 * Parses the output of `helm get metadata … --output json`: the chart's name. Throws HelmError `Unusable`.
 */
export function parseChartName(output: string): string {
  try {
    return metadata.parse(JSON.parse(output)).chart
  } catch (cause) {
    throw new HelmError('Unusable', `helm printed no valid metadata: ${output.slice(0, 200)}`, { cause })
  }
}

/** Parses the output of `helm … --output json`: a release. Throws HelmError `Unusable`. */
export function parseRelease(output: string): Release {
  try {
    return release.parse(JSON.parse(output))
  } catch (cause) {
    throw new HelmError('Unusable', `helm printed no valid release: ${output.slice(0, 200)}`, { cause })
  }
}

/** True where the deployed release equals the plan, so that an upgrade is not needed. */
export function isDeployed(current: Release, planned: Release): boolean {
  return (
    current.info.status === 'deployed' &&
    current.manifest === planned.manifest &&
    isDeepStrictEqual(current.config ?? {}, planned.config ?? {}) &&
    isDeepStrictEqual(hooksOf(current), hooksOf(planned))
  )
}

/**
 * True where helm has started an operation and not finished it. Until then helm refuses any other operation.
 */
export function isPending({ info }: Release): boolean {
  return info.status.startsWith('pending-')
}

/**
 * When helm started the revision, in milliseconds since the epoch. Undefined where the release does not say.
 */
export function begunAt({ info }: Release): number | undefined {
  const time = Date.parse(info.last_deployed ?? '')
  return Number.isNaN(time) ? undefined : time
}

/**
 * Identity of a revision: its number and its start.
 * After an uninstall, a new revision may have the same number but never the same start.
 */
export function revisionOf({ version, info }: Release): string {
  return `${version} ${info.last_deployed ?? ''}`
}

/** Name of the Secret that stores a revision. */
export function storedAs({ name, version }: Release): string {
  return `sh.helm.release.v1.${name}.v${version}`
}

function hooksOf({ hooks }: Release): readonly string[] {
  return (hooks ?? []).map(({ path, name, manifest }) => `${path}\n${name}\n${manifest}`).toSorted()
}
