import { describe, expect, it } from 'vitest'
import { isNewerThan, isWhole, listedDigest, lookUp } from './image-list.ts'
import { projectNode, sameFacts } from './node-facts.ts'

const digest = (digit: string) => `sha256:${digit.repeat(64)}`
const REPO = 'docker.io/library/nginx'

function nodeOf(lists: readonly (readonly string[] | null)[], heartbeat = '2026-01-01T00:10:00Z') {
  return projectNode({
    metadata: { name: 'n1' },
    status: {
      conditions: [{ type: 'Ready', status: 'True', lastHeartbeatTime: heartbeat }],
      images: lists.map(names => ({ names: names && [...names] })),
    },
  })
}

const fillers = (count: number) => Array.from({ length: count }, (_, index) => [`r.test/other:${index}`])

describe('lookUp', () => {
  const listed = [`${REPO}@${digest('a')}`, `${REPO}:1`]
  it.each([
    ['a name', [listed], `${REPO}:1`, 'listed'],
    ['a digest', [listed], `${REPO}@${digest('a')}`, 'listed'],
    ['the beginning of a name', [[`${REPO}:12`]], `${REPO}:1`, 'unlisted'],
    ['the end of a name', [[`mirror.test/${REPO}:1`]], `${REPO}:1`, 'unlisted'],
    ['an empty list', [], `${REPO}:1`, 'unknown'],
    ['49 of 50', fillers(49), `${REPO}:1`, 'unlisted'],
    ['a full list', fillers(50), `${REPO}:1`, 'unknown'],
    ['a full list that has it', [...fillers(49), listed], `${REPO}:1`, 'listed'],
    ['four names', [['a', 'b', 'c', 'd']], `${REPO}:1`, 'unlisted'],
    ['as many names as are listed at most', [['a', 'b', 'c', 'd', 'e']], `${REPO}:1`, 'unknown'],
    ['an image without names', [null, listed], `${REPO}:1`, 'listed'],
  ] as const)('%s', (_, lists, name, expected) => {
    expect(lookUp(nodeOf(lists), name)).toBe(expected)
    if (expected !== 'listed') expect(isWhole(nodeOf(lists))).toBe(expected === 'unlisted')
  })
})

describe('listedDigest', () => {
  it.each([
    ['of its image', [[`${REPO}@${digest('a')}`, `${REPO}:1`]], digest('a')],
    ['not of another repository', [[`r.test/nginx@${digest('a')}`, `${REPO}:1`]], undefined],
    [
      'of several repositories',
      [[`${REPO}@${digest('a')}`, `r.test/x@${digest('b')}`, `${REPO}:1`]],
      digest('a'),
    ],
    ['not of the image before', [[`${REPO}@${digest('a')}`, `${REPO}:0`], [`${REPO}:1`]], undefined],
    ['of an image that is not listed', [[`${REPO}@${digest('a')}`]], undefined],
  ])('%s', (_, lists, expected) => {
    expect(listedDigest(nodeOf(lists), `${REPO}:1`, REPO)).toBe(expected)
  })
})

describe('isNewerThan', () => {
  it.each([
    ['a verification long before', '2026-01-01T00:08:59Z', true],
    ['one within the lag of the list', '2026-01-01T00:09:30Z', false],
    ['a later one', '2026-01-01T00:11:00Z', false],
    ['none', undefined, true],
  ])('%s', (_, verifiedAt, expected) => {
    expect(isNewerThan(nodeOf([]), verifiedAt)).toBe(expected)
  })

  it('is not where the node has never reported', () => {
    expect(isNewerThan(projectNode({ metadata: { name: 'n' } }), '2026-01-01T00:00:00Z')).toBe(false)
  })
})

describe('projectNode', () => {
  it('takes anything', () => {
    expect(projectNode({ metadata: { name: 'n' } })).toMatchObject({
      ready: false,
      imageCount: 0,
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

  it('heart-beats change no facts, images do', () => {
    const before = nodeOf([['a']])
    expect(sameFacts(before, nodeOf([['a']], '2026-01-01T00:20:00Z'))).toBe(true)
    expect(sameFacts(before, nodeOf([['a'], ['b']]))).toBe(false)
  })
})
