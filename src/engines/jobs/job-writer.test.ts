import { afterEach, describe, expect, it } from 'vitest'
import type { PullJob } from './pull/index.ts'
import { cacheOf, jobOf, podOf } from './pull/testing.ts'
import { silentLogger } from '../../kube/index.ts'
import { JobWriter } from './job-writer.ts'
import { RefusedNamespaces } from './refused-namespaces.ts'
import { apiServer } from '../../state/testing.ts'
import { ClusterState } from '../../state/cluster-state.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

function refusals() {
  return { pulls: new RefusedNamespaces(), removals: new RefusedNamespaces() }
}

describe('JobWriter.deleteAll', () => {
  it('goes on behind a Job that cannot be deleted, and says so at the end', async () => {
    const message = 'admission webhook "policy.test" denied the request'
    const { client, requests, close } = await apiServer(({ path }) => {
      if (path.endsWith('/kept')) return { status: 403, body: { kind: 'Status', code: 403, message } }
      return path.endsWith('/gone') ? { status: 404, body: { kind: 'Status', code: 404 } } : { body: {} }
    })
    closers.push(close)
    const cluster = new ClusterState(client, {
      namespace: 'kube-fledged',
      defaultPolicy: 'IfNotPresent',
      log: silentLogger,
    })
    const writer = new JobWriter(client, cluster, refusals(), silentLogger, () => {})
    const job = jobOf(['registry.test/app:1'])
    const jobs = ['kept', 'gone', 'last'].map(name => ({
      ...job,
      metadata: { ...job.metadata, name, uid: name },
    }))
    await expect(writer.deleteAll(jobs, new AbortController().signal)).rejects.toThrow(message)
    expect(requests.map(({ method, path }) => `${method} ${path.split('/').at(-1)}`)).toEqual([
      'DELETE kept',
      'DELETE gone',
      'DELETE last',
    ])
  })
})

describe('JobWriter.retain', () => {
  it('keeps the newest 50 finished Jobs of each cache, and shows none of them again', async () => {
    const { client, requests, close } = await apiServer(() => ({ body: {} }))
    closers.push(close)
    const cluster = new ClusterState(client, {
      namespace: 'kube-fledged',
      defaultPolicy: 'IfNotPresent',
      log: silentLogger,
    })
    for (const name of ['cache', 'other']) cluster.cacheInformer.upsert(cacheOf(name, []))
    const made = (cache: string, index: number): PullJob => {
      const job = jobOf(['registry.test/app:1'], 'batch', index)
      const name = `${cache}-${index}`
      const metadata = { ...job.metadata, name, uid: name }
      return { ...job, metadata, cache: `team/${cache}`, ownerUid: `uid-of-${cache}`, finished: true }
    }
    const finished = [...Array(53).keys()].map(index => made('cache', index))
    const other = made('other', 0)
    const failed = { ...made('cache', 99), finished: false }
    const jobs = [...finished, other, failed]
    for (const job of jobs) cluster.jobInformer.upsert(job)
    const writer = new JobWriter(client, cluster, refusals(), silentLogger, () => {})
    const { signal } = new AbortController()
    // Its container has ended, and the job controller has not said so yet.
    const ending = { ...made('other', 1), finished: false }
    cluster.jobInformer.upsert(ending)
    cluster.podInformer.upsert(podOf(ending, { states: [{ terminated: { reason: 'Completed' } }] }))
    await writer.retain([ending], signal)
    expect(requests).toEqual([])
    expect(writer.unread('n1')).toHaveLength(55)
    await writer.retain(jobs.slice(0, 30), signal)
    expect(writer.unread('n1')).toHaveLength(25)
    expect(requests).toEqual([])
    await writer.retain(jobs.slice(30), signal)
    const deleted = requests.map(({ path }) => path.split('/').at(-1))
    expect(deleted).toEqual(['cache-99', 'cache-2', 'cache-1', 'cache-0'])
    expect(writer.unread('n1')).toEqual([failed])
  })
})
