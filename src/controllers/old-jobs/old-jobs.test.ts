import { describe, expect, it } from 'vitest'
import { compiledOf } from '../../../test/builders/image-cache.ts'
import { SETTINGS } from '../../../test/builders/job.ts'
import { desiredOf } from '../../../test/builders/node-images.ts'
import { nodeOf } from '../../../test/builders/node.ts'
import { API_VERSION } from '../../api/constants.ts'
import type { OwnerReference } from '../../api/object.ts'
import { buildJob, projectJob } from '../../engines/jobs/pull/index.ts'
import { isLegacyJob } from './old-jobs.ts'

const OWNER: OwnerReference = {
  apiVersion: API_VERSION,
  kind: 'ImageCache',
  name: 'cache',
  uid: 'uid-of-cache',
  controller: true,
  blockOwnerDeletion: true,
}

/** A Job with the labels that kube-fledged gives. */
function labelled(...ownerReferences: OwnerReference[]) {
  const labels = { app: 'kubefledged', kubefledged: 'kubefledged-image-manager', imagecache: 'cache' }
  const metadata = { name: 'cache-x7k2p', namespace: 'team', uid: 'uid', labels, ownerReferences }
  return projectJob({ metadata, spec: { template: { spec: { containers: [] } } } })
}

describe('isLegacyJob', () => {
  it('is true of a Job of kube-fledged before 0.12', () => {
    expect(isLegacyJob(labelled(OWNER))).toBe(true)
  })

  it.each<[string, OwnerReference[]]>([
    ['nobody', []],
    ['a CronJob', [{ ...OWNER, apiVersion: 'batch/v1', kind: 'CronJob' }]],
    ['an ImageCache of another group', [{ ...OWNER, apiVersion: 'example.org/v1' }]],
    ['an owner that is not its controller', [{ ...OWNER, controller: false }]],
  ])('is false of a Job that %s owns', (_, owners) => {
    expect(isLegacyJob(labelled(...owners))).toBe(false)
  })

  it('is false of a Job of this release', () => {
    const cache = compiledOf('cache', ['registry.test/app:1'])
    const request = {
      name: 'cache-0123456789',
      cache,
      method: 'batch',
      images: desiredOf(['registry.test/app:1'], cache),
      proofOnly: false,
      revision: 1,
      startedAt: '2026-01-01T00:00:00.000Z',
      activeDeadlineSeconds: 60,
      urgent: true,
    } as const
    const job = projectJob(buildJob(request, nodeOf('n1'), SETTINGS))
    expect(isLegacyJob(job)).toBe(false)
  })
})
