import { describe, expect, it } from 'vitest'
import { compiledOf } from '../../../../test/builders/image-cache.ts'
import { HELPER, SETTINGS, jobOf } from '../../../../test/builders/job.ts'
import { desiredOf } from '../../../../test/builders/node-images.ts'
import { nodeOf } from '../../../../test/builders/node.ts'
import { podOf } from '../../../../test/builders/pod.ts'
import { T0 } from '../../../../test/builders/time.ts'
import { nodeListInventory } from '../../../core/node/index.ts'
import type { JobMethod } from './pull-job.ts'
import { readJob } from './read-job.ts'

const IMAGE = 'r.test/a:1'
const REFUSED = `failed to pull and unpack image "${HELPER}": unexpected status: 401 Unauthorized`
const AWAY = `failed to resolve image "${HELPER}": dial tcp: i/o timeout`

/** The message of a Job whose Pod cannot pull the helper image. */
function messageOf(method: JobMethod, words: string, helperPullSecrets: readonly string[]): string {
  const job = jobOf([IMAGE], method)
  const state = { waiting: { reason: 'ErrImagePull', message: words } }
  const pod = podOf(job, method === 'containers' ? { init: state } : { states: [state] })
  const settings = { ...SETTINGS, helperPullSecrets }
  const cache = compiledOf('cache', [IMAGE])
  const { reading } = readJob(job, {
    desired: desiredOf([IMAGE], cache),
    ledger: [],
    inventory: nodeListInventory(nodeOf('n1')),
    caches: new Map([[cache.owner, cache]]),
    pods: [pod],
    refusals: new Map(),
    settings,
    now: T0,
  })
  const verdict = reading.verdicts.get(IMAGE)
  expect(verdict).toMatchObject({ kind: 'failed', reason: 'HelperImageUnavailable' })
  return verdict?.kind === 'failed' ? verdict.message : ''
}

describe.each<JobMethod>(['batch', 'single', 'containers'])(
  'a helper image of a Job of method %s',
  method => {
    it('that needs credentials says which Secret has to be where', () => {
      expect(messageOf(method, REFUSED, ['mirror', 'other'])).toBe(
        `${REFUSED}; create or correct in the namespace team the pull secrets of the operator: mirror, other`,
      )
      expect(messageOf(method, REFUSED, [])).toBe(`${REFUSED}; set imagePullSecrets of the operator`)
    })

    it('that cannot be reached says so alone', () => {
      expect(messageOf(method, AWAY, ['mirror'])).toBe(AWAY)
    })
  },
)

describe('the admission plugin AlwaysPullImages', () => {
  const verdictOf = (alwaysPulls: boolean, method: JobMethod) => {
    const job = jobOf([IMAGE], method)
    const state = { waiting: { reason: 'ErrImagePull', message: `${IMAGE}: dial tcp: i/o timeout` } }
    const cache = compiledOf('cache', [IMAGE])
    const { reading } = readJob(job, {
      desired: desiredOf([IMAGE], cache),
      ledger: [],
      inventory: nodeListInventory(nodeOf('n1')),
      caches: new Map([[cache.owner, cache]]),
      pods: [podOf(job, { states: [state], alwaysPulls })],
      refusals: new Map(),
      settings: SETTINGS,
      now: T0,
    })
    return reading.verdicts.get(IMAGE)
  }

  it.each<JobMethod>(['batch', 'single', 'containers'])('is seen in a Pod of method %s', method => {
    expect(verdictOf(true, method)).toMatchObject({ reason: 'RegistryUnavailable', askedRegistry: true })
    expect(verdictOf(false, method)).not.toHaveProperty('askedRegistry')
  })
})
