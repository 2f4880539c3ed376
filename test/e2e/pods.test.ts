import { describe, expect } from 'vitest'
import { uniqueName } from '../harness/cluster.ts'
import { pushImage } from '../harness/image-builder.ts'
import { createCache, waitForStatus } from '../harness/image-caches.ts'
import { podThatPulls, waitUntilNothingPulls } from '../harness/pull-pods.ts'
import { cluster, test } from './fixtures.ts'

/** As long as a name may be, and with everything that a label value may not be. */
function longestName(): string {
  const unique = uniqueName('long')
  return `${unique}.${'part-of-a-name.'.repeat(20)}`
    .slice(0, 252)
    .replace(/[.-]+$/, '')
    .padEnd(253, 'x')
}

describe.skipIf(!cluster.isLocal)('the Pods that pull (needs the local registries)', () => {
  test('are restricted, tolerate every taint, carry the labels that users select on, and go when read', async ({
    namespace,
    faulty,
  }) => {
    const repository = `slow/1500/${namespace}`
    const image = `faulty.test.local/${repository}:1`
    await pushImage(faulty.store, `${repository}:1`)
    const address = await createCache(cluster, namespace, { cacheSpec: [{ images: [image] }] })
    const { metadata, spec } = await podThatPulls(cluster, namespace, image)

    expect(metadata.labels).toMatchObject({
      app: 'kubefledged',
      kubefledged: 'kubefledged-image-manager',
      imagecache: address.name,
      'sidecar.istio.io/inject': 'false',
    })
    expect(metadata.annotations).toMatchObject({
      'cluster-autoscaler.kubernetes.io/safe-to-evict': 'true',
    })
    expect(await cluster.nodes()).toContain(spec.nodeName)
    expect(spec.automountServiceAccountToken).toBe(false)
    expect(spec.volumes?.filter(volume => 'projected' in volume || 'hostPath' in volume)).toEqual([])
    expect(spec).not.toHaveProperty('hostNetwork')
    expect(spec.tolerations).toContainEqual({ operator: 'Exists' })
    expect(spec.securityContext).toMatchObject({
      runAsNonRoot: true,
      seccompProfile: { type: 'RuntimeDefault' },
    })
    // Image volumes: nothing of the image that is cached runs.
    expect(spec.containers.map(container => container.image)).toEqual([
      expect.stringMatching(/\/kubefledged-busybox:/),
    ])
    for (const { securityContext, resources } of spec.containers) {
      expect(securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      })
      expect(Object.keys(resources?.requests ?? {})).toEqual(expect.arrayContaining(['cpu', 'memory']))
      expect(Object.keys(resources?.limits ?? {})).toEqual(expect.arrayContaining(['cpu', 'memory']))
    }

    await waitForStatus(cluster, address, 'Succeeded')
    await waitUntilNothingPulls(cluster, namespace)
  })

  test('are legal for a cache whose name has 253 characters', async ({ namespace, faulty }) => {
    const repository = `slow/1000/${namespace}`
    const image = `faulty.test.local/${repository}:1`
    await pushImage(faulty.store, `${repository}:1`)
    const name = longestName()
    expect(name).toHaveLength(253)
    const address = await createCache(cluster, namespace, { cacheSpec: [{ images: [image] }] }, { name })
    const { metadata } = await podThatPulls(cluster, namespace, image)
    expect(metadata.labels['imagecache']).toMatch(/^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/)
    const jobs = await cluster.kubectlJson<{ items: { metadata: { annotations: object } }[] }>([
      '-n',
      namespace,
      'get',
      'jobs',
    ])
    expect(jobs.items.length).toBeGreaterThan(0)
    for (const job of jobs.items) {
      expect(job.metadata.annotations).toMatchObject({ 'kubefledged.io/imagecache': `${namespace}/${name}` })
    }
    await waitForStatus(cluster, address, 'Succeeded')
    for (const node of await cluster.nodes()) {
      expect([...(await cluster.runtimeImages(node))]).toContain(image)
    }
    await waitUntilNothingPulls(cluster, namespace)
  })
})
