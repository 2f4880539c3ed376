import { afterEach, describe, expect, it } from 'vitest'
import { cacheOf } from '../../../test/builders/image-cache.ts'
import { jobOf } from '../../../test/builders/job.ts'
import { podOf } from '../../../test/builders/pod.ts'
import { type ApiAnswer, type ApiRequest, apiServer } from '../../state/testing.ts'
import type { PullJob } from './pull/index.ts'
import { makeEngine } from './testing-engine.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

/** A writer before an API server that answers as told. */
async function writerBefore(answer: (request: ApiRequest) => ApiAnswer) {
  const { client, requests, close } = await apiServer(answer)
  const parts = makeEngine(client)
  closers.push(close, parts.close)
  return { ...parts, requests }
}

describe('JobWriter.deleteAll', () => {
  it('goes on after a Job that cannot be deleted, and throws its error at the end', async () => {
    const message = 'admission webhook "policy.test" denied the request'
    const { writer, requests } = await writerBefore(({ path }) => {
      if (path.endsWith('/kept')) return { status: 403, body: { kind: 'Status', code: 403, message } }
      return path.endsWith('/gone') ? { status: 404, body: { kind: 'Status', code: 404 } } : { body: {} }
    })
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
  it('keeps the newest 50 finished Jobs of each cache, and gives none of them to be read again', async () => {
    const { writer, cluster, state, requests } = await writerBefore(() => ({ body: {} }))
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
    for (const job of jobs) state.pullJobs.upsert(job)
    const { signal } = new AbortController()
    // Its container has ended, and the job controller has not said so yet.
    const ending = { ...made('other', 1), finished: false }
    state.pullJobs.upsert(ending)
    state.pullPods.upsert(podOf(ending, { states: [{ terminated: { reason: 'Completed' } }] }))
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
