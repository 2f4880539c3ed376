import type { KubeObject } from './object.ts'
import type { ResourceDef } from './resource.ts'

/** coordination.k8s.io/v1 Lease, with the fields of leader election. */
export interface Lease extends KubeObject {
  readonly spec?: {
    readonly holderIdentity?: string
    readonly leaseDurationSeconds?: number
    /** RFC 3339 with microseconds. */
    readonly acquireTime?: string
    readonly renewTime?: string
    readonly leaseTransitions?: number
  }
}

/** Resource of Leases. */
export const LEASES: ResourceDef = {
  group: 'coordination.k8s.io',
  version: 'v1',
  plural: 'leases',
  kind: 'Lease',
  namespaced: true,
}

/** Formats a date as meta/v1 MicroTime. */
export function microTime(date: Date): string {
  return date.toISOString().replace('Z', '000Z')
}
