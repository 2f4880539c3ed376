import { describe, expect, it } from 'vitest'
import type { DesiredImage, LedgerEntry } from '../../api/node-images.ts'
import { compileCache } from '../demand/index.ts'
import { projectNode } from '../node/index.ts'
import { planNode } from './plan.ts'
import { fitObjectSize } from './fit-object-size.ts'

const NOW = '2026-01-01T00:00:00.000Z'
const ETCD_BYTES = 1.5 * 1024 * 1024
const NODE = projectNode({
  metadata: { name: 'n' },
  status: { conditions: [{ type: 'Ready', status: 'True' }] },
})

function cacheOf(name: string, age: number, images: readonly string[]) {
  const creationTimestamp = `2025-01-${String(age).padStart(2, '0')}T00:00:00Z`
  return compileCache(
    {
      metadata: { name, namespace: 'ns', uid: name, creationTimestamp },
      spec: { cacheSpec: [{ images: [...images] }] },
    },
    'Always',
  )
}

const names = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, index) => `registry.example.com/some/team/${prefix}-${index}:v1.2.3`)

const plan = (caches: readonly ReturnType<typeof cacheOf>[]) =>
  planNode({ node: NODE, caches, existing: [], ledger: [], now: NOW })

/** A ledger as large as it may well be: every image failed, with the registry's words. */
function ledgerOf(images: readonly DesiredImage[]): LedgerEntry[] {
  return images.map(({ image, credential, owners }) => ({
    image,
    ...(credential !== undefined && { credential }),
    state: 'Failed',
    requestedAt: NOW,
    attempts: 12,
    reason: 'RegistryUnavailable',
    message: 'x'.repeat(256),
    job: '0123456789',
    startedAt: NOW,
    finishedAt: NOW,
    owners,
    pulledByUs: true,
  }))
}

describe('fitObjectSize', () => {
  it('keeps everything where there is room', () => {
    const caches = [cacheOf('a', 1, names('a', 800)), cacheOf('b', 2, names('b', 800))]
    const images = plan(caches)
    expect(fitObjectSize(images, caches, [])).toEqual({ images, crowdedOut: [] })
  })

  it('leaves out images of the youngest caches, and what stays can be written', () => {
    const shared = 'registry.example.com/shared:1'
    const oldest = cacheOf('oldest', 1, names('z', 900))
    const middle = cacheOf('middle', 2, [...names('m', 600), shared])
    const youngest = cacheOf('youngest', 3, [...names('a', 1_000), shared])
    const all = [oldest, middle, youngest]
    const planned = plan(all)
    const { images, crowdedOut } = fitObjectSize(planned, all, [])
    expect(crowdedOut).toEqual([youngest.owner])
    expect(images.length).toBeLessThan(planned.length)
    const of = (owner: string) => images.filter(image => image.owners.includes(owner)).length
    expect([of(oldest.owner), of(middle.owner)]).toEqual([900, 601])
    expect(of(youngest.owner)).toBeGreaterThan(100)
    expect(images).toEqual(planned.filter(image => images.includes(image)))
    const digest = `sha256:${'0'.repeat(64)}`
    const written = JSON.stringify({
      spec: { images: images.map(image => ({ ...image, digest, digestAt: NOW })), crowdedOut },
      status: { images: ledgerOf(images) },
    })
    const forgotten = 200 * 500
    expect(Buffer.byteLength(written)).toBeLessThan(ETCD_BYTES - forgotten)
    expect(Buffer.byteLength(written)).toBeGreaterThan(0.8 * ETCD_BYTES)
  })

  it('leaves room for what is to be removed, and for what nobody wants any more', () => {
    const caches = [cacheOf('new', 1, names('n', 1_600))]
    const planned = plan(caches)
    const left = plan([cacheOf('old', 1, names('o', 1_200))])
    const remove = left.slice(0, 1_000).map(({ image, owners }) => ({ image, owners, requestedAt: NOW }))
    const { images, crowdedOut } = fitObjectSize(planned, caches, remove)
    expect(crowdedOut).toHaveLength(1)
    const digest = `sha256:${'0'.repeat(64)}`
    const written = JSON.stringify({
      spec: { images: images.map(image => ({ ...image, digest, digestAt: NOW })), remove, crowdedOut },
      status: { images: [...ledgerOf(images), ...ledgerOf(left)] },
    })
    expect(Buffer.byteLength(written)).toBeLessThan(ETCD_BYTES)
  })
})
