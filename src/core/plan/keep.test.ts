import { describe, expect, it } from 'vitest'
import { cacheOf as imageCacheOf } from '../../../test/builders/image-cache.ts'
import { entryOf } from '../../../test/builders/node-images.ts'
import { nodeOf } from '../../../test/builders/node.ts'
import type { ImageCacheSpec } from '../../api/image-cache.ts'
import { compileCache } from '../demand/index.ts'
import { keptReferences } from './keep.ts'

const D1 = `sha256:${'1'.repeat(64)}`
const CONTAINERD = { ...nodeOf('n1'), runtime: 'containerd://2.3.0' }
const CRIO = { ...nodeOf('n1'), runtime: 'cri-o://1.36.3' }

function cacheOf(name: string, images: readonly string[], spec: Partial<ImageCacheSpec> = {}) {
  return compileCache(imageCacheOf(name, images, spec), 'IfNotPresent')
}

describe('what a removal must spare', () => {
  it('is what caches want of its repositories, in every spelling', () => {
    const caches = [
      cacheOf('x', ['nginx:2', `docker.io/library/nginx@${D1}`, 'r.io/far:1']),
      cacheOf('y', ['index.docker.io/library/nginx:3'], { suspend: true }),
    ]
    const { byRepository, lookedUp } = keptReferences({ node: CONTAINERD, caches, ledger: [] }, ['nginx:1'])
    const names = ['nginx:2', 'nginx:3', `nginx@${D1}`].map(name => `docker.io/library/${name}`)
    expect([...byRepository]).toEqual([['docker.io/library/nginx', names]])
    expect(lookedUp).toEqual([])
  })

  it('is nothing of what is refused: a text of 200 KB, 5 001 names, and images beyond the limit', () => {
    const long = `r.io/app:${'a'.repeat(200_000)}`
    const many = Array.from({ length: 5_001 }, (_, index) => `r.io/App:${index}`)
    const caches = [cacheOf('x', [long, ...many])]
    const { byRepository } = keptReferences({ node: CONTAINERD, caches, ledger: [] }, ['r.io/app:1'])
    expect([...byRepository]).toEqual([['r.io/app', []]])
  })

  it('is nothing of a cache whose namespace may not use the node', () => {
    const fenced = compileCache(imageCacheOf('x', [`r.io/app@${D1}`]), 'IfNotPresent', {
      namespaceNodeSelector: { pool: 'other' },
    })
    const { byRepository } = keptReferences({ node: CONTAINERD, caches: [fenced], ledger: [] }, [
      'r.io/app:1',
    ])
    expect([...byRepository]).toEqual([['r.io/app', []]])
  })

  describe('where the runtime looks up names without registry', () => {
    const caches = [cacheOf('x', ['web:1', 'other.io/team/web:1', 'absent:1'])]
    const ledger = [entryOf('web:1'), entryOf('other.io/team/web:1')]

    it('is each such name that is on the node', () => {
      const { lookedUp } = keptReferences({ node: CRIO, caches, ledger }, ['q.io/web:1'])
      expect(lookedUp).toEqual(['web:1'])
    })

    it('is all that is on the node when such a name is removed', () => {
      const { lookedUp } = keptReferences({ node: CRIO, caches, ledger }, ['alias'])
      expect(lookedUp).toEqual(['docker.io/library/web:1', 'other.io/team/web:1', 'web:1'])
    })
  })
})
