import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cacheOf as imageCacheOf } from '../../../../test/builders/image-cache.ts'
import { removalOf } from '../../../../test/builders/node-images.ts'
import { nodeOf } from '../../../../test/builders/node.ts'
import { T0 } from '../../../../test/builders/time.ts'
import type { Removal } from '../../../api/node-images.ts'
import { compileCache } from '../../../core/demand/index.ts'
import { keptReferences } from '../../../core/plan/index.ts'
import { encodeRequest } from '../../../cri/removal/index.ts'
import { repositoryOf, parseReference } from '../../../oci/reference.ts'
import { chooseRemoval } from './choose-removal.ts'

const NODE = { ...nodeOf('n1'), runtime: 'containerd://2.3.0' }
const DIGEST = `sha256:${'1'.repeat(64)}`

/** Caches of so many tenants, each with these images. */
function tenants(count: number, imagesOf: (tenant: number) => readonly string[]) {
  return Array.from({ length: count }, (_, tenant) =>
    compileCache(imageCacheOf(`cache-${tenant}`, imagesOf(tenant)), 'IfNotPresent'),
  )
}

function choose(removals: readonly Removal[], caches: ReturnType<typeof tenants> = []) {
  return chooseRemoval(removals, {
    node: NODE,
    ledger: [],
    keptBeside: images => keptReferences({ node: NODE, caches, ledger: [] }, images),
    ownImages: ['r.io/own:1'],
    namespaceOf: owner => owner,
    now: T0,
  })
}

describe('chooseRemoval', () => {
  it.each<{ name: string; images: (tenant: number) => readonly string[] }>([
    { name: 'a refused text of 200 KB', images: () => [`r.io/app:${'x'.repeat(200_000)}`] },
    { name: '5 001 names', images: () => Array.from({ length: 5_001 }, (_, index) => `r.io/app:${index}`) },
    {
      name: '1 100 names of one repository each',
      images: tenant => Array.from({ length: 1_100 }, (_, index) => `r.io/app@sha256:${hex(tenant, index)}`),
    },
  ])('makes a request that a node reads, beside 100 tenants with $name', ({ images }) => {
    const chosen = choose([removalOf('r.io/app:gone')], tenants(100, images))
    if (chosen?.kind !== 'start') throw new Error(JSON.stringify(chosen))
    expect(chosen.request.remove).toEqual(['r.io/app:gone'])
    expect(() => encodeRequest(chosen.request)).not.toThrow()
  })

  it('keeps all digests of a repository with more wanted names than fit, and others by name', () => {
    const caches = tenants(20, tenant => [
      `r.io/small@${DIGEST}`,
      ...Array.from({ length: 1_000 }, (_, index) => `r.io/large@sha256:${hex(tenant, index)}`),
    ])
    const chosen = choose([removalOf('r.io/large:1'), removalOf('r.io/small:1')], caches)
    expect(chosen?.request).toMatchObject({
      keep: ['r.io/own:1', `r.io/small@${DIGEST}`],
      keepRepositories: ['r.io/large'],
    })
  })

  it('gives each tenant its turn in a Job', () => {
    const loud = Array.from({ length: 900 }, (_, index) =>
      removalOf(`r.io/a${index}:1`, { owners: ['loud'] }),
    )
    const chosen = choose([...loud, removalOf('r.io/z:1', { owners: ['quiet'] })])
    expect(chosen?.request.remove).toHaveLength(200)
    expect(chosen?.request.remove.slice(0, 2)).toEqual(['r.io/a0:1', 'r.io/z:1'])
  })

  it('fails texts that can be no image by themselves, and goes on with the others', () => {
    const odd = [removalOf('No Image'), removalOf(`r.io:${'0'.repeat(100_000)}/app:1`)]
    const chosen = choose([...odd, removalOf('r.io/b:1')])
    expect(chosen).toMatchObject({ kind: 'fail', message: expect.stringContaining('not an image reference') })
    expect(chosen?.request.remove).toEqual(odd.map(({ image }) => image))
    expect(choose([removalOf('r.io/b:1')])?.kind).toBe('start')
  })

  it('fails a removal where the runtime would have to look up more names than fit', () => {
    const lookedUp = Array.from({ length: 4_000 }, (_, index) => `web-${index}:1`)
    const choice = (count: number) =>
      chooseRemoval([removalOf('r.io/a:1')], {
        node: NODE,
        ledger: [],
        keptBeside: () => ({ byRepository: new Map(), lookedUp: lookedUp.slice(0, count) }),
        ownImages: ['r.io/own:1'],
        namespaceOf: owner => owner,
        now: T0,
      })
    expect(choice(3_999)?.kind).toBe('start')
    expect(choice(4_000)).toMatchObject({
      kind: 'fail',
      message: expect.stringContaining('write the registry'),
    })
  })

  it('names all that is wanted of its repositories, whatever caches ask for', () => {
    const image = fc.oneof(
      fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.nat(3_000)).map(([name, tag]) => `r.io/${name}:${tag}`),
      fc
        .tuple(fc.constantFrom('a', 'b'), fc.nat(3_000))
        .map(([name, index]) => `r.io/${name}@sha256:${hex(0, index)}`),
      fc.string(),
    )
    fc.assert(
      fc.property(
        fc.array(fc.array(image, { maxLength: 400 }), { maxLength: 4 }),
        fc.array(fc.constantFrom('r.io/a:gone', 'r.io/b:gone'), { minLength: 1, maxLength: 2 }),
        (lists, removed) => {
          const chosen = choose(
            removed.map(text => removalOf(text)),
            tenants(lists.length, tenant => lists[tenant] ?? []),
          )
          const { keep = [], keepRepositories = [], remove = [] } = chosen?.request ?? {}
          encodeRequest({ remove, keep, keepRepositories })
          const named = new Set(keep)
          const wanted = lists.flat().filter(text => /^r\.io\/[ab]@/.test(text))
          for (const text of wanted) {
            const repository = repositoryOf(parseReference(text))
            if (!removed.some(gone => gone.startsWith(`${repository}:`))) continue
            expect(named.has(text) || keepRepositories.includes(repository)).toBe(true)
          }
        },
      ),
      { numRuns: 50 },
    )
  })
})

function hex(tenant: number, index: number): string {
  return `${tenant.toString(16).padStart(32, '0')}${index.toString(16).padStart(32, '0')}`
}
