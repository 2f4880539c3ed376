import { describe, expect } from 'vitest'
import { pullSecretOf } from '../builders/pull-secret.ts'
import { eventually, uniqueName } from '../harness/cluster.ts'
import { pushImage } from '../harness/image-builder.ts'
import { createCache, getCache, waitForCache, waitForStatus } from '../harness/image-caches.ts'
import { withControllerArgument } from './controller-args.ts'
import { cluster, test } from './fixtures.ts'

const HOST = 'faulty.test.local'
const ROUND_S = 5

describe.skipIf(!cluster.isLocal)('periodic refresh (needs a registry of its own)', () => {
  withControllerArgument(`--insecure-registries=${HOST}`)
  withControllerArgument('--read-pull-secrets')

  test('asks the registry once a round for moving tags, and touches nodes only when a tag has moved', async ({
    namespace,
    faulty,
  }) => {
    const moving = uniqueName('moving')
    const fixed = uniqueName('fixed')
    const latest = `${HOST}/${moving}:latest`
    const first = await pushImage(faulty.store, `${moving}:latest`, { seed: 'first' })
    await pushImage(faulty.store, `${fixed}:1`)
    await faulty.openPort80(cluster.local)
    const address = await createCache(cluster, namespace, {
      cacheSpec: [{ images: [latest, `${HOST}/${fixed}:1`] }],
      refresh: { interval: `${ROUND_S}s` },
    })
    await waitForStatus(cluster, address, 'Succeeded')
    const byController = () =>
      faulty.requests(moving).filter(({ agent }) => agent.startsWith('kubefledged-controller'))
    const byNodes = () => faulty.log.filter(({ agent }) => agent.startsWith('containerd'))
    // Not even the first round, when no list of a node may show yet what has come, is a reason to ask again.
    const pulls = byNodes().length
    // The digests come with the nodes' own lists, some time after the pull; the status is at rest after that.
    await waitForCache(
      cluster,
      address,
      'to show what the nodes hold',
      cache => Boolean(cache.status?.images?.every(({ digest }) => digest !== undefined)),
      { timeoutMs: 150_000 },
    )
    const nodes = await cluster.nodes()
    expect(await Promise.all(nodes.map(node => cluster.runtimeDigest(node, latest)))).toEqual(
      nodes.map(() => first.digest),
    )

    const before = {
      cache: await getCache(cluster, address),
      rounds: byController().length,
    }
    await eventually('three more rounds', async () => byController().length >= before.rounds + 3, {
      timeoutMs: 60_000,
    })
    expect(byController().every(({ method }) => method === 'HEAD')).toBe(true)
    expect(faulty.requests(fixed).filter(({ agent }) => agent.startsWith('kubefledged-controller'))).toEqual(
      [],
    )
    expect(byNodes()).toHaveLength(pulls)
    const after = await getCache(cluster, address)
    expect(after.metadata.resourceVersion).toBe(before.cache.metadata.resourceVersion)

    const second = await pushImage(faulty.store, `${moving}:latest`, { seed: 'second' })
    await eventually(
      'the moved tag on every node',
      async () => {
        const held = await Promise.all(nodes.map(node => cluster.runtimeDigest(node, latest)))
        return held.every(digest => digest === second.digest)
      },
      { timeoutMs: 60_000 },
    )
    const { status } = await waitForStatus(cluster, address, 'Succeeded')
    expect(status?.reason).toBe('ImageCacheRefresh')
    expect(Date.parse(status?.startTime ?? '')).toBeGreaterThan(Date.parse(after.status?.startTime ?? ''))
  })

  test('asks for private images where it may read their secret, and leaves them to the nodes elsewhere', async ({
    namespace,
    faulty,
  }) => {
    const repository = uniqueName('private')
    const image = `${HOST}/${repository}:latest`
    const credentials = { username: 'puller', password: 'of-this-test' }
    await pushImage(faulty.store, `${repository}:latest`)
    faulty.protect(repository, credentials)
    await faulty.openPort80(cluster.local)
    await cluster.apply(pullSecretOf({ namespace, name: 'pull' }, HOST, credentials))
    const address = await createCache(cluster, namespace, {
      cacheSpec: [{ images: [image] }],
      imagePullSecrets: [{ name: 'pull' }],
      refresh: { interval: `${ROUND_S}s` },
    })
    await waitForStatus(cluster, address, 'Succeeded')
    const by = (agent: string) =>
      faulty.requests(repository).filter(request => request.agent.startsWith(agent)).length
    const pulls = by('containerd')
    await eventually('the nodes to ask for themselves', async () => by('containerd') > pulls, {
      timeoutMs: 60_000,
    })
    expect(by('kubefledged-controller')).toBe(0)

    // As docs/security.md says it.
    const kubectl = (...args: string[]) => cluster.kubectl(['-n', namespace, 'create', ...args])
    await kubectl('role', 'read-pull-secrets', '--verb=get', '--resource=secrets')
    const account = 'kube-fledged:kubefledged-controller'
    await kubectl(
      'rolebinding',
      'read-pull-secrets',
      '--role=read-pull-secrets',
      `--serviceaccount=${account}`,
    )
    await eventually('the controller to ask', async () => by('kubefledged-controller') > 0, {
      timeoutMs: 90_000,
    })
    await waitForStatus(cluster, address, 'Succeeded')
    let quiet = { pulls: -1, rounds: 0 }
    await eventually(
      'three rounds in which no node asks',
      async () => {
        const now = { pulls: by('containerd'), rounds: by('kubefledged-controller') }
        if (now.pulls !== quiet.pulls) quiet = now
        return now.rounds >= quiet.rounds + 3
      },
      { timeoutMs: 90_000 },
    )
  })
})
