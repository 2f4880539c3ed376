import { isKubeError, KubeError } from './errors.ts'
import type { Lease } from './lease.ts'
import type { Resource } from './resource.ts'
import { sleep } from './wait.ts'

/**
 * Wait after the creation of a Lease, before the oldest one is determined. Creation times are whole seconds,
 * so one second later every new Lease is younger. The other second is for API servers whose clocks differ.
 */
const SETTLING_MS = 2_000

/**
 * Finds the only lock of a cluster: the oldest Lease of a name in all namespaces. Creates a Lease if there is
 * none.
 *
 * @param lock the name, and the namespace for a new Lease
 * @returns the namespace of the oldest Lease
 * @throws KubeError when a request fails, `NotFound` when the Lease is deleted in the meantime
 */
export async function findClusterLock(
  leases: Resource<Lease>,
  lock: { readonly name: string; readonly namespace: string },
  signal: AbortSignal,
): Promise<string> {
  const found = await oldestLease(leases, lock.name, signal)
  // A candidate takes only the oldest Lease, so a taken Lease is the lock. A Lease that nobody has taken may
  // have an older rival.
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
    // Another replica in the same namespace created it first.
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
