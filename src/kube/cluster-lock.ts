import { isKubeError, KubeError } from './errors.ts'
import type { Lease } from './lease.ts'
import type { Resource } from './resource.ts'
import { sleep } from './wait.ts'

/**
 * How long a new Lease waits before it counts. Creation times are whole seconds, so after one second every later Lease is younger.
 * The other second is for API servers whose clocks differ.
 */
const SETTLING_MS = 2_000

/**
 * Finds the one lock of a cluster: the oldest Lease of a name, in any namespace. Where there is none, creates one.
 *
 * @param lock the name, and the namespace for a new Lease
 * @returns the namespace of the oldest Lease
 * @throws KubeError where the API server refuses, or `NotFound` where the Lease is deleted meanwhile
 */
export async function findClusterLock(
  leases: Resource<Lease>,
  lock: { readonly name: string; readonly namespace: string },
  signal: AbortSignal,
): Promise<string> {
  const found = await oldestLease(leases, lock.name, signal)
  // Who took it knew that it was the oldest. One that nobody took yet may be too new to know.
  if (found?.spec?.acquireTime !== undefined) return namespaceOf(found)
  if (!found) await createLease(leases, lock, signal)
  await sleep(SETTLING_MS, signal)
  const oldest = await oldestLease(leases, lock.name, signal)
  if (!oldest) throw new KubeError('NotFound', `the new Lease ${lock.name} is gone; somebody deleted it`)
  return namespaceOf(oldest)
}

async function createLease(
  leases: Resource<Lease>,
  lock: { readonly name: string; readonly namespace: string },
  signal: AbortSignal,
): Promise<void> {
  try {
    await leases.create({ metadata: lock, spec: {} }, { signal })
  } catch (error) {
    // Another replica in the same namespace was faster.
    if (!isKubeError(error, 'AlreadyExists')) throw error
  }
}

async function oldestLease(
  leases: Resource<Lease>,
  name: string,
  signal: AbortSignal,
): Promise<Lease | undefined> {
  const { items } = await leases.list({ fieldSelector: `metadata.name=${name}`, signal })
  return items.sort(
    (a, b) => compare(createdAt(a), createdAt(b)) || compare(namespaceOf(a), namespaceOf(b)),
  )[0]
}

function createdAt({ metadata }: Lease): string {
  return metadata.creationTimestamp ?? ''
}

function namespaceOf({ metadata }: Lease): string {
  return metadata.namespace ?? ''
}

function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
