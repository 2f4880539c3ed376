import type { KubeObject } from '../../api/object.ts'
import type { KubeClient, Logger, ResourceDef } from '../../kube/index.ts'
import type { ReleaseStatus } from './status.ts'

/** An object that asks for a release: its name is the release's, its namespace too, its spec the values of the chart. */
export interface ReleaseObject extends KubeObject {
  readonly spec?: Readonly<Record<string, unknown>>
  readonly status?: ReleaseStatus
}

/** A kind of such objects. */
export interface ReleaseKind {
  readonly def: ResourceDef
  /** Path of the chart. */
  readonly chart: string
  /** Names that the chart has and had. A release of a chart with another name is somebody else's. */
  readonly chartNames: readonly string[]
  /** Why a release must not be uninstalled yet, as a sentence; undefined: it may go. */
  readonly holdsUp: (client: KubeClient, signal: AbortSignal) => Promise<string | undefined>
  /**
   * What is to be done once the release is gone, the last of this kind, and before its object is; done again where it failed. In the place of
   * the chart's hooks, which are not run then. Throws KubeError.
   */
  readonly afterLast: (
    client: KubeClient,
    context: { readonly signal: AbortSignal; readonly log: Logger },
  ) => Promise<void>
}

/** Keeps an object until its release is uninstalled; all helm-operators know it, so that one of them can take over again. */
export const FINALIZER = 'uninstall-helm-release'
/** The other name that helm-operators gave to it. */
const ITS_OTHER_NAME = 'helm.sdk.operatorframework.io/uninstall-release'

/** Whether the object is kept until its release is uninstalled. */
export function isKept({ metadata }: ReleaseObject): boolean {
  return (metadata.finalizers ?? []).some(isOurs)
}

/** What stays of an object's finalizers when its release is gone. */
export function otherFinalizers({ metadata }: ReleaseObject): readonly string[] {
  return (metadata.finalizers ?? []).filter(name => !isOurs(name))
}

function isOurs(finalizer: string): boolean {
  return finalizer === FINALIZER || finalizer === ITS_OTHER_NAME
}
