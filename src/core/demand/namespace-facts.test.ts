import { describe, expect, it } from 'vitest'
import { compileCache } from './compile-cache.ts'
import { projectNamespace } from './namespace-facts.ts'
import { projectNode } from '../node/index.ts'
import { planNode, select } from '../plan/index.ts'

const KEY = 'scheduler.alpha.kubernetes.io/node-selector'

function fenceOf(text: string | undefined) {
  const annotations = text === undefined ? {} : { [KEY]: text }
  return projectNamespace({ metadata: { name: 'ns', annotations } }).nodeSelector
}

function node(labels: Record<string, string>) {
  const status = { conditions: [{ type: 'Ready', status: 'True' }] }
  return projectNode({ metadata: { name: 'n', labels }, status })
}

describe('the node selector of a namespace', () => {
  it.each<[string | undefined, Record<string, string>, boolean]>([
    [undefined, {}, true],
    ['', {}, true],
    ['pool=team', { pool: 'team' }, true],
    ['pool=team', { pool: 'other' }, false],
    ['pool=team', {}, false],
    [' pool = team , disk=ssd ', { pool: 'team', disk: 'ssd' }, true],
    ['pool=team,disk=ssd', { pool: 'team' }, false],
    ['pool=', { pool: '' }, true],
    ['pool', { pool: '' }, false],
    ['pool in (a,b)', { pool: 'a' }, false],
    ['a=b=c', { a: 'b' }, false],
  ])('%j on %j', (text, labels, isOpen) => {
    const spec = { cacheSpec: [{ images: ['r.test/a:1'] }] }
    const metadata = { name: 'c', namespace: 'ns', uid: 'u' }
    const cache = compileCache({ metadata, spec }, 'IfNotPresent', { namespaceNodeSelector: fenceOf(text) })
    const facts = node(labels)
    const [list] = cache.lists
    expect(list && select(facts, list)).toEqual(
      isOpen ? { kind: 'desired' } : { kind: 'skipped', reason: 'NamespaceNodeSelector' },
    )
    const now = '2026-01-01T00:00:00.000Z'
    expect(planNode({ node: facts, caches: [cache], existing: [], ledger: [], now })).toHaveLength(
      isOpen ? 1 : 0,
    )
  })
})
