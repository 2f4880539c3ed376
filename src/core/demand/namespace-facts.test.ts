import { describe, expect, it } from 'vitest'
import { cacheOf } from '../../../test/builders/image-cache.ts'
import { nodeWith } from '../../../test/builders/node.ts'
import { planNode, select } from '../plan/index.ts'
import { compileCache } from './compile-cache.ts'
import { projectNamespace } from './namespace-facts.ts'

const KEY = 'scheduler.alpha.kubernetes.io/node-selector'

function nodeSelectorOf(text: string | undefined) {
  const annotations = text === undefined ? {} : { [KEY]: text }
  return projectNamespace({ metadata: { name: 'team', annotations } }).nodeSelector
}

describe('the node selector of a namespace', () => {
  it.each<{ text: string | undefined; labels: Record<string, string>; isOpen: boolean }>([
    { text: undefined, labels: {}, isOpen: true },
    { text: '', labels: {}, isOpen: true },
    { text: 'pool=team', labels: { pool: 'team' }, isOpen: true },
    { text: 'pool=team', labels: { pool: 'other' }, isOpen: false },
    { text: 'pool=team', labels: {}, isOpen: false },
    { text: ' pool = team , disk=ssd ', labels: { pool: 'team', disk: 'ssd' }, isOpen: true },
    { text: 'pool=team,disk=ssd', labels: { pool: 'team' }, isOpen: false },
    { text: 'pool=', labels: { pool: '' }, isOpen: true },
    { text: 'pool', labels: { pool: '' }, isOpen: false },
    { text: 'pool in (a,b)', labels: { pool: 'a' }, isOpen: false },
    { text: 'a=b=c', labels: { a: 'b' }, isOpen: false },
  ])('$text, labels $labels: open $isOpen', ({ text, labels, isOpen }) => {
    const cache = compileCache(cacheOf('c', ['r.test/a:1']), 'IfNotPresent', {
      namespaceNodeSelector: nodeSelectorOf(text),
    })
    const node = nodeWith('n', { labels })
    const [list] = cache.lists
    expect(list && select(node, list)).toEqual(
      isOpen ? { kind: 'desired' } : { kind: 'skipped', reason: 'NamespaceNodeSelector' },
    )
    const { images } = planNode({ node, caches: [cache], previous: {}, ledger: [] })
    expect(images).toHaveLength(isOpen ? 1 : 0)
  })
})
