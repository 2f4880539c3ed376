import { afterAll, beforeAll, describe, expect } from 'vitest'
import { eventually, uniqueName } from '../harness/cluster.ts'
import { InstalledController } from '../harness/controller.ts'
import { CHART, helm, imageArguments } from '../harness/helm.ts'
import { pushImage } from '../harness/image-builder.ts'
import {
  createCache,
  createNamespace,
  deleteNamespace,
  getCache,
  waitForStatus,
} from '../harness/image-caches.ts'
import { make } from '../harness/make.ts'
import { cluster, test } from './fixtures.ts'

/**
 * What nobody should do: a second installation, by helm, in another namespace than that of `make
 * deploy-using-yaml`.
 */

const LEASE = 'kubefledged-controller'
const RELEASE = 'second'
const first = new InstalledController(cluster)
let second = ''

beforeAll(async () => {
  second = await createNamespace(cluster, 'second')
})
afterAll(async () => {
  await helm(cluster, 'uninstall', RELEASE, '-n', second, '--wait', '--ignore-not-found')
  await make(cluster, 'deploy-using-yaml')
  await deleteNamespace(cluster, second)
})

/** Has a new image pulled on every node. */
async function warm(namespace: string): Promise<void> {
  const name = `two/${uniqueName('image')}:1`
  await pushImage(cluster.openRegistry(), name)
  const spec = { cacheSpec: [{ images: [`registry.test.local/${name}`] }] }
  await waitForStatus(cluster, await createCache(cluster, namespace, spec), 'Succeeded')
}

/** Namespaces with a Lease of controllers. */
async function leases(): Promise<string[]> {
  const arguments_ = ['--all-namespaces', `--field-selector=metadata.name=${LEASE}`]
  const namespaces = 'jsonpath={.items[*].metadata.namespace}'
  const text = await cluster.kubectl(['get', 'leases', ...arguments_, '-o', namespaces])
  return text.split(' ').filter(Boolean)
}

/** Waits until the controller of a namespace holds the Lease in another. */
async function leads(namespace: string, leaseNamespace: string): Promise<void> {
  await eventually(
    `the controller in ${namespace} to lead by the Lease in ${leaseNamespace}`,
    async () => {
      const holder = 'jsonpath={.spec.holderIdentity}'
      const text = await cluster.kubectl(['-n', leaseNamespace, 'get', 'lease', LEASE, '-o', holder])
      return text.split('_')[1] === namespace
    },
    { timeoutMs: 60_000 },
  )
}

/** What Events of Pods of a namespace say of a controller in another. */
function warnings(namespace: string): Promise<string> {
  const selector = 'reason=AnotherController,involvedObject.kind=Pod,type=Warning'
  const messages = 'jsonpath={.items[*].message}'
  return cluster.kubectl(['-n', namespace, 'get', 'events', `--field-selector=${selector}`, '-o', messages])
}

async function podOfSecond(): Promise<string> {
  return (
    await cluster.kubectl(['-n', second, 'get', 'pods', '-o', 'jsonpath={.items[*].metadata.name}'])
  ).trim()
}

/** How many requests of each verb the second controller has sent. */
async function requestsOfSecond(): Promise<Record<string, number>> {
  const proxy = `/api/v1/namespaces/${second}/pods/${await podOfSecond()}:8081/proxy/metrics`
  const metrics = await cluster.kubectl(['get', '--raw', proxy])
  const counts = metrics.matchAll(/^kubefledged_api_requests\{verb="(\w+)"\} (\d+)$/gm)
  return Object.fromEntries([...counts].map(([, verb, count]) => [verb, Number(count)]))
}

describe('a second installation in another namespace', () => {
  test('is ready, says that there is another, and writes nothing', async ({ namespace }) => {
    await leads(first.namespace, first.namespace)
    const off = ['--set', 'webhookServer.enable=false', '--set', 'podDisruptionBudget.enable=false']
    const arguments_ = [...off, ...(await imageArguments(cluster))]
    await helm(cluster, 'install', RELEASE, CHART, '-n', second, '--wait', ...arguments_)
    const said = `another controller works in the namespace ${first.namespace} (Pod ${(await first.pod()).name})`
    await eventually('the Event', async () => (await warnings(second)).includes(said))
    expect(await warnings(second)).toContain(`This one, in the namespace ${second}, does nothing`)

    await warm(namespace)
    const log = await cluster.kubectl(['-n', second, 'logs', await podOfSecond()])
    expect(
      log.split('\n').filter(line => line.includes(said)),
      'said once',
    ).toHaveLength(1)
    expect(log).not.toContain('"leading"')
    const requests = await requestsOfSecond()
    expect(requests).toMatchObject({ create: 1, update: 0, patch: 0, delete: 0 })
    expect(requests['list']).toBeGreaterThan(0)
    expect(await leases()).toEqual([first.namespace])
  })

  test('works once the namespace of the first is gone', async ({ namespace }) => {
    await cluster.kubectl(['delete', 'namespace', first.namespace])
    await leads(second, second)
    expect(await leases()).toEqual([second])
    await warm(namespace)
  })

  test('keeps the first from working when that comes back, and leaves it the cluster when it is uninstalled', async ({
    namespace,
  }) => {
    await make(cluster, 'deploy-using-yaml')
    const said = `another controller works in the namespace ${second} `
    await eventually('the Event', async () => (await warnings(first.namespace)).includes(said))
    expect(await leases()).toEqual([second])
    const cache = await createCache(cluster, namespace, { cacheSpec: [], deletionPolicy: 'Purge' })
    const held = async () =>
      (await getCache(cluster, cache)).metadata.finalizers?.[0] === 'kubefledged.io/purge'
    await eventually('the finalizer', held)

    await helm(cluster, 'uninstall', RELEASE, '-n', second, '--wait')
    await leads(first.namespace, second)
    await warm(namespace)
    await eventually('the finalizer, which the uninstallation takes off', held)

    await cluster.kubectl(['-n', second, 'delete', 'lease', LEASE])
    await leads(first.namespace, first.namespace)
    await warm(namespace)
    expect(await leases()).toEqual([first.namespace])
  })
})
