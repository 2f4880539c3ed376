import { afterAll, beforeAll, describe, expect } from 'vitest'
import { imageCacheOf } from '../builders/image-cache.ts'
import { REFRESH_ANNOTATION } from '../../src/api/constants.ts'
import { AdmissionStream } from '../harness/admissions.ts'
import { eventually, uniqueName } from '../harness/cluster.ts'
import { type ControllerPod, InstalledController } from '../harness/controller.ts'
import { pushImage } from '../harness/image-builder.ts'
import { annotateRefresh, createCache, waitForCache, waitForStatus } from '../harness/image-caches.ts'
import { make } from '../harness/make.ts'
import { cluster, test } from './fixtures.ts'

const NAMESPACE = 'kube-fledged'
const SELECTOR = 'kubefledged=kubefledged-webhook-server'
const CONFIGURATION = 'validatingwebhookconfiguration/kubefledged-webhook-server'
const servers = new InstalledController(cluster, 'kubefledged-webhook-server')
/**
 * How long after a kill requests may fail: a kubelet sees the end of a process within a second or so, on
 * machines that have time for it.
 */
const MAX_FAILING_MS = 30_000
const DENIED = 'admission webhook "validate-image-cache.kubefledged.io" denied the request: '

beforeAll(() => make(cluster, 'deploy-webhook-server-using-yaml'))
afterAll(async () => {
  await make(cluster, 'remove-webhook-server')
  const kinds = 'validatingwebhookconfigurations,clusterroles,clusterrolebindings'
  const inNamespace = 'deployments,services,secrets,serviceaccounts,roles,rolebindings,poddisruptionbudgets'
  const left = await Promise.all([
    cluster.kubectl(['get', kinds, '-l', SELECTOR, '-o', 'name']),
    cluster.kubectl(['-n', NAMESPACE, 'get', inNamespace, '-l', SELECTOR, '-o', 'name']),
  ])
  expect(left, 'what make remove-webhook-server leaves').toEqual(['', ''])
})

/** What the API server says to a cache with these images; empty where it would take it. */
async function refusalOf(namespace: string, ...images: string[]): Promise<string> {
  const object = imageCacheOf({ name: uniqueName('cache'), namespace }, { cacheSpec: [{ images }] })
  const input = JSON.stringify(object)
  return cluster.kubectl(['create', '--dry-run=server', '-f', '-'], { input }).then(
    () => '',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  )
}

async function podNames(): Promise<string[]> {
  const args = ['-n', NAMESPACE, 'get', 'pods', '-l', SELECTOR, '--field-selector=status.phase=Running']
  const names = await cluster.kubectl([...args, '-o', 'jsonpath={.items[*].metadata.name}'])
  return names.split(' ').filter(Boolean)
}

/** Resolves when a killed Pod's process is in service again. */
async function isBack(killed: ControllerPod): Promise<void> {
  await eventually(`${killed.name} to be back`, async () => {
    const pod = (await servers.pods()).find(({ name }) => name === killed.name)
    return pod?.ready && pod.restarts > killed.restarts
  })
}

const caBundle = () =>
  cluster.kubectl(['get', CONFIGURATION, '-o', 'jsonpath={.webhooks[0].clientConfig.caBundle}'])

describe('the webhook server', () => {
  test('refuses what is wrong, and what is right is pulled', async ({ namespace }) => {
    expect(await refusalOf(namespace, 'a:1', 'a:1')).toContain(
      `${DENIED}Duplicate image names within image list: a:1`,
    )
    expect(await refusalOf(namespace, 'a b')).toContain(`${DENIED}invalid image reference "a b"`)
    const name = `webhook/${uniqueName('x')}:1`
    await pushImage(cluster.openRegistry(), name)
    const cache = await createCache(cluster, namespace, {
      cacheSpec: [{ images: [`registry.test.local/${name}`] }],
    })
    await waitForStatus(cluster, cache, 'Succeeded')
  })

  test('answers while one of its Pods goes', async ({ namespace }) => {
    const pods = await podNames()
    expect(pods).toHaveLength(2)
    const deleted = cluster.kubectl(['-n', NAMESPACE, 'delete', 'pod', pods[0] ?? ''])
    const gone = new AbortController()
    void deleted.finally(() => gone.abort()).catch(() => {})
    const answers: string[] = []
    do {
      answers.push(await refusalOf(namespace, 'a:1', 'a:1'))
    } while (!gone.signal.aborted)
    await deleted
    expect(answers.length).toBeGreaterThan(3)
    expect(answers.filter(answer => !answer.includes(DENIED))).toEqual([])
    await cluster.kubectl(['-n', NAMESPACE, 'rollout', 'status', 'deployment/kubefledged-webhook-server'])
  })

  // The API server keeps connections, maybe all of them to one Pod: so each is killed in its turn.
  test.skipIf(!cluster.isLocal)('fails few requests when its processes are killed', async ({ namespace }) => {
    const pods = await servers.pods()
    expect(pods.map(({ ready }) => ready)).toEqual([true, true])
    const stream = new AdmissionStream(cluster, namespace)
    const kills: { killedAt: number; readyAt: number }[] = []
    try {
      for (const pod of pods) {
        await stream.more(50)
        const killedAt = Date.now()
        await servers.signal(pod, 'KILL')
        await isBack(pod)
        kills.push({ killedAt, readyAt: Date.now() })
        await stream.more(200)
      }
    } finally {
      await stream.end()
    }
    for (const [index, { killedAt, readyAt }] of kills.entries()) {
      const nextAt = kills[index + 1]?.killedAt ?? Infinity
      const answers = stream.answers.filter(({ answeredAt }) => answeredAt >= killedAt && answeredAt < nextAt)
      const failed = answers.filter(({ refusal }) => refusal !== undefined)
      const lasted = (failed.at(-1)?.answeredAt ?? 0) - (failed[0]?.answeredAt ?? 0)
      const figures = `${failed.length} requests failed within ${lasted} ms; ready after ${readyAt - killedAt} ms`
      console.log(figures)
      expect(answers.some(({ refusal, sentAt }) => refusal === undefined && sentAt <= readyAt)).toBe(true)
      for (const { sentAt } of failed) expect(sentAt - killedAt, figures).toBeLessThan(MAX_FAILING_MS)
    }
    const failed = stream.answers.filter(({ refusal }) => refusal !== undefined)
    for (const { refusal, answeredAt } of failed) {
      expect(refusal).toContain('failed calling webhook "validate-image-cache.kubefledged.io"')
      expect(answeredAt, 'before anything was killed').toBeGreaterThanOrEqual(kills[0]?.killedAt ?? 0)
    }
  })

  test('puts its CA bundle back', async ({ namespace }) => {
    const right = await caBundle()
    const patch = (value: string) => {
      const webhooks = [{ name: 'validate-image-cache.kubefledged.io', clientConfig: { caBundle: value } }]
      return cluster.kubectl(['patch', CONFIGURATION, '-p', JSON.stringify({ webhooks })])
    }
    await patch(
      Buffer.from('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n').toString('base64'),
    ).catch(
      // API servers that check the bundle do not take it at all
      () => patch(''),
    )
    await eventually('the bundle', async () => (await caBundle()) === right)
    await make(cluster, 'deploy-webhook-server-using-yaml')
    expect(await caBundle(), 'after it was applied again').toBe(right)
    expect(await refusalOf(namespace, 'a:1', 'a:1')).toContain(DENIED)
  })

  test('hinders nobody but new specs while it is down', async ({ namespace }) => {
    const name = `webhook/${uniqueName('x')}:1`
    await pushImage(cluster.openRegistry(), name)
    const cache = await createCache(cluster, namespace, {
      cacheSpec: [{ images: [`registry.test.local/${name}`] }],
    })
    await waitForStatus(cluster, cache, 'Succeeded')
    const scale = (replicas: number) =>
      cluster.kubectl([
        '-n',
        NAMESPACE,
        'scale',
        'deployment/kubefledged-webhook-server',
        `--replicas=${replicas}`,
      ])
    await scale(0)
    try {
      await eventually('the servers to be gone', async () => (await podNames()).length === 0)
      expect(await refusalOf(namespace, 'b:1')).toContain('failed calling webhook')
      await annotateRefresh(cluster, cache)
      await waitForCache(cluster, cache, 'a finished refresh', ({ metadata, status }) => {
        const asked = metadata.annotations?.[REFRESH_ANNOTATION] !== undefined
        return !asked && status?.reason === 'ImageCacheRefresh' && status.status === 'Succeeded'
      })
    } finally {
      await scale(2)
      await cluster.kubectl(['-n', NAMESPACE, 'rollout', 'status', 'deployment/kubefledged-webhook-server'])
    }
    await eventually('answers', async () => (await refusalOf(namespace, 'a:1', 'a:1')).includes(DENIED))
  })
})
