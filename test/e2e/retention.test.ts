import { describe, expect } from 'vitest'
import { eventually, uniqueName } from '../harness/cluster.ts'
import { pushImage } from '../harness/image-builder.ts'
import { createCache, patchCache, waitForStatus } from '../harness/image-caches.ts'
import { withControllerArgument } from './controller-args.ts'
import { cluster, test } from './fixtures.ts'

interface Jobs {
  items: {
    metadata: { name: string; annotations: Record<string, string> }
    status: { conditions?: { type: string; status: string }[] }
  }[]
}

async function newImage(): Promise<string> {
  const target = `${uniqueName('retention')}:1`
  await pushImage(cluster.openRegistry(), target)
  return `registry.test.local/${target}`
}

describe.skipIf(!cluster.isLocal)('--job-retention-policy=retain (needs the local registry)', () => {
  withControllerArgument('--job-retention-policy=retain')

  test('finished Jobs stay to be looked at, and keep nothing from being pulled', async ({ namespace }) => {
    const images = [await newImage(), await newImage()]
    const address = await createCache(cluster, namespace, { cacheSpec: [{ images: images.slice(0, 1) }] })
    await waitForStatus(cluster, address, 'Succeeded')
    await patchCache(cluster, address, { spec: { cacheSpec: [{ images }] } })
    await waitForStatus(cluster, address, 'Succeeded')
    const nodes = await cluster.nodes()
    for (const node of nodes) {
      expect([...(await cluster.runtimeImages(node))]).toEqual(expect.arrayContaining(images))
    }
    const items = await eventually('the Jobs to be complete', async () => {
      const jobs = await cluster.kubectlJson<Jobs>(['-n', namespace, 'get', 'jobs'])
      const isComplete = ({ status }: Jobs['items'][number]) =>
        status.conditions?.some(({ type, status }) => type === 'Complete' && status === 'True')
      return jobs.items.length > 0 && jobs.items.every(isComplete) && jobs.items
    })
    const pulled = items.map(({ metadata }) => metadata.annotations['kubefledged.io/images'] ?? '')
    expect(pulled.toSorted()).toEqual(nodes.flatMap(() => images).toSorted())
  })
})
