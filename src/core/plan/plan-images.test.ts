import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { CacheList, ImageCache, ImageCacheStatus } from '../../api/image-cache.ts'
import type { DesiredImage, LedgerEntry } from '../../api/node-images.ts'
import { compileCache } from '../demand/index.ts'
import { type NodeFacts, type RawNode, projectNode } from '../node/index.ts'
import { type PlanInput, planNode, select, startableKeys } from './plan.ts'

const NOW = '2026-01-01T00:10:00.000Z'
const EARLY = '2026-01-01T00:00:00.000Z'
const MIDDLE = '2026-01-01T00:05:00.000Z'
const DIGEST = `sha256:${'ab'.repeat(32)}`

interface NodeOptions extends NonNullable<RawNode['spec']> {
  readonly labels?: Record<string, string>
  readonly ready?: boolean
  readonly deleted?: boolean
  readonly os?: string
  readonly kubelet?: string
}

function nodeOf({
  labels,
  ready = true,
  deleted,
  os = 'linux',
  kubelet = 'v1.36.3',
  ...spec
}: NodeOptions = {}) {
  return projectNode({
    metadata: {
      name: 'n1',
      uid: 'u1',
      ...(labels && { labels }),
      ...(deleted && { deletionTimestamp: NOW }),
    },
    spec,
    status: {
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'Unknown' }],
      nodeInfo: { operatingSystem: os, kubeletVersion: kubelet },
    },
  })
}

interface CacheOptions {
  readonly namespace?: string
  readonly age?: number
  readonly secrets?: readonly string[]
  readonly policy?: 'IfNotPresent' | 'Always'
  readonly status?: ImageCacheStatus
  readonly suspend?: boolean
  readonly deleted?: boolean
}

function cacheOf(name: string, lists: readonly CacheList[], options: CacheOptions = {}) {
  const { namespace = 'team', age = 0, secrets, policy, status, suspend, deleted } = options
  const cache: ImageCache = {
    metadata: {
      name,
      namespace,
      uid: `${namespace}/${name}`,
      creationTimestamp: `2026-01-01T00:00:${String(59 - age).padStart(2, '0')}Z`,
      ...(deleted && { deletionTimestamp: NOW }),
    },
    spec: {
      cacheSpec: [...lists],
      ...(secrets && { imagePullSecrets: secrets.map(secret => ({ name: secret })) }),
      ...(policy && { pullPolicy: policy }),
      ...(suspend !== undefined && { suspend }),
    },
    ...(status && { status }),
  }
  return compileCache(cache, 'IfNotPresent')
}

function plan(caches: PlanInput['caches'], input: Partial<PlanInput> = {}): DesiredImage[] {
  return planNode({ node: nodeOf(), caches, existing: [], ledger: [], now: NOW, ...input })
}

const images = (result: readonly DesiredImage[]) => result.map(({ image }) => image)
const failedAt = (image: string, finishedAt: string): LedgerEntry => ({
  image,
  state: 'Failed',
  reason: 'ImageNotFound',
  requestedAt: EARLY,
  finishedAt,
})

describe('select', () => {
  it.each<[string, NodeOptions, Omit<CacheList, 'images'>, string]>([
    ['no selector', {}, {}, 'desired'],
    ['an empty selector', {}, { nodeSelector: {} }, 'desired'],
    ['all labels', { labels: { a: '1', b: '2' } }, { nodeSelector: { a: '1', b: '2' } }, 'desired'],
    ['one label of two', { labels: { a: '1' } }, { nodeSelector: { a: '1', b: '2' } }, 'unselected'],
    ['another value', { labels: { a: '2' } }, { nodeSelector: { a: '1' } }, 'unselected'],
    [
      'selector without affinity',
      { labels: { a: '1' } },
      {
        nodeSelector: { a: '1' },
        nodeAffinity: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'b', operator: 'Exists' }] }] },
      },
      'unselected',
    ],
    ['cordoned', { unschedulable: true }, {}, 'Cordoned'],
    ['not ready', { ready: false }, {}, 'NotReady'],
    ['deleting', { deleted: true, ready: false, unschedulable: true }, {}, 'Deleting'],
    ['virtual by label', { labels: { type: 'virtual-kubelet' }, unschedulable: true }, {}, 'Virtual'],
    ['virtual by role', { labels: { 'kubernetes.io/role': 'virtual-kubelet' } }, {}, 'Virtual'],
    ['Fargate', { labels: { 'eks.amazonaws.com/compute-type': 'fargate' } }, {}, 'Virtual'],
    ['virtual by version', { kubelet: 'v1.30.1-vk-azure-aci' }, {}, 'Virtual'],
    ['Windows', { os: 'windows', ready: false }, {}, 'UnsupportedOS'],
    ['cordoned and not ready', { ready: false, unschedulable: true }, {}, 'Cordoned'],
    ['unselected comes before skipped', { ready: false }, { nodeSelector: { a: '1' } }, 'unselected'],
    ['a taint and no list', { taints: [{ key: 'gpu', effect: 'NoSchedule' }] }, {}, 'desired'],
    [
      'a taint and an empty list',
      { taints: [{ key: 'gpu', effect: 'NoSchedule' }], unschedulable: true },
      { tolerations: [] },
      'TaintNotTolerated',
    ],
    [
      'a taint that only prefers',
      { taints: [{ key: 'gpu', effect: 'PreferNoSchedule' }] },
      { tolerations: [] },
      'desired',
    ],
    [
      'a taint that repeats a condition',
      { taints: [{ key: 'node.kubernetes.io/not-ready', effect: 'NoExecute' }] },
      { tolerations: [] },
      'desired',
    ],
  ])('%s', (_, node, list, expected) => {
    const [compiled] = cacheOf('c', [{ images: ['a'], ...list }]).lists
    if (!compiled) throw new Error('the cache has no list')
    const selection = select(nodeOf(node), compiled)
    expect(selection.kind === 'skipped' ? selection.reason : selection.kind).toBe(expected)
  })
})

describe('planNode', () => {
  it('merges lists and caches, the oldest owner first', () => {
    const old = cacheOf('old', [{ images: ['b:1', 'a:1'] }, { images: ['a:1'] }], { age: 9 })
    const young = cacheOf('young', [{ images: ['a:1', 'c:1', 'a:1'] }])
    const result = plan([young, old])
    expect(images(result)).toEqual(['a:1', 'b:1', 'c:1'])
    expect(result.map(({ owners }) => owners)).toEqual([[old.owner, young.owner], [old.owner], [young.owner]])
    expect(result.every(({ requestedAt }) => requestedAt === NOW)).toBe(true)
  })

  it('keeps apart what is pulled with different secrets or in different namespaces', () => {
    const secret = (namespace: string, ...secrets: string[]) =>
      cacheOf(`${namespace}-${secrets.join('-')}`, [{ images: ['a:1'] }], { namespace, secrets })
    const result = plan([
      secret('x', 's', 't'),
      secret('x', 't', 's'),
      secret('x', 's'),
      secret('y', 's'),
      secret('x'),
    ])
    expect(result).toHaveLength(4)
    expect(new Set(result.map(({ credential }) => credential)).size).toBe(4)
    expect(result.filter(({ owners }) => owners.length === 2)).toMatchObject([
      { pullSecrets: [{ name: 's' }, { name: 't' }] },
    ])
    expect(result.filter(({ credential }) => credential === undefined)).toHaveLength(1)
  })

  it('takes nothing from suspended and deleted caches', () => {
    const list = [{ images: ['a:1'] }]
    expect(plan([cacheOf('s', list, { suspend: true }), cacheOf('d', list, { deleted: true })])).toEqual([])
  })

  it('refuses what is no reference and takes the rest', () => {
    const hostile = ['; touch x', '$(id)', 'r.test/Case', '', 'a b', 'ü', `r.test/${'x'.repeat(300)}`]
    const cache = cacheOf('c', [{ images: ['good:1', ...hostile] }])
    expect(images(plan([cache]))).toEqual(['good:1'])
    expect(cache.lists[0]?.refused.map(({ image }) => image)).toEqual(hostile)
    expect(cache.lists[0]?.refused.every(({ message }) => message.length > 0)).toBe(true)
  })

  it.each([
    ['a:1', 'IfNotPresent', 'IfNotPresent'],
    ['a:1', 'Always', 'Always'],
    ['a', 'IfNotPresent', 'Always'],
    ['a:latest', 'IfNotPresent', 'Always'],
    [`a@${DIGEST}`, 'Always', 'IfNotPresent'],
    [`a:latest@${DIGEST}`, 'Always', 'IfNotPresent'],
  ] as const)('%s under %s is pulled %s', (image, policy, expected) => {
    expect(plan([cacheOf('c', [{ images: [image] }], { policy })])).toMatchObject([{ pullPolicy: expected }])
  })

  it('pulls Always where one of the caches says so', () => {
    const one = cacheOf('one', [{ images: ['a:1'] }], { age: 1, policy: 'Always' })
    const other = cacheOf('other', [{ images: ['a:1'] }], { policy: 'IfNotPresent' })
    for (const caches of [
      [one, other],
      [other, one],
    ])
      expect(plan(caches)).toMatchObject([{ pullPolicy: 'Always' }])
  })

  it.each<[string, CacheOptions, LedgerEntry[], string]>([
    ['is kept', {}, [], EARLY],
    ['moves with a refresh', { status: { requestedAt: MIDDLE } }, [], MIDDLE],
    ['does not go back', { status: { requestedAt: '2025-01-01T00:00:00Z' } }, [], EARLY],
    ['stays where an edit finds no failure', { status: { editedAt: MIDDLE } }, [], EARLY],
    [
      'moves with an edit after a failure',
      { status: { editedAt: MIDDLE } },
      [failedAt('a:1', EARLY)],
      MIDDLE,
    ],
    [
      'stays where the failure came after the edit',
      { status: { editedAt: MIDDLE } },
      [failedAt('a:1', NOW)],
      EARLY,
    ],
    ['moves when the policy turns into Always', { policy: 'Always' }, [], NOW],
  ])('the request %s', (_, options, ledger, expected) => {
    const existing = plan([cacheOf('c', [{ images: ['a:1'] }])], { now: EARLY })
    const result = plan([cacheOf('c', [{ images: ['a:1'] }], options)], { existing, ledger })
    expect(result).toMatchObject([{ requestedAt: expected }])
  })

  it('keeps what a node was asked for while it may have no work, and asks for nothing new', () => {
    const existing = plan([cacheOf('c', [{ images: ['a:1', 'gone:1'] }])], { now: EARLY })
    const cordoned = nodeOf({ unschedulable: true })
    const cache = cacheOf('c', [{ images: ['a:1', 'new:1'] }])
    expect(plan([cache], { node: cordoned, existing })).toEqual(
      existing.filter(({ image }) => image === 'a:1'),
    )
    expect(startableKeys(cordoned, [cache])).toEqual(new Set())
    expect(startableKeys(nodeOf(), [cache])).toEqual(new Set(['a:1', 'new:1']))
  })

  it('makes no owner of a cache that the node is skipped for and that had not asked', () => {
    const node = nodeOf({ taints: [{ key: 'gpu', effect: 'NoSchedule' }] })
    const taken = cacheOf('taken', [{ images: ['a:1'] }])
    const skipped = cacheOf('skipped', [{ images: ['a:1'], tolerations: [] }], { age: 5 })
    const existing = plan([taken], { node })
    expect(plan([taken, skipped], { node, existing })).toEqual(existing)
  })
})

const POOL = ['a:1', 'a', 'b:2', 'r.test/c:3', `r.test/d@${DIGEST}`, 'not a reference']
const subset = <T>(values: readonly T[]) => fc.subarray([...values])
const time = fc.constantFrom(EARLY, MIDDLE, '2026-01-01T00:07:00Z')
const caches = fc
  .array(
    fc.record({
      lists: fc.array(
        fc.record({
          images: subset(POOL),
          nodeSelector: fc.constantFrom({}, { zone: 'a' }, { zone: 'b' }),
        }),
        { maxLength: 3 },
      ),
      namespace: fc.constantFrom('x', 'y'),
      age: fc.nat(3),
      secrets: subset(['s', 't']),
      policy: fc.constantFrom('IfNotPresent' as const, 'Always' as const),
      suspend: fc.boolean(),
      requestedAt: fc.option(time, { nil: undefined }),
      editedAt: fc.option(time, { nil: undefined }),
    }),
    { maxLength: 4 },
  )
  .map(specs =>
    specs.map(({ lists, requestedAt, editedAt, ...options }, index) =>
      cacheOf(`c${index}`, lists, {
        ...options,
        status: { ...(requestedAt && { requestedAt }), ...(editedAt && { editedAt }) },
      }),
    ),
  )
const nodes: fc.Arbitrary<NodeFacts> = fc
  .record({ zone: fc.constantFrom('a', 'b', 'c'), ready: fc.boolean(), unschedulable: fc.boolean() })
  .map(({ zone, ...rest }) => nodeOf({ labels: { zone }, ...rest }))
const ledgers = fc.array(
  fc.tuple(fc.constantFrom('a:1', 'a', 'b:2'), time).map(([image, when]) => failedAt(image, when)),
  { maxLength: 2 },
)

describe('properties of planNode', () => {
  it('its own result, planned again, stays as it is', () => {
    fc.assert(
      fc.property(caches, caches, nodes, nodes, ledgers, (before, now, first, second, ledger) => {
        const existing = planNode({ node: first, caches: before, existing: [], ledger: [], now: EARLY })
        const once = planNode({ node: second, caches: now, existing, ledger, now: MIDDLE })
        expect(planNode({ node: second, caches: now, existing: once, ledger, now: NOW })).toEqual(once)
      }),
    )
  })

  it('does not depend on the order of the caches', () => {
    fc.assert(
      fc.property(
        caches.chain(list =>
          fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
        ),
        nodes,
        ledgers,
        ([ordered, shuffled], node, ledger) => {
          const input = { node, existing: [], ledger, now: NOW }
          expect(planNode({ ...input, caches: shuffled })).toEqual(planNode({ ...input, caches: ordered }))
        },
      ),
    )
  })

  it('asks for exactly what the active caches want of a node in service', () => {
    fc.assert(
      fc.property(caches, nodes, (list, node) => {
        const inService = node.ready && !node.unschedulable
        const expected = list
          .filter(({ cache }) => cache.spec.suspend !== true && inService)
          .flatMap(({ cache }) => cache.spec.cacheSpec)
          .filter(({ nodeSelector }) =>
            [undefined, node.metadata.labels?.['zone']].includes(nodeSelector?.['zone']),
          )
          .flatMap(entry => entry.images.filter(image => image !== 'not a reference'))
        const result = plan(list, { node })
        expect(new Set(images(result))).toEqual(new Set(expected))
        expect(result.every(({ owners }) => owners.length > 0)).toBe(true)
      }),
    )
  })
})
