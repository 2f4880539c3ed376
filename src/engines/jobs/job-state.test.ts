import { afterEach, describe, expect, it } from 'vitest'
import { cacheOf } from '../../../test/builders/image-cache.ts'
import { jobOf } from '../../../test/builders/job.ts'
import { nodeOf } from '../../../test/builders/node.ts'
import { silentLogger } from '../../kube/index.ts'
import { ClusterState } from '../../state/cluster-state.ts'
import { apiServer } from '../../state/testing.ts'
import { JobState } from './job-state.ts'

const IMAGE = 'registry.test/app:1'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

/** The node `n1`, the cache `team/cache`, perhaps one of another namespace, and no Jobs. */
async function stateOfOneNode(otherNamespace?: string): Promise<JobState> {
  const { client, close } = await apiServer(() => ({ status: 404, body: {} }))
  closers.push(close)
  const cluster = new ClusterState(client, { defaultPolicy: 'IfNotPresent', log: silentLogger })
  cluster.nodeInformer.upsert(nodeOf('n1'))
  cluster.cacheInformer.upsert(cacheOf('cache', [IMAGE]))
  if (otherNamespace !== undefined) {
    cluster.cacheInformer.upsert(cacheOf('other', [IMAGE], {}, {}, { namespace: otherNamespace }))
  }
  return new JobState(client, cluster, { namespace: 'kube-fledged', log: silentLogger })
}

const namesOf = (jobs: Iterable<{ metadata: { name: string } }>) =>
  [...jobs].map(({ metadata }) => metadata.name).toSorted()

describe('JobState', () => {
  it('counts Jobs that pull on a node that exists, and no Job that only carries our labels', async () => {
    const state = await stateOfOneNode()
    const job = jobOf([IMAGE])
    const named = (name: string) => ({ ...job.metadata, name })
    state.pullJobs.upsert({ ...job, metadata: named('pulls') })
    state.pullJobs.upsert({ ...job, metadata: named('has-ended'), finished: true })
    state.pullJobs.upsert({ ...job, metadata: { ...named('goes'), deletionTimestamp: 'now' } })
    state.pullJobs.upsert({ ...job, metadata: named('of-another-machine'), nodeUid: 'other' })
    state.pullJobs.upsert({ ...job, metadata: named('of-kube-fledged'), nodeName: '', nodeUid: '' })
    state.pullJobs.upsert({ ...job, metadata: named('of-nobody'), ownerUid: '' })
    state.pullJobs.upsert({ ...job, metadata: named('of-another'), ownerUid: 'uid-of-another' })
    state.pullJobs.upsert({ ...job, metadata: { ...named('from-elsewhere'), namespace: 'other' } })
    state.pullJobs.upsert({ ...job, metadata: named('of-no-cache'), cache: 'team/gone' })
    state.pullJobs.upsert({ ...job, metadata: named('claims'), credential: 'other:12345678' })
    expect(namesOf(state.inFlight())).toEqual(['pulls'])
    expect(namesOf(state.pullJobsOf('n1'))).toEqual(['goes', 'has-ended', 'of-another-machine', 'pulls'])
  })

  it('counts Jobs that remove, too', async () => {
    const state = await stateOfOneNode()
    const job = {
      metadata: { name: 'removes', namespace: 'kube-fledged', uid: 'u' },
      nodeName: 'n1',
      nodeUid: 'uid-of-n1',
      keys: [IMAGE],
      revision: 1,
      finished: false,
    }
    state.removalJobs.upsert(job)
    state.removalJobs.upsert({ ...job, metadata: { ...job.metadata, name: 'has-ended' }, finished: true })
    expect(namesOf(state.inFlight())).toEqual(['removes'])
    expect(namesOf(state.removalJobsOf('n1'))).toEqual(['has-ended', 'removes'])
  })

  it('knows whether namespaces share the cluster', async () => {
    expect((await stateOfOneNode()).isShared()).toBe(false)
    expect((await stateOfOneNode('team')).isShared()).toBe(false)
    expect((await stateOfOneNode('other')).isShared()).toBe(true)
  })

  it('knows which registry the Job of another node pulls from', async () => {
    const state = await stateOfOneNode()
    state.pullJobs.upsert(jobOf([IMAGE]))
    expect(state.isPulledElsewhere('registry.test', 'n2')).toBe(true)
    expect(state.isPulledElsewhere('registry.test', 'n1')).toBe(false)
    expect(state.isPulledElsewhere('other.test', 'n2')).toBe(false)
  })
})
