import { describe, expect, it } from 'vitest'
import { type Outcome, type ReleaseStatus, statusAfter } from './status.ts'

const day = (number: number) => new Date(Date.UTC(2026, 0, number))
const time = (number: number) => `2026-01-0${number}T00:00:00Z`
const deployed: Outcome = {
  type: 'Deployed',
  reason: 'InstallSuccessful',
  message: 'done',
  release: { name: 'kf', revision: 1 },
}
const failed: Outcome = { type: 'ReleaseFailed', reason: 'UpgradeError', message: 'no' }

/** Types and statuses of the conditions. */
function shown({ conditions = [] }: ReleaseStatus): string[] {
  return conditions.map(({ type, status }) => `${type}=${status}`)
}

describe('statusAfter', () => {
  it('says what is deployed', () => {
    expect(statusAfter(undefined, 1, deployed, day(1))).toEqual({
      observedGeneration: 1,
      conditions: [
        { type: 'Initialized', status: 'True', lastTransitionTime: time(1) },
        {
          type: 'Deployed',
          status: 'True',
          reason: 'InstallSuccessful',
          message: 'done',
          lastTransitionTime: time(1),
        },
      ],
      deployedRelease: { name: 'kf', revision: 1 },
    })
  })

  it('is the same when nothing happened, whenever that was', () => {
    const first = statusAfter(undefined, 1, deployed, day(1))
    expect(statusAfter(first, 1, deployed, day(2))).toEqual(first)
  })

  it('keeps what is deployed while a change of it fails, and forgets the failure when it is mended', () => {
    const first = statusAfter(undefined, 1, deployed, day(1))
    const second = statusAfter(first, 2, failed, day(2))
    expect(shown(second)).toEqual(['Initialized=True', 'Deployed=True', 'ReleaseFailed=True'])
    expect(second.deployedRelease).toEqual({ name: 'kf', revision: 1 })
    const third = statusAfter(second, 3, deployed, day(3))
    expect(shown(third)).toEqual(['Initialized=True', 'Deployed=True'])
    expect(third.conditions?.map(({ lastTransitionTime }) => lastTransitionTime)).toEqual([time(1), time(1)])
  })

  it('keeps the number of the revision that was begun until one is deployed', () => {
    const before = { ...statusAfter(undefined, 1, deployed, day(1)), pendingRevision: 2 }
    expect(statusAfter(before, 2, failed, day(2)).pendingRevision).toBe(2)
    expect(statusAfter(before, 2, deployed, day(2))).not.toHaveProperty('pendingRevision')
  })

  it('has one failure at a time', () => {
    const first = statusAfter(undefined, 1, failed, day(1))
    expect(shown(first)).toEqual(['Initialized=True', 'ReleaseFailed=True'])
    const outcome: Outcome = { type: 'Irreconcilable', reason: 'ReconcileError', message: 'away' }
    expect(shown(statusAfter(first, 1, outcome, day(2)))).toEqual(['Initialized=True', 'Irreconcilable=True'])
  })

  it('says what an uninstall waits for', () => {
    const first = statusAfter(undefined, 1, deployed, day(1))
    const next = statusAfter(first, 2, { type: 'Uninstalling', message: 'waiting' }, day(2))
    expect(shown(next)).toEqual(['Initialized=True', 'Deployed=False'])
    expect(next.conditions?.[1]).toMatchObject({ message: 'waiting', lastTransitionTime: time(2) })
  })

  it('keeps no manifest of an older operator', () => {
    const old = { deployedRelease: { name: 'kf', revision: 1, manifest: 'long' } }
    expect(statusAfter(old, 1, failed, day(1)).deployedRelease).toEqual({ name: 'kf', revision: 1 })
  })
})
