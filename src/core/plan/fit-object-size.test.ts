import { describe, expect, it } from 'vitest'
import { cacheOf } from '../../../test/builders/image-cache.ts'
import { nodeImagesOf } from '../../../test/builders/node-images.ts'
import { nodeOf } from '../../../test/builders/node.ts'
import { at } from '../../../test/builders/time.ts'
import type { DesiredImage, LedgerEntry, NodeImagesSpec, Removal } from '../../api/node-images.ts'
import { type CompiledCache, compileCache } from '../demand/index.ts'
import { fitObjectSize } from './fit-object-size.ts'
import { planImages } from './plan-images.ts'
import { planNode } from './plan-node.ts'

const ETCD_BYTES = 1.5 * 1024 * 1024
const NODE = nodeOf('n')
const DIGEST = `sha256:${'0'.repeat(64)}`
/** A revision with as many digits as any node will see. */
const REVISION = 123_456

function compiledOf(name: string, age: number, images: readonly string[]): CompiledCache {
  const cache = cacheOf(name, images, {}, {}, { namespace: 'ns', creationTimestamp: at(age) })
  return compileCache(cache, 'Always')
}

const names = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, index) => `registry.example.com/some/team/${prefix}-${index}:v1.2.3`)

const imagesOf = (caches: readonly CompiledCache[]) =>
  planImages({ node: NODE, caches, existing: [], owners: {}, ledger: [], nextRevision: 1 })

/** The largest entry: an older image is there, and its refresh failed with as many words as fit. */
function largestEntry({ image, credential, owners }: DesiredImage | Removal): LedgerEntry {
  return {
    image,
    ...(credential !== undefined && { credential }),
    presence: {
      state: 'Present',
      since: at(0),
      by: 'NodeList',
      revision: REVISION,
      digest: DIGEST,
      registryDigest: DIGEST,
      listed: true,
    },
    attempt: {
      state: 'Failed',
      revision: REVISION,
      count: 12,
      reason: 'HelperImageUnavailable',
      message: 'x'.repeat(256),
      id: '0123456789',
      startedAt: at(0),
      finishedAt: at(0),
    },
    owners,
    pulledByUs: true,
  }
}

/** The largest entry of an image that is to be removed: its removal failed as well. */
function largestRemovedEntry(removal: Removal): LedgerEntry {
  const { attempt: _, ...entry } = largestEntry(removal)
  return {
    ...entry,
    removal: {
      state: 'Failed',
      revision: REVISION,
      count: 12,
      reason: 'RemovalFailed',
      message: 'x'.repeat(256),
      id: `kubefledged-purge-${'0'.repeat(16)}`,
      startedAt: at(0),
      finishedAt: at(0),
    },
  }
}

/** Bytes of a NodeImages with these images, all as large as they can get. */
function bytesOf(spec: NodeImagesSpec, ledger: readonly LedgerEntry[]): number {
  const images = (spec.images ?? []).map(image => ({
    ...image,
    revision: REVISION,
    registryDigest: DIGEST,
    refreshRound: at(0),
  }))
  return Buffer.byteLength(JSON.stringify(nodeImagesOf(NODE, { ...spec, images }, ledger)))
}

/** 200 entries of images that nobody wants any more. */
const TOMBSTONES = names('forgotten', 200).map((image): LedgerEntry => {
  return largestEntry({ image, owners: ['01234567'], revision: 1 })
})

describe('fitObjectSize', () => {
  it('keeps everything where there is room', () => {
    const caches = [compiledOf('a', 1, names('a', 500)), compiledOf('b', 2, names('b', 500))]
    const images = imagesOf(caches)
    expect(fitObjectSize(images, caches, [])).toEqual({ images, crowdedOut: [] })
  })

  it('leaves out images of the youngest caches, and what stays can be written', () => {
    const shared = 'registry.example.com/shared:1'
    const oldest = compiledOf('oldest', 1, names('z', 500))
    const middle = compiledOf('middle', 2, [...names('m', 500), shared])
    const youngest = compiledOf('youngest', 3, [...names('a', 1_000), shared])
    const all = [oldest, middle, youngest]
    const planned = imagesOf(all)
    const { images, crowdedOut } = fitObjectSize(planned, all, [])
    expect(crowdedOut).toEqual([youngest.owner])
    expect(images.length).toBeLessThan(planned.length)
    const countOf = (owner: string) => images.filter(image => image.owners.includes(owner)).length
    expect([countOf(oldest.owner), countOf(middle.owner)]).toEqual([500, 501])
    expect(countOf(youngest.owner)).toBeGreaterThan(100)
    expect(images).toEqual(planned.filter(image => images.includes(image)))
    const spec = planNode({ node: NODE, caches: all, previous: {}, ledger: [] })
    expect(spec).toMatchObject({ images, crowdedOut })
    const bytes = bytesOf(spec, [...images.map(largestEntry), ...TOMBSTONES])
    expect(bytes).toBeLessThan(ETCD_BYTES)
    expect(bytes).toBeGreaterThan(0.8 * ETCD_BYTES)
  })

  it.each([
    ['short', (index: number) => `r.io/a:${index}`],
    ['long', (index: number) => `registry.example.com/${'x'.repeat(180)}/a:${index}`],
  ])('bounds the object where names are %s', (_, nameOf) => {
    const images = Array.from({ length: 2_000 }, (__, index) => nameOf(index))
    const caches = [0, 1].map(half => {
      const cache = cacheOf(`c${half}`, images.slice(half * 1_000, (half + 1) * 1_000), {
        imagePullSecrets: [{ name: 'registry-password' }],
      })
      return compileCache(cache, 'Always')
    })
    const spec = planNode({ node: NODE, caches, previous: {}, ledger: [] })
    expect(spec.crowdedOut).not.toEqual([])
    expect(spec.images?.length).toBeGreaterThan(500)
    expect(bytesOf(spec, [...(spec.images ?? []).map(largestEntry), ...TOMBSTONES])).toBeLessThan(ETCD_BYTES)
  })

  it('leaves room for what is to be removed, and for what nobody wants any more', () => {
    const caches = [compiledOf('new', 1, names('n', 1_600))]
    const left = imagesOf([compiledOf('old', 1, names('o', 1_200))])
    const removals = left.slice(0, 1_000).map(({ image, owners }) => ({ image, owners, revision: REVISION }))
    const { images, crowdedOut } = fitObjectSize(imagesOf(caches), caches, removals)
    expect(crowdedOut).toHaveLength(1)
    const spec = { images: [...images], remove: removals, crowdedOut: [...crowdedOut] }
    const ledger = [...images.map(largestEntry), ...removals.map(largestRemovedEntry), ...TOMBSTONES]
    expect(bytesOf(spec, ledger)).toBeLessThan(ETCD_BYTES)
  })
})
