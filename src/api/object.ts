/** Types of Kubernetes objects, for the rooms that import `api` but not `kube`. */
export type { KubeObject, ObjectMeta, OwnerReference } from '../kube/object.ts'
