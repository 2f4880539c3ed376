import type { Condition } from '../../api/image-cache.ts'
import type { ConditionReason, ConditionType } from '../../api/condition-reasons.ts'
import type { Activity, CompiledCache } from '../demand/index.ts'
import type { Observation } from './observation.ts'

interface Draft<T extends ConditionType> extends Pick<Condition, 'status' | 'message'> {
  readonly type: T
  /** `Degraded` has reasons of failures, too, which older controllers may have written. */
  readonly reason: T extends 'Degraded' ? string : ConditionReason<T>
}

/** Ready, Progressing and Degraded. The time of a condition moves only when its status does. */
export function conditions(compiled: CompiledCache, observation: Observation, now: string): Condition[] {
  const { cache, activity } = compiled
  const before = new Map((cache.status?.conditions ?? []).map(condition => [condition.type, condition]))
  const { generation } = cache.metadata
  return [
    ready(activity, observation),
    progressing(activity, observation),
    degraded(compiled, observation),
  ].map(draft => {
    const old = before.get(draft.type)
    return {
      ...draft,
      lastTransitionTime: old?.status === draft.status ? old.lastTransitionTime : now,
      ...(generation !== undefined && { observedGeneration: generation }),
    }
  })
}

function ready(activity: Activity, { nodes, wanted }: Observation): Draft<'Ready'> {
  const type = 'Ready'
  if (activity === 'suspended')
    return { type, status: 'False', reason: 'Suspended', message: 'spec.suspend is true' }
  if (activity === 'purging') {
    const message = 'purged: an edit of the spec or a refresh brings the images back'
    return { type, status: 'False', reason: 'Purged', message }
  }
  if (nodes.desired === 0) {
    const message = nodes.skipped > 0 ? 'no matching node can take work now, see skipped' : 'no node matches'
    return { type, status: 'True', reason: 'NoNodes', message }
  }
  const message = `${nodes.ready} of ${nodes.desired} nodes hold all their images`
  if (wanted === 0 && nodes.ready === nodes.desired) {
    return { type, status: 'True', reason: 'NoImages', message: 'the lists are empty' }
  }
  return nodes.ready === nodes.desired
    ? { type, status: 'True', reason: 'AllImagesPresent', message }
    : { type, status: 'False', reason: 'ImagesMissing', message }
}

function progressing(activity: Activity, { unsettled }: Observation): Draft<'Progressing'> {
  const type = 'Progressing'
  if (unsettled === 0 || activity === 'suspended') {
    return { type, status: 'False', reason: 'Settled', message: '' }
  }
  const reason = activity === 'purging' ? 'Removing' : 'Pulling'
  return { type, status: 'True', reason, message: `waiting for ${unsettled} images on nodes` }
}

function degraded({ scheduleProblem }: CompiledCache, { failures }: Observation): Draft<'Degraded'> {
  const type = 'Degraded'
  const [first] = failures
  if (!first && scheduleProblem !== undefined) {
    const message = `spec.refresh.schedule is not followed: ${scheduleProblem}`
    return { type, status: 'True', reason: 'InvalidSchedule', message }
  }
  if (!first) return { type, status: 'False', reason: 'NoFailures', message: '' }
  const [image, { listed }] = first
  const [example] = listed
  const more = failures.size > 1 ? ` (and ${failures.size - 1} more images)` : ''
  return {
    type,
    status: 'True',
    reason: example?.reason ?? 'PullFailed',
    message: `${image.slice(0, 200)}: ${example?.message ?? ''}${more}`,
  }
}
