/** What an object says of its release, in the words of helm-operator. */

/** The closed set of conditions. A condition that does not hold is absent. */
export type ConditionType = 'Initialized' | 'Deployed' | 'ReleaseFailed' | 'Irreconcilable'

/** meta/v1 Condition, without what helm-operators did not write. */
export interface Condition {
  readonly type: ConditionType
  readonly status: 'True' | 'False'
  readonly reason?: string
  readonly message?: string
  /** RFC 3339. */
  readonly lastTransitionTime: string
}

/** Written by the operator alone. */
export interface ReleaseStatus {
  /** Generation of the spec that the conditions speak of. */
  readonly observedGeneration?: number
  readonly conditions?: readonly Condition[]
  readonly deployedRelease?: { readonly name: string; readonly revision: number }
  /** The revision that the operator's helm was started to make; absent once a release is deployed. */
  readonly pendingRevision?: number
}

/** How a reconcile ended that did not come to its end. */
export type Failure =
  /** helm did not do it; what was deployed before is deployed still. */
  | {
      readonly type: 'ReleaseFailed'
      readonly reason: 'InstallError' | 'UpgradeError' | 'UninstallError'
      readonly message: string
    }
  /** Not even what is deployed is known, it cannot be kept as it should be, or somebody else has it in hand. */
  | {
      readonly type: 'Irreconcilable'
      readonly reason: 'ReconcileError' | 'ForeignRelease' | 'PendingRelease'
      readonly message: string
    }

/** How a reconcile ended. */
export type Outcome =
  | Failure
  | {
      readonly type: 'Deployed'
      readonly reason: 'InstallSuccessful' | 'UpgradeSuccessful'
      readonly message: string
      readonly release: { readonly name: string; readonly revision: number }
    }
  /** The object is being deleted, and so is its release. */
  | { readonly type: 'Uninstalling'; readonly message: string }

/** The status after an outcome. Conditions that stay keep their time. */
export function statusAfter(
  before: ReleaseStatus | undefined,
  generation: number | undefined,
  outcome: Outcome,
  now: Date,
): ReleaseStatus {
  const old = before?.conditions ?? []
  const kept = old.filter(({ type }) => type === 'Deployed' && outcome.type !== 'Deployed')
  const conditions = [...kept.filter(() => outcome.type !== 'Uninstalling'), ...newConditions(outcome)]
  const deployedRelease = outcome.type === 'Deployed' ? outcome.release : before?.deployedRelease
  return {
    ...(generation !== undefined && { observedGeneration: generation }),
    conditions: conditions
      .map(condition => ({ ...condition, lastTransitionTime: since(old, condition, now) }))
      .toSorted((a, b) => ORDER.indexOf(a.type) - ORDER.indexOf(b.type)),
    ...(outcome.type !== 'Deployed' &&
      before?.pendingRevision !== undefined && { pendingRevision: before.pendingRevision }),
    ...(deployedRelease && {
      deployedRelease: { name: deployedRelease.name, revision: deployedRelease.revision },
    }),
  }
}

const ORDER: readonly ConditionType[] = ['Initialized', 'Deployed', 'ReleaseFailed', 'Irreconcilable']

type NewCondition = Omit<Condition, 'lastTransitionTime'>

function newConditions(outcome: Outcome): readonly NewCondition[] {
  const initialized: NewCondition = { type: 'Initialized', status: 'True' }
  if (outcome.type === 'Uninstalling') {
    const { message } = outcome
    return [initialized, { type: 'Deployed', status: 'False', reason: 'Uninstalling', message }]
  }
  const { type, reason, message } = outcome
  return [initialized, { type, status: 'True', reason, message }]
}

function since(old: readonly Condition[], { type, status }: NewCondition, now: Date): string {
  const same = old.find(condition => condition.type === type && condition.status === status)
  return same?.lastTransitionTime ?? now.toISOString().replace(/\.\d+Z$/, 'Z')
}
