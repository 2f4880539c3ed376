import { afterEach, describe, expect, it } from 'vitest'
import { jobOf } from '../../../test/builders/job.ts'
import { nodeOf } from '../../../test/builders/node.ts'
import { podOf } from '../../../test/builders/pod.ts'
import { T0 } from '../../../test/builders/time.ts'
import { apiServer } from '../../state/testing.ts'
import { PodRefusals } from './pod-refusals.ts'
import type { PullJob } from './pull/index.ts'
import { makeEngine } from './testing-engine.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

const { signal } = new AbortController()
const QUOTA = 'exceeded quota: q'
const CONFLICT =
  'Error creating: Operation cannot be fulfilled on resourcequotas "q": the object has been modified; please apply your changes to the latest version and try again'

interface Said {
  readonly of: PullJob
  readonly message?: string
}

function jobNamed(name: string, namespace = 'team'): PullJob {
  const job = jobOf(['registry.test/app:1'])
  return { ...job, metadata: { ...job.metadata, name, namespace, uid: `uid-of-${name}` } }
}

/** An API server that has these events, and Jobs that the informer knows. */
async function refusalsWith(jobs: readonly PullJob[], said: readonly Said[]) {
  const events = [...said]
  const { client, requests, close } = await apiServer(({ path }) => ({
    body: {
      items: events
        .filter(({ of }) => path.includes(`/namespaces/${of.metadata.namespace}/`))
        .map(({ of, message = `Error creating: pods "${of.metadata.name}-x" is forbidden: ${QUOTA}` }) => ({
          metadata: { name: 'e' },
          involvedObject: { uid: of.metadata.uid },
          message,
        })),
    },
  }))
  const parts = makeEngine(client)
  closers.push(close, parts.close)
  for (const job of jobs) parts.state.pullJobs.upsert(job)
  const clock = { now: T0 }
  const { state, breaker } = parts
  const refusals = new PodRefusals(client, { state, breaker, now: () => clock.now })
  return { ...parts, refusals, requests, events, clock }
}

describe('PodRefusals', () => {
  it('finds the words for all Jobs of a namespace by one list, and blocks the namespace', async () => {
    const jobs = ['a', 'b', 'c'].map(name => jobNamed(name))
    const [first = jobNamed('none')] = jobs
    const { refusals, breaker, requests } = await refusalsWith(
      jobs,
      jobs.map(of => ({ of })),
    )
    expect(await refusals.look(first, signal)).toBe(true)
    for (const job of jobs) expect(await refusals.look(job, signal)).toBe(false)
    expect(requests).toHaveLength(1)
    expect([...refusals.messages.values()]).toEqual([QUOTA, QUOTA, QUOTA])
    expect(breaker.refusal('pulls', 'team', T0)).toBe(QUOTA)
    expect(breaker.refusal('removals', 'team', T0)).toBeUndefined()
  })

  it('asks ever more rarely while there is nothing, and begins anew after a quiet time', async () => {
    const job = jobNamed('a')
    const { refusals, requests, clock, breaker } = await refusalsWith([job], [])
    for (; clock.now < T0 + 600_000; clock.now += 1_000) await refusals.look(job, signal)
    expect(requests.length).toBeLessThan(16)
    expect(breaker.refusal('pulls', 'team', clock.now)).toBeUndefined()
    const before = requests.length
    clock.now += 180_000
    await refusals.look(job, signal)
    expect(requests.length).toBe(before + 1)
  })

  it('lists at most twice a second in the whole cluster', async () => {
    const jobs = Array.from({ length: 50 }, (_, index) => jobNamed(`j${index}`, `ns-${index}`))
    const { refusals, requests, clock } = await refusalsWith(jobs, [])
    for (; clock.now < T0 + 2_000; clock.now += 100) {
      for (const job of jobs) await refusals.look(job, signal)
    }
    expect(requests).toHaveLength(4)
  })

  it('takes a conflict at a quota for no refusal', async () => {
    const job = jobNamed('a')
    const { refusals, events, clock, breaker } = await refusalsWith([job], [{ of: job, message: CONFLICT }])
    expect(await refusals.look(job, signal)).toBe(false)
    expect(breaker.refusal('pulls', 'team', T0)).toBeUndefined()
    events.push({ of: job })
    clock.now += 10_000
    expect(await refusals.look(job, signal)).toBe(true)
    expect(refusals.messages.get('uid-of-a')).toBe(QUOTA)
  })

  it('reads nothing from events of Jobs that are not ours', async () => {
    const job = jobNamed('a')
    const { refusals, breaker } = await refusalsWith([job], [{ of: jobNamed('foreign') }])
    expect(await refusals.look(job, signal)).toBe(false)
    expect(refusals.messages.size).toBe(0)
    expect(breaker.refusal('pulls', 'team', T0)).toBeUndefined()
  })

  it('opens the namespace again when a Pod is made there, and wakes the nodes', async () => {
    const job = jobNamed('a')
    const { writer, breaker, cluster, state, woken } = await refusalsWith([job], [{ of: job }])
    cluster.nodeInformer.upsert(nodeOf('n1'))
    await writer.refusals.look(job, signal)
    expect(breaker.refusal('pulls', 'team', cluster.now())).toBe(QUOTA)
    state.pullPods.upsert(podOf(jobNamed('another')))
    expect(breaker.refusal('pulls', 'team', cluster.now())).toBeUndefined()
    expect(woken).toEqual(['n1'])
  })
})
