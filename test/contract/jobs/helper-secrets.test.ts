import { describe, expect, it } from 'vitest'
import type { KubeObject } from '../../../src/api/object.ts'
import { AccountSecrets, ownPullSecrets } from '../../../src/engines/jobs/helper-secrets.ts'
import { JobWriter } from '../../../src/engines/jobs/job-writer.ts'
import { JobState } from '../../../src/engines/jobs/job-state.ts'
import { CircuitBreaker } from '../../../src/state/circuit-breaker.ts'
import { ClusterState } from '../../../src/state/cluster-state.ts'
import type { JobRequest } from '../../../src/engines/jobs/pull/index.ts'
import { cacheOf } from '../../builders/image-cache.ts'
import { SETTINGS } from '../../builders/job.ts'
import { desiredOf } from '../../builders/node-images.ts'
import { nodeOf } from '../../builders/node.ts'
import { at } from '../../builders/time.ts'
import { silentLogger } from '../../../src/kube/index.ts'
import { compileCache } from '../../../src/core/demand/index.ts'
import { connect, newNamespace } from '../kube/fixture.ts'

/** Tests the pull secrets of the operator's own images with a real API server. */

const core = (plural: string, kind: string) => ({ group: '', version: 'v1', plural, kind, namespaced: true })
const { signal } = new AbortController()

async function setUp() {
  const client = connect()
  const { namespace } = await newNamespace(client)
  const accounts = client.resource<KubeObject & { imagePullSecrets?: object[] }>(
    core('serviceaccounts', 'ServiceAccount'),
  )
  const account = (name: string, secrets: readonly string[]) =>
    accounts.create({
      metadata: { namespace, name },
      imagePullSecrets: secrets.map(secret => ({ name: secret })),
    })
  return { client, namespace, account }
}

describe('ownPullSecrets', () => {
  it('are the pull secrets of the Pod with this name and namespace', async () => {
    const { client, namespace } = await setUp()
    const pods = client.resource<KubeObject & { spec: object }>(core('pods', 'Pod'))
    const containers = [{ name: 'c', image: 'c' }]
    for (const name of ['mine', 'other']) {
      const spec = { containers, imagePullSecrets: [{ name: `of-${name}` }] }
      await pods.create({ metadata: { namespace, name }, spec })
    }
    await pods.create({ metadata: { namespace, name: 'without' }, spec: { containers } })
    const secretsOf = (podName: string) => ownPullSecrets(client, { namespace, podName }, signal)
    expect(await secretsOf('mine')).toEqual(['of-mine'])
    for (const name of ['without', 'gone', '']) expect(await secretsOf(name), name).toEqual([])
  })
})

describe('AccountSecrets', () => {
  it('returns none for a missing account', async () => {
    const { client, namespace } = await setUp()
    expect(await new AccountSecrets(client, silentLogger).namesOf(namespace, 'nobody', signal)).toEqual([])
  })
})

describe('a pull Job', () => {
  interface Job extends KubeObject {
    readonly spec: { readonly template: { readonly spec: { readonly imagePullSecrets?: readonly object[] } } }
  }

  /**
   * Names of the secrets in the Pod template of a Job, for a cache with these secrets and the service account
   * `puller`.
   */
  async function secretsOf(own: readonly string[], ofCache: readonly string[]): Promise<unknown> {
    const { client, namespace, account } = await setUp()
    await account('puller', ['account'])
    const cluster = new ClusterState(client, { defaultPolicy: 'IfNotPresent', log: silentLogger })
    const writer = new JobWriter(client, {
      cluster,
      state: new JobState(client, cluster, { namespace, log: silentLogger }),
      breaker: new CircuitBreaker(),
      log: silentLogger,
      onRecovery: () => {},
    })
    const pullSecrets = ofCache.map(name => ({ name }))
    const made = cacheOf('cache', ['r.test/a:1'], { imagePullSecrets: pullSecrets })
    const cache = compileCache({ ...made, metadata: { ...made.metadata, namespace } }, 'IfNotPresent')
    const images = desiredOf(['r.test/a:1'], cache).map(image => ({
      ...image,
      ...(pullSecrets.length > 0 && { pullSecrets }),
    }))
    const request: JobRequest = {
      name: 'cache-0123456789',
      cache,
      method: 'batch',
      images,
      proofOnly: false,
      revision: 1,
      startedAt: at(0),
      activeDeadlineSeconds: 900,
      urgent: true,
    }
    const settings = { ...SETTINGS, helperPullSecrets: own, serviceAccountName: 'puller' }
    await writer.create(request, nodeOf('n1'), settings, signal)
    const def = { group: 'batch', version: 'v1', plural: 'jobs', kind: 'Job', namespaced: true }
    const job = await client.resource<Job>(def).get({ namespace, name: request.name })
    return job.spec.template.spec.imagePullSecrets?.map(secret => Object.values(secret)[0])
  }

  it('leaves the secrets of its service account to the API server when the operator has none', async () => {
    expect(await secretsOf([], [])).toBeUndefined()
  })

  it('has the secrets of its service account beside those of the operator', async () => {
    expect(await secretsOf(['mirror'], [])).toEqual(['mirror', 'account'])
  })

  it('has the secrets of its cache first, and then none of its service account', async () => {
    expect(await secretsOf(['mirror'], ['cache'])).toEqual(['cache', 'mirror'])
  })
})
