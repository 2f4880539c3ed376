/** The status of an object that asks for a release, with the conditions and reasons of helm-operator. */

/** The closed set of conditions. A condition that does not apply is absent. */
export type ConditionType = 'Initialized' | 'Deployed' | 'ReleaseFailed' | 'Irreconcilable'

/** The fields of meta/v1 Condition that helm-operators write. */
export interface Condition {
  readonly type: ConditionType
  readonly status: 'True' | 'False'
  readonly reason?: string
  readonly message?: string
  /** RFC 3339. */
  readonly lastTransitionTime: string
}

/** `status` of such an object. Only the operator writes it. */
export interface ReleaseStatus {
  /** Generation of the spec that the conditions are about. */
  readonly observedGeneration?: number
  readonly conditions?: readonly Condition[]
  readonly deployedRelease?: { readonly name: string; readonly revision: number }
  /** Number of the revision that the operator's helm started. Undefined once the release is deployed. */
  readonly pendingRevision?: number
}

/** Outcome of a failed reconcile. */
export type Failure =
  /** Helm failed. The revision that was deployed before is still deployed. */
  | {
      readonly type: 'ReleaseFailed'
      readonly reason: 'InstallError' | 'UpgradeError' | 'UninstallError'
      readonly message: string
    }
  /** The release is unknown, cannot be repaired, or belongs to somebody else. */
  | {
      readonly type: 'Irreconcilable'
      readonly reason: 'ReconcileError' | 'ForeignRelease' | 'PendingRelease'
      readonly message: string
    }

/** Outcome of a reconcile. */
export type Outcome =
  | Failure
  | {
      readonly type: 'Deployed'
      readonly reason: 'InstallSuccessful' | 'UpgradeSuccessful'
      readonly message: string
      readonly release: { readonly name: string; readonly revision: number }
    }
  /** The object and its release are being deleted. */
  | { readonly type: 'Uninstalling'; readonly message: string }

/** The status after an outcome. A condition whose status is unchanged keeps its transition time. */
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
