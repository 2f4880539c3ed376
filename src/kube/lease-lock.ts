import { isKubeError } from './errors.ts'
import { type Lease, microTime } from './lease.ts'
import type { Resource } from './resource.ts'

/** The Lease and the candidate of a lock. */
export interface LeaseLockOptions {
  readonly namespace: string
  readonly name: string
  readonly identity: string
  readonly leaseDurationMs: number
  /** Create a missing Lease. */
  readonly create: boolean
}

/**
 * Result of an attempt: the lock is `ours`, `taken` by another candidate, or its Lease is `gone`. A Lease
 * that was deleted and created again is also gone. With `create` a lock is never gone.
 */
export type LockState = 'ours' | 'taken' | 'gone'

/** One candidate's view of a Lease. Follows LeaderElector.tryAcquireOrRenew of client-go. */
export class LeaseLock {
  readonly #leases: Resource<Lease>
  readonly #options: LeaseLockOptions
  #observed: Lease | undefined
  /** Time at which `#observed` was first seen with this content, on the monotonic clock. */
  #observedAt = 0
  #renewedAt = 0
  #renewedBeforeAt: string | undefined
  #liveHolder: string | undefined

  constructor(leases: Resource<Lease>, options: LeaseLockOptions) {
    this.#leases = leases
    this.#options = options
  }

  /**
   * Start of the last request that took or renewed the lease for us, in milliseconds on the monotonic clock.
   * Another candidate sees the renewal after this time.
   */
  get renewedAt(): number {
    return this.#renewedAt
  }

  /**
   * Time at which the previous holder last renewed or released the lease, by its clock. Undefined when there
   * was none.
   */
  get renewedBeforeAt(): string | undefined {
    return this.#renewedBeforeAt
  }

  /**
   * The other candidate that was seen to renew the lease. Undefined when there is none, such as after a
   * leader was killed.
   */
  get liveHolder(): string | undefined {
    return this.#liveHolder
  }

  /** Takes or renews the lease. Throws KubeError when the request fails or another write was faster. */
  async tryAcquireOrRenew(signal: AbortSignal): Promise<LockState> {
    const observed = this.#observed
    if (observed && this.#isOurs(observed) && this.#isValid(observed)) {
      // The holder's last write is most likely the latest version. So a renewal costs one request instead of
      // two.
      try {
        await this.#write(() => this.#leases.replace(this.#renewed(observed), { signal }))
        return 'ours'
      } catch (error) {
        if (!isKubeError(error, 'Conflict', 'NotFound')) throw error
      }
    }
    const current = await this.#read(signal)
    if (!this.#options.create && this.#isAnother(current)) return 'gone'
    if (current === undefined) {
      await this.#write(() => this.#leases.create(this.#fresh(), { signal }))
      return 'ours'
    }
    if (!this.#observed || !sameContent(current, this.#observed)) this.#observe(current)
    if (current.spec?.holderIdentity && !this.#isOurs(current) && this.#isValid(current)) return 'taken'
    await this.#write(() => this.#leases.replace(this.#renewed(current), { signal }))
    if (!this.#isOurs(current)) this.#renewedBeforeAt = current.spec?.renewTime
    return 'ours'
  }

  /** Releases the lease, so that another candidate can take it at once. Has no effect when it is not ours. */
  async release(signal: AbortSignal): Promise<void> {
    const held = this.#observed
    if (!held || !this.#isOurs(held)) return
    const now = microTime(new Date())
    const spec = {
      ...held.spec,
      holderIdentity: '',
      leaseDurationSeconds: 1,
      renewTime: now,
      acquireTime: now,
    }
    this.#observe(await this.#leases.replace({ ...held, spec }, { signal }))
  }

  /** Writes the lease for us. */
  async #write(write: () => Promise<Lease>): Promise<void> {
    const startedAt = performance.now()
    this.#observe(await write())
    this.#renewedAt = startedAt
  }

  async #read(signal: AbortSignal): Promise<Lease | undefined> {
    const { namespace, name } = this.#options
    try {
      return await this.#leases.get({ namespace, name, signal })
    } catch (error) {
      if (isKubeError(error, 'NotFound')) return undefined
      throw error
    }
  }

  #fresh(): Lease {
    const { namespace, name } = this.#options
    return { metadata: { namespace, name }, spec: { ...this.#record(), leaseTransitions: 0 } }
  }

  #renewed(lease: Lease): Lease {
    const record = this.#record()
    const transitions = lease.spec?.leaseTransitions ?? 0
    const spec = this.#isOurs(lease)
      ? {
          ...record,
          acquireTime: lease.spec?.acquireTime ?? record.acquireTime,
          leaseTransitions: transitions,
        }
      : { ...record, leaseTransitions: transitions + 1 }
    return { ...lease, spec }
  }

  #record(): {
    holderIdentity: string
    leaseDurationSeconds: number
    acquireTime: string
    renewTime: string
  } {
    const now = microTime(new Date())
    return {
      holderIdentity: this.#options.identity,
      leaseDurationSeconds: Math.max(1, Math.ceil(this.#options.leaseDurationMs / 1000)),
      acquireTime: now,
      renewTime: now,
    }
  }

  #observe(lease: Lease): void {
    const holder = lease.spec?.holderIdentity
    const isRenewal = Boolean(holder) && holder === this.#observed?.spec?.holderIdentity
    this.#liveHolder = isRenewal && !this.#isOurs(lease) ? holder : undefined
    this.#observed = lease
    this.#observedAt = performance.now()
  }

  #isAnother(current: Lease | undefined): boolean {
    return (
      current === undefined ||
      (this.#observed !== undefined && current.metadata.uid !== this.#observed.metadata.uid)
    )
  }

  #isOurs(lease: Lease): boolean {
    return lease.spec?.holderIdentity === this.#options.identity
  }

  #isValid(lease: Lease): boolean {
    const durationMs = (lease.spec?.leaseDurationSeconds ?? 0) * 1000
    return performance.now() < this.#observedAt + durationMs
  }
}

function sameContent(a: Lease, b: Lease): boolean {
  return a.metadata.uid === b.metadata.uid && a.metadata.resourceVersion === b.metadata.resourceVersion
}
