import type { JobMethod, PullJob } from '../../src/engines/jobs/pull/pull-job.ts'
import type { JobSettings } from '../../src/engines/jobs/pull/job-settings.ts'
import type { KubeObject, OwnerReference } from '../../src/api/object.ts'
import { at } from './time.ts'

/** The operator's own image. */
export const HELPER = 'registry.test/kubefledged-busybox:1'

/** Settings of pull Jobs. */
export const SETTINGS: JobSettings = {
  helperImage: HELPER,
  helperPullSecrets: [],
  pullDeadlineMs: 300_000,
  retainJobs: false,
}

/** A pull Job of the node `n1`. */
export function jobOf(images: readonly string[], method: JobMethod = 'batch', seconds = 0): PullJob {
  return {
    metadata: {
      name: 'cache-0123456789',
      namespace: 'team',
      uid: 'uid-of-job',
      creationTimestamp: at(seconds),
    },
    nodeName: 'n1',
    nodeUid: 'uid-of-n1',
    cache: 'team/cache',
    ownerUid: 'uid-of-cache',
    method,
    revision: 1,
    startedAt: at(seconds),
    images,
    finished: false,
  }
}

/** The same, made that many seconds ago on the clock of this machine. */
export function recentJobOf(images: readonly string[], secondsAgo: number): PullJob {
  const job = jobOf(images)
  const creationTimestamp = new Date(Date.now() - secondsAgo * 1000).toISOString()
  return { ...job, metadata: { ...job.metadata, creationTimestamp }, startedAt: creationTimestamp }
}

/** What the job controller writes into a Pod. */
export function controlledBy({ metadata: { name, uid = '' } }: KubeObject): OwnerReference {
  return { apiVersion: 'batch/v1', kind: 'Job', name, uid, controller: true }
}
