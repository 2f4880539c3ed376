import type { KubeObject } from '../../api/object.ts'
import type { KubeClient, Logger, ResourceDef } from '../../kube/index.ts'
import type { ReleaseStatus } from './status.ts'

/**
 * An object that asks for a release. It has the name and the namespace of the release.
 * Its spec is the chart's values.
 */
export interface ReleaseObject extends KubeObject {
  readonly spec?: Readonly<Record<string, unknown>>
  readonly status?: ReleaseStatus
}

/** A kind of objects that ask for releases of one chart. */
export interface ReleaseKind {
  readonly def: ResourceDef
  /** Path of the chart. */
  readonly chart: string
  /** Present and former names of the chart. A release of another chart belongs to somebody else. */
  readonly chartNames: readonly string[]
  /**
   * Why a release must not be uninstalled yet, as a sentence. Undefined where it may be uninstalled.
   * Throws KubeError.
   */
  readonly holdsUp: (client: KubeClient, signal: AbortSignal) => Promise<string | undefined>
  /**
   * Cleans up after the last release of this kind is uninstalled, before its object is deleted.
   * It replaces the chart's hooks, which do not run then. It is called again after a failure.
   * Throws KubeError.
   */
  readonly afterLast: (
    client: KubeClient,
    context: { readonly signal: AbortSignal; readonly log: Logger },
  ) => Promise<void>
}

/**
 * Finalizer of an object until its release is uninstalled.
 * All helm-operators know it, so one of them can take over.
 */
export const FINALIZER = 'uninstall-helm-release'
/** The same finalizer under the other name that helm-operators use. */
const OTHER_FINALIZER_NAME = 'helm.sdk.operatorframework.io/uninstall-release'

/** True where the object has the finalizer. */
export function isKept({ metadata }: ReleaseObject): boolean {
  return (metadata.finalizers ?? []).some(isOurs)
}

/** The finalizers of others. */
export function otherFinalizers({ metadata }: ReleaseObject): readonly string[] {
  return (metadata.finalizers ?? []).filter(name => !isOurs(name))
}

function isOurs(finalizer: string): boolean {
  return finalizer === FINALIZER || finalizer === OTHER_FINALIZER_NAME
}
