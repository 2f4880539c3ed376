import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cacheOf } from '../../../test/builders/image-cache.ts'
import { nodeImagesOf } from '../../../test/builders/node-images.ts'
import { nodeOf } from '../../../test/builders/node.ts'
import { at } from '../../../test/builders/time.ts'
import type { DesiredImage, LedgerEntry, NodeImagesSpec, Removal } from '../../api/node-images.ts'
import { type CompiledCache, compileCache } from '../demand/index.ts'
import { fitMessages } from '../ledger/index.ts'
import { type Claim, claimsOf } from './claims.ts'
import { fitObjectSize } from './fit-object-size.ts'
import { byAge } from './plan-images.ts'
import { planNode } from './plan-node.ts'

const ETCD_BYTES = 1.5 * 1024 * 1024
const NODE = nodeOf('n')
const DIGEST = `sha256:${'0'.repeat(64)}`
/** A revision with as many digits as any node will see. */
const REVISION = 123_456

function compiledOf(
  name: string,
  age: number,
  images: readonly string[],
  {
    namespace = 'ns',
    pullPolicy = 'IfNotPresent',
  }: { readonly namespace?: string; readonly pullPolicy?: DesiredImage['pullPolicy'] } = {},
): CompiledCache {
  return compileCache(cacheOf(name, images, {}, {}, { namespace, creationTimestamp: at(age) }), pullPolicy)
}

const names = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, index) => `registry.example.com/some/team/${prefix}-${index}:v1.2.3`)

/** What fits of the images of these caches, as `cache image`. */
function fitted(caches: readonly CompiledCache[], removals: readonly Removal[] = []) {
  const { claims } = claimsOf(NODE, caches.toSorted(byAge), [])
  const fitting = fitObjectSize(claims, removals)
  const kept = (cache: CompiledCache) => imagesOf(fitting.claims, cache)
  return { ...fitting, kept, all: claims }
}

const imagesOf = (claims: readonly Claim[], { owner }: CompiledCache) =>
  claims.filter(({ cache }) => cache.owner === owner).map(({ image }) => image)

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

/** Bytes of the largest NodeImages that such a plan can lead to. */
function bytesOf(spec: NodeImagesSpec): number {
  const images = (spec.images ?? []).map(image => ({
    ...image,
    revision: REVISION,
    ...(image.pullPolicy === 'Always' && { registryDigest: DIGEST, refreshRound: at(0) }),
  }))
  const entries = [...images.map(largestEntry), ...(spec.remove ?? []).map(largestRemovedEntry)]
  const ledger = [...fitMessages([...entries, ...TOMBSTONES])]
  return Buffer.byteLength(JSON.stringify(nodeImagesOf(NODE, { ...spec, images }, ledger)))
}

/** 200 entries of images that nobody wants any more. */
const TOMBSTONES = names('forgotten', 200).map((image): LedgerEntry => {
  return largestEntry({ image, owners: ['01234567'], revision: 1 })
})

const planOf = (caches: readonly CompiledCache[], previous: NodeImagesSpec = {}) =>
  planNode({ node: NODE, caches: caches.toSorted(byAge), previous, ledger: [] })

describe('the size of the object', () => {
  it('has room for 1 700 images of one cache', () => {
    const spec = planOf([compiledOf('a', 1, names('a', 1_700))])
    expect(spec.images).toHaveLength(1_700)
    expect(spec.crowdedOut).toBeUndefined()
    expect(bytesOf(spec)).toBeLessThan(ETCD_BYTES)
    expect(bytesOf(spec)).toBeGreaterThan(0.8 * ETCD_BYTES)
  })

  it.each<[string, (index: number) => string, DesiredImage['pullPolicy']]>([
    ['short', index => `r.io/a:${index}`, 'IfNotPresent'],
    ['short, and tags move', index => `r.io/a:${index}`, 'Always'],
    ['long', index => `registry.example.com/${'x'.repeat(180)}/a:${index}`, 'Always'],
  ])('is bounded where names are %s', (_, nameOf, pullPolicy) => {
    const images = Array.from({ length: 3_000 }, (__, index) => nameOf(index))
    const caches = [0, 1].map(half => {
      const cache = cacheOf(`c${half}`, images.slice(half * 1_500, (half + 1) * 1_500), {
        pullPolicy,
        imagePullSecrets: [{ name: 'registry-password' }],
      })
      return compileCache(cache, 'IfNotPresent')
    })
    const spec = planOf(caches)
    expect(spec.crowdedOut).not.toEqual([])
    expect(spec.images?.length).toBeGreaterThan(800)
    expect(bytesOf(spec)).toBeLessThan(ETCD_BYTES)
  })

  it('is bounded where every image has many owners, each with many lists', () => {
    const cacheSpec = Array.from({ length: 10 }, (_, index) => ({
      images: names('a', 11),
      tolerations: [{ key: `k${index}`, operator: 'Exists' as const }],
    }))
    const caches = Array.from({ length: 700 }, (_, index) => {
      const metadata = { namespace: `team-${index}-${'x'.repeat(50)}`, creationTimestamp: at(index) }
      const cache = cacheOf(
        `c-${'y'.repeat(240)}`,
        [],
        { cacheSpec },
        {},
        { ...metadata, uid: `uid-${index}` },
      )
      return compileCache(cache, 'Always')
    })
    const spec = planOf(caches)
    expect(spec.crowdedOut?.length).toBeGreaterThan(100)
    expect(bytesOf(spec)).toBeLessThan(ETCD_BYTES)
  })

  it('leaves room for what is to be removed, and for what nobody wants any more', () => {
    const removals = names('o', 1_000).map(image => ({ image, owners: ['x'], revision: REVISION }))
    const { claims, crowdedOut } = fitted([compiledOf('new', 1, names('n', 1_600))], removals)
    expect(crowdedOut).toHaveLength(1)
    const images = claims.map(({ image, cache }) => ({
      image,
      owners: [cache.owner],
      revision: 1,
      pullPolicy: 'IfNotPresent' as const,
    }))
    expect(bytesOf({ images, remove: removals })).toBeLessThan(ETCD_BYTES)
  })
})

describe('who gets the room', () => {
  it('keeps everything where there is room', () => {
    const { claims, crowdedOut, all } = fitted([
      compiledOf('a', 1, names('a', 500)),
      compiledOf('b', 2, names('b', 500)),
    ])
    expect(claims).toEqual(all)
    expect(crowdedOut).toEqual([])
  })

  it('leaves out images of the youngest cache of a namespace, and keeps those that older caches want too', () => {
    const shared = 'registry.example.com/shared:1'
    const oldest = compiledOf('oldest', 1, names('z', 700))
    const middle = compiledOf('middle', 2, [...names('m', 700), shared])
    const youngest = compiledOf('youngest', 3, [...names('a', 1_000), shared])
    const { kept, crowdedOut } = fitted([youngest, middle, oldest])
    expect(crowdedOut).toEqual([youngest])
    expect([kept(oldest).length, kept(middle).length]).toEqual([700, 701])
    expect(kept(youngest).length).toBeGreaterThan(100)
    const spec = planOf([youngest, middle, oldest])
    expect(spec.crowdedOut).toEqual([youngest.owner])
    expect(spec.images?.find(({ image }) => image === shared)?.owners).toEqual([middle.owner])
  })

  it('lets no number of young caches push out an image of the oldest', () => {
    const oldest = compiledOf('oldest', 0, names('a', 1_500))
    const young = Array.from({ length: 40 }, (_, index) =>
      compiledOf(`young-${index}`, 1 + index, names('a', 1_500)),
    )
    const { images = [], crowdedOut = [] } = planOf([...young, oldest])
    expect(images.filter(({ owners }) => owners[0] === oldest.owner)).toHaveLength(1_500)
    expect(crowdedOut).not.toContain(oldest.owner)
    expect(crowdedOut).toContain(young[39]?.owner)
  })

  it('gives a namespace its share, whoever came first', () => {
    const greedy = [0, 1, 2].map(index =>
      compiledOf(`greedy-${index}`, index, names(`g${index}`, 1_700), { namespace: 'greedy' }),
    )
    const late = compiledOf('late', 9, names('l', 800), { namespace: 'late' })
    const { kept } = fitted([...greedy, late])
    expect(kept(late)).toHaveLength(800)
    expect(greedy.map(cache => kept(cache).length > 0)).toEqual([true, false, false])
  })

  it('gives what a namespace leaves free to the others', () => {
    const small = compiledOf('small', 9, names('s', 10), { namespace: 'small' })
    const large = compiledOf('large', 1, names('l', 1_700), { namespace: 'large' })
    const larger = compiledOf('larger', 2, names('r', 1_700), { namespace: 'large' })
    const { kept } = fitted([small, large, larger])
    expect(kept(small)).toHaveLength(10)
    expect(kept(large).length + kept(larger).length).toBeGreaterThan(1_700)
  })

  /** Caches that together want about twice as much as there is room for. */
  const caches = fc
    .array(
      fc.record({
        namespace: fc.constantFrom('a', 'b', 'c'),
        from: fc.integer({ min: 0, max: 1_500 }),
        count: fc.integer({ min: 0, max: 1_500 }),
        pullPolicy: fc.constantFrom<DesiredImage['pullPolicy']>('Always', 'IfNotPresent'),
      }),
      { minLength: 1, maxLength: 6 },
    )
    .map(all =>
      all.map(({ from, count, ...options }, age) =>
        compiledOf(`c${age}`, age, names('i', from + count).slice(from), options),
      ),
    )
  const RUNS = { numRuns: 20 }

  it('is never more than all of it', () => {
    fc.assert(
      fc.property(caches, all => {
        expect(bytesOf(planOf(all))).toBeLessThan(ETCD_BYTES)
      }),
      RUNS,
    )
  })

  it('does not change for an older cache when a younger one of its namespace comes', () => {
    fc.assert(
      fc.property(caches, all => {
        const youngest = all.at(-1)
        const namespace = youngest?.cache.metadata.namespace
        const [before, after] = [fitted(all.slice(0, -1)), fitted(all)]
        for (const cache of all.slice(0, -1)) {
          if (cache.cache.metadata.namespace !== namespace) continue
          expect(after.kept(cache)).toEqual(before.kept(cache))
        }
      }),
      RUNS,
    )
  })

  it('is whole for a namespace that wants no more than its share', () => {
    fc.assert(
      fc.property(caches, all => {
        // 1 500 images of one namespace fit, so a third of that fits into a share of three.
        const own = compiledOf('own', 99, names('own', 400), { namespace: 'own', pullPolicy: 'Always' })
        const others = all.filter(({ cache }) => cache.metadata.namespace !== 'c')
        expect(fitted([...others, own]).kept(own)).toHaveLength(400)
      }),
      RUNS,
    )
  })

  it('shrinks for nobody when removals are done', () => {
    const removals = names('o', 500).map(image => ({ image, owners: ['x'], revision: 1 }))
    fc.assert(
      fc.property(caches, fc.nat(500), (all, done) => {
        const { claims } = claimsOf(NODE, all, [])
        const [before, after] = [fitObjectSize(claims, removals), fitObjectSize(claims, removals.slice(done))]
        const kept = new Set(after.claims)
        expect(before.claims.filter(claim => !kept.has(claim))).toEqual([])
      }),
      RUNS,
    )
  })
})
