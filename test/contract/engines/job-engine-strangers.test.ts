import { beforeAll, describe, it } from 'vitest'
import type { ImageCacheSpec } from '../../../src/api/image-cache.ts'
import { eventually } from '../../harness/eventually.ts'
import { jobEngineHarness } from './job-engine-harness.ts'
import { TestedCluster, startApiServer } from './tested-cluster.ts'

/** A mesh that puts a proxy, which never ends, before all other containers of a namespace. */
const PROXY_FIRST = `
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: $namespace}
spec:
  failurePolicy: Fail
  reinvocationPolicy: Never
  matchConstraints:
    resourceRules:
      - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}
  mutations:
    - patchType: JSONPatch
      jsonPatch:
        expression: >
          [JSONPatch{op: "add", path: "/spec/containers/0", value: Object.spec.containers{
            name: "proxy", image: "mesh.test/proxy:1", command: ["/bin/sleep", "3600"]}}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: $namespace}
spec:
  policyName: $namespace
  matchResources:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: $namespace}}
`

/** The API server refuses each Job that has it: the request is above the limit. */
const ODD_TEMPLATE: Partial<ImageCacheSpec> = {
  jobTemplate: { resources: { requests: { cpu: '2' }, limits: { cpu: '1' } } },
}

const clusterWith = (images: readonly string[], spec: Partial<ImageCacheSpec> = {}) =>
  TestedCluster.create(jobEngineHarness, images, spec)

describe.concurrent('the Job engine among strangers', () => {
  beforeAll(() => startApiServer(['--enable-admission-plugins=AlwaysPullImages']))

  it('reads its own container where a mesh puts its proxy first, and ends the Job', async ({ expect }) => {
    await using cluster = await clusterWith(['r.test/a:1', 'r.test/missing:1'])
    await cluster.apply(PROXY_FIRST)
    cluster.start()
    await cluster.says('r.test/missing:1', 'Failed ImageNotFound')
    await cluster.says('r.test/a:1', 'Present 1')
    await eventually('the Jobs to go', async () => (await cluster.jobs()).length === 0)
    expect(cluster.node.images).toEqual(new Set(['r.test/a:1']))
  })

  it('gives the next cache its own try where the Job of the oldest one is refused', async ({ expect }) => {
    await using cluster = await clusterWith(['r.test/slow:1'], ODD_TEMPLATE)
    await cluster.addCache('younger', ['r.test/slow:1'])
    cluster.start()
    const refused = await cluster.says('r.test/slow:1', 'Failed JobRefused')
    expect(refused.attempt?.message).toContain('must be less than or equal to cpu limit')
    await eventually('the Job of the other cache', async () => (await cluster.jobs()).includes('younger'))
    const whileItRuns = await cluster.entry('r.test/slow:1')
    expect(whileItRuns?.attempt).toMatchObject({ state: 'Failed', reason: 'JobRefused' })
    expect(refused.owners).toContain(refused.attempt?.owner)
    cluster.node.letGo()
    const { attempt } = await cluster.says('r.test/slow:1', 'Present 1')
    expect(attempt).toMatchObject({ state: 'Succeeded' })
    expect(attempt).not.toHaveProperty('otherFailures')
    expect(cluster.node.pulls).toEqual(['r.test/slow:1'])
  })

  it('keeps an image that it cannot prove while its registry is down', async ({ expect }) => {
    await using cluster = await clusterWith(['r.test/a:1'])
    cluster.recheckIntervalMs = 2_000
    cluster.start()
    await cluster.says('r.test/a:1', 'Present 1')
    cluster.node.registryIsDown = true
    const doubtful = await cluster.says('r.test/a:1', 'Present 1, Unknown RegistryUnavailable')
    expect(doubtful.attempt?.message).toContain('could not be proved: ')
    cluster.node.registryIsDown = false
    await cluster.says('r.test/a:1', 'Present 1')
    expect(cluster.node.images).toEqual(new Set(['r.test/a:1']))
  })
})
