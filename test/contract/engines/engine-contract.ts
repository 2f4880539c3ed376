import { setTimeout as delay } from 'node:timers/promises'
import { beforeAll, describe, it } from 'vitest'
import type { ImageCacheSpec } from '../../../src/api/image-cache.ts'
import { eventually } from '../../harness/eventually.ts'
import {
  type CutOffPoint,
  type EngineHarness,
  type EngineSite,
  TestedCluster,
  cutOff,
  startApiServer,
} from './tested-cluster.ts'

/** Time in which an engine that starts something too much would have done so, in milliseconds. */
const QUIET_MS = 3_000

/** What every engine has to do, whatever it works with. */
export function engineContract(name: string, makeHarness: (site: EngineSite) => EngineHarness): void {
  const clusterWith = (images: readonly string[], spec: Partial<ImageCacheSpec> = {}) =>
    TestedCluster.create(makeHarness, images, spec)

  // Each scenario has a node and a namespace of its own.
  describe.concurrent(`the contract of engines: ${name}`, () => {
    beforeAll(() => startApiServer())

    // Each attempt asks the registry, also for an image that is there.
    // The controller may not read the secret, so that it asks no registry itself.
    const always: Partial<ImageCacheSpec> = { pullPolicy: 'Always', imagePullSecrets: [{ name: 's' }] }

    it('pulls each image once on to a cold node, and says so', async ({ expect }) => {
      await using cluster = await clusterWith(['r.test/a:1', 'r.test/b:1'])
      cluster.start()
      for (const image of ['r.test/a:1', 'r.test/b:1']) {
        const { attempt } = await cluster.says(image, 'Present 1')
        expect(attempt).toMatchObject({ state: 'Succeeded', revision: 1 })
      }
      await delay(QUIET_MS)
      expect(cluster.node.images).toEqual(new Set(['r.test/a:1', 'r.test/b:1']))
      expect(cluster.node.pulls.toSorted()).toEqual(['r.test/a:1', 'r.test/b:1'])
      const { status } = await cluster.nodeImages()
      expect(status?.counts).toEqual({ desired: 2, present: 2, failed: 0, removing: 0 })
    })

    it('says why an image cannot be had, tries it once, and pulls the others', async ({ expect }) => {
      await using cluster = await clusterWith(['r.test/a:1', 'r.test/missing:1'])
      cluster.start()
      const { attempt } = await cluster.says('r.test/missing:1', 'Failed ImageNotFound')
      expect(attempt).toMatchObject({ revision: 1, message: expect.stringContaining('not found') })
      await cluster.says('r.test/a:1', 'Present 1')
      await delay(QUIET_MS)
      expect(cluster.node.images).toEqual(new Set(['r.test/a:1']))
      expect(cluster.node.pulls.toSorted()).toEqual(['r.test/a:1', 'r.test/missing:1'])
    })

    it('tries an image again that fails for now, after a pause', async ({ expect }) => {
      await using cluster = await clusterWith(['r.test/flaky:1'])
      cluster.start()
      const failed = await cluster.says('r.test/flaky:1', 'Failed RegistryUnavailable')
      expect(failed.attempt).toMatchObject({ count: 1, message: expect.stringContaining('503') })
      const present = await cluster.says('r.test/flaky:1', 'Present 1')
      const pause = Date.parse(present.presence?.since ?? '') - Date.parse(failed.attempt?.finishedAt ?? '')
      expect(pause).toBeGreaterThan(29_000)
      expect(cluster.node.pulls).toEqual(['r.test/flaky:1', 'r.test/flaky:1'])
    })

    it('follows an edit: pulls the new image, removes the old one, and leaves the rest', async ({
      expect,
    }) => {
      await using cluster = await clusterWith(['r.test/a:1', 'r.test/b:1'])
      cluster.start()
      await cluster.says('r.test/a:1', 'Present 1')
      await cluster.says('r.test/b:1', 'Present 1')
      await cluster.edit(['r.test/b:1', 'r.test/c:1'])
      await cluster.says('r.test/c:1', 'Present 2')
      await eventually('the old image to go', async () => !cluster.node.images.has('r.test/a:1'))
      await cluster.says('r.test/a:1', 'Absent, Removed')
      await cluster.says('r.test/b:1', 'Present 1')
      expect(cluster.node.images).toEqual(new Set(['r.test/b:1', 'r.test/c:1']))
      expect(cluster.node.pulls.toSorted()).toEqual(['r.test/a:1', 'r.test/b:1', 'r.test/c:1'])
    })

    it('answers a refresh with a new attempt', async ({ expect }) => {
      await using cluster = await clusterWith(['r.test/a:1'], always)
      cluster.start()
      await cluster.says('r.test/a:1', 'Present 1')
      await cluster.refresh()
      const { attempt } = await cluster.says('r.test/a:1', 'Present 2')
      expect(attempt).toMatchObject({ state: 'Succeeded', revision: 2 })
      expect(cluster.node.pulls).toEqual(['r.test/a:1', 'r.test/a:1'])
    })

    it('takes no attempt for the answer to a refresh that came later', async ({ expect }) => {
      await using cluster = await clusterWith(['r.test/slow:1'], always)
      cluster.start()
      await cluster.says('r.test/slow:1', 'Pulling')
      await eventually('the pull to begin', async () => cluster.node.pulls.length === 1)
      await cluster.refresh()
      await eventually('the new request', async () => (await cluster.nodeImages()).spec?.revision === 2)
      cluster.node.letGo()
      await cluster.says('r.test/slow:1', 'Present 2')
      expect(cluster.node.pulls).toEqual(['r.test/slow:1', 'r.test/slow:1'])
    })

    it('removes the images of a purge, and says which one is in use', async ({ expect }) => {
      await using cluster = await clusterWith(['r.test/a:1', 'r.test/used:1'])
      cluster.start()
      await cluster.says('r.test/a:1', 'Present 1')
      await cluster.says('r.test/used:1', 'Present 1')
      await cluster.purge()
      await cluster.says('r.test/a:1', 'Absent, Removed')
      await cluster.says('r.test/used:1', 'Present 1, Kept InUse')
      expect(cluster.node.images).toEqual(new Set(['r.test/used:1']))
      await delay(QUIET_MS)
      expect(cluster.node.pulls).toHaveLength(2)
    })

    it.for<CutOffPoint>(['before a step', 'after a step', 'before a release', 'after a release'])(
      'goes on where another process was cut off %s, and starts nothing twice',
      async (point, { expect }) => {
        await using cluster = await clusterWith(['r.test/a:1', 'r.test/b:1'], always)
        cluster.start(engine => cutOff(engine, point))
        await cluster.end()
        cluster.start()
        await cluster.says('r.test/a:1', 'Present 1')
        await cluster.says('r.test/b:1', 'Present 1')
        await delay(QUIET_MS)
        expect(cluster.node.pulls.toSorted()).toEqual(['r.test/a:1', 'r.test/b:1'])
      },
    )

    it('finds a pull again that runs while no process does', async ({ expect }) => {
      await using cluster = await clusterWith(['r.test/slow:1'], always)
      cluster.start()
      await cluster.says('r.test/slow:1', 'Pulling')
      await cluster.stop()
      cluster.node.letGo()
      await eventually('the pull to end', async () => cluster.node.images.has('r.test/slow:1'))
      cluster.start()
      await cluster.says('r.test/slow:1', 'Present 1')
      expect(cluster.node.pulls).toEqual(['r.test/slow:1'])
    })

    it('goes on with a removal after a restart', async ({ expect }) => {
      await using cluster = await clusterWith(['r.test/a:1'])
      cluster.start()
      await cluster.says('r.test/a:1', 'Present 1')
      await cluster.purge()
      await eventually('the removal to be planned', async () => {
        return ((await cluster.nodeImages()).spec?.remove ?? []).length > 0
      })
      await cluster.stop()
      cluster.start()
      await cluster.says('r.test/a:1', 'Absent, Removed')
      expect(cluster.node.images).toEqual(new Set())
    })

    it('begins anew where the Node was made anew', async ({ expect }) => {
      await using cluster = await clusterWith(['r.test/a:1'])
      cluster.start()
      await cluster.says('r.test/a:1', 'Present 1')
      const before = await cluster.nodeImages()
      await cluster.replaceNode()
      const after = await eventually('another ledger', async () => {
        const current = await cluster.nodeImages()
        return current.status?.nodeUid !== before.status?.nodeUid && current
      })
      expect(after.metadata.uid).not.toBe(before.metadata.uid)
      await cluster.says('r.test/a:1', 'Present 1')
      expect(cluster.node.images).toEqual(new Set(['r.test/a:1']))
      expect(cluster.node.pulls).toEqual(['r.test/a:1', 'r.test/a:1'])
    })

    it('pulls an image again whose attempt was lost', async ({ expect }) => {
      await using cluster = await clusterWith(['r.test/slow:1'])
      cluster.start()
      await cluster.says('r.test/slow:1', 'Pulling')
      await eventually('the pull to begin', async () => cluster.node.pulls.length === 1)
      await cluster.loseAttempt()
      cluster.node.letGo()
      const { attempt } = await cluster.says('r.test/slow:1', 'Present 1')
      expect(attempt).toMatchObject({ state: 'Succeeded' })
      expect(cluster.node.pulls).toEqual(['r.test/slow:1', 'r.test/slow:1'])
    })
  })
}
