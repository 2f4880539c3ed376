import { afterEach, describe, expect, it } from 'vitest'
import { jobOf } from '../engines/job/testing.ts'
import { silentLogger } from '../kube/index.ts'
import { JobWriter } from './job-writer.ts'
import { RefusedNamespaces } from './refused-namespaces.ts'
import { apiServer } from './testing.ts'
import { World } from './world.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

describe('JobWriter.deleteAll', () => {
  it('goes on behind a Job that cannot be deleted, and says so at the end', async () => {
    const message = 'admission webhook "policy.test" denied the request'
    const { client, requests, close } = await apiServer(({ path }) => {
      if (path.endsWith('/kept')) return { status: 403, body: { kind: 'Status', code: 403, message } }
      return path.endsWith('/gone') ? { status: 404, body: { kind: 'Status', code: 404 } } : { body: {} }
    })
    closers.push(close)
    const world = new World(client, 'IfNotPresent', silentLogger)
    const writer = new JobWriter(client, world, new RefusedNamespaces(), silentLogger, () => {})
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
