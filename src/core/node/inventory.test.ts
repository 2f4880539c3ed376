import { describe, expect, it } from 'vitest'
import { nodeWith } from '../../../test/builders/node.ts'
import { type Sighting, nodeListInventory } from './inventory.ts'
import { projectNode, sameFacts } from './node-facts.ts'

const digest = (digit: string) => `sha256:${digit.repeat(64)}`
const REPO = 'docker.io/library/nginx'
const HEARTBEAT = '2026-01-01T00:10:00Z'

type Lists = readonly (readonly string[] | null)[]

const nodeListing = (lists: Lists, heartbeatAt = HEARTBEAT) => nodeWith('n1', { lists, heartbeatAt })
const inventoryOf = (lists: Lists) => nodeListInventory(nodeListing(lists))
const fillers = (count: number) => Array.from({ length: count }, (_, index) => [`r.test/other:${index}`])

describe('find', () => {
  const listed = [`${REPO}@${digest('a')}`, `${REPO}:1`]
  it.each<{ name: string; lists: Lists; image: string; state: Sighting['state'] }>([
    { name: 'a name', lists: [listed], image: `${REPO}:1`, state: 'present' },
    { name: 'a short name', lists: [listed], image: 'nginx:1', state: 'present' },
    { name: 'a digest', lists: [listed], image: `${REPO}@${digest('a')}`, state: 'present' },
    { name: 'the beginning of a name', lists: [[`${REPO}:12`]], image: `${REPO}:1`, state: 'absent' },
    { name: 'the end of a name', lists: [[`mirror.test/${REPO}:1`]], image: `${REPO}:1`, state: 'absent' },
    { name: 'an empty list', lists: [], image: `${REPO}:1`, state: 'unknown' },
    { name: '49 of 50', lists: fillers(49), image: `${REPO}:1`, state: 'absent' },
    { name: 'a full list', lists: fillers(50), image: `${REPO}:1`, state: 'unknown' },
    {
      name: 'a full list that has it',
      lists: [...fillers(49), listed],
      image: `${REPO}:1`,
      state: 'present',
    },
    { name: 'four names', lists: [['a', 'b', 'c', 'd']], image: `${REPO}:1`, state: 'absent' },
    {
      name: 'as many names as a kubelet lists at most',
      lists: [['a', 'b', 'c', 'd', 'e']],
      image: `${REPO}:1`,
      state: 'unknown',
    },
    { name: 'an image without names', lists: [null, listed], image: `${REPO}:1`, state: 'present' },
    { name: 'text that is no reference', lists: fillers(50), image: 'NOT A REFERENCE', state: 'absent' },
  ])('$name: $state', ({ lists, image, state }) => {
    const inventory = inventoryOf(lists)
    expect(inventory.find(image).state).toBe(state)
    if (image === `${REPO}:1` && state !== 'present') expect(inventory.isWhole).toBe(state === 'absent')
  })
})

describe('the digest that find gives', () => {
  it.each<{ name: string; lists: Lists; image?: string; expected: Sighting }>([
    {
      name: 'is the digest of the image',
      lists: [[`${REPO}@${digest('a')}`, `${REPO}:1`]],
      expected: { state: 'present', digest: digest('a') },
    },
    {
      name: 'is not that of another repository',
      lists: [[`r.test/nginx@${digest('a')}`, `${REPO}:1`]],
      expected: { state: 'present' },
    },
    {
      name: 'is that of the repository, where the image has several',
      lists: [[`${REPO}@${digest('a')}`, `r.test/x@${digest('b')}`, `${REPO}:1`]],
      expected: { state: 'present', digest: digest('a') },
    },
    {
      name: 'is not that of the image before',
      lists: [[`${REPO}@${digest('a')}`, `${REPO}:0`], [`${REPO}:1`]],
      expected: { state: 'present' },
    },
    {
      name: 'is missing where the image is not listed',
      lists: [[`${REPO}@${digest('a')}`]],
      expected: { state: 'absent' },
    },
    {
      name: 'is that of the reference, where it has one',
      lists: [[`${REPO}@${digest('a')}`]],
      image: `nginx@${digest('a')}`,
      expected: { state: 'present', digest: digest('a') },
    },
  ])('$name', ({ lists, image = `${REPO}:1`, expected }) => {
    expect(inventoryOf(lists).find(image)).toEqual(expected)
  })
})

describe('isNewerThan', () => {
  it.each<{ name: string; time: string | undefined; expected: boolean }>([
    { name: 'a proof long before', time: '2026-01-01T00:08:59Z', expected: true },
    { name: 'a proof within the lag of the list', time: '2026-01-01T00:09:30Z', expected: false },
    { name: 'a later proof', time: '2026-01-01T00:11:00Z', expected: false },
    { name: 'no proof', time: undefined, expected: true },
  ])('$name: $expected', ({ time, expected }) => {
    expect(inventoryOf([]).isNewerThan(time)).toBe(expected)
  })

  it('is false where the node has never reported', () => {
    const node = projectNode({ metadata: { name: 'n' } })
    expect(nodeListInventory(node).isNewerThan('2026-01-01T00:00:00Z')).toBe(false)
  })
})

describe('projectNode', () => {
  it('takes anything', () => {
    expect(projectNode({ metadata: { name: 'n' } })).toMatchObject({
      ready: false,
      imageNames: [],
      mostNames: 0,
    })
  })

  it.each([
    ['True', undefined],
    ['False', '2026-01-01T00:05:00Z'],
  ])('DiskPressure %s: ended at %s', (status, expected) => {
    const lastTransitionTime = '2026-01-01T00:05:00Z'
    const node = projectNode({
      metadata: { name: 'n' },
      status: { conditions: [{ type: 'DiskPressure', status, lastTransitionTime }] },
    })
    expect(node.diskPressureAt).toBe(expected)
  })

  it('takes a heart-beat for no change, and an image for one', () => {
    const before = nodeListing([['a']])
    expect(sameFacts(before, nodeListing([['a']], '2026-01-01T00:20:00Z'))).toBe(true)
    expect(sameFacts(before, nodeListing([['a'], ['b']]))).toBe(false)
  })
})
