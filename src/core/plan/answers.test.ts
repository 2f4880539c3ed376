import { describe, expect, it } from 'vitest'
import { compiledOf } from '../../../test/builders/image-cache.ts'
import { desiredOf, entryOf, failedEntryOf } from '../../../test/builders/node-images.ts'
import { nodeOf } from '../../../test/builders/node.ts'
import { at } from '../../../test/builders/time.ts'
import type { DesiredImage, LedgerEntry } from '../../api/node-images.ts'
import { type TagAnswer, applyAnswers, needsPull } from './answers.ts'
import { planNode } from './plan-node.ts'

describe('needsPull', () => {
  const held = (presence: Partial<NonNullable<LedgerEntry['presence']>>) =>
    entryOf('i', { presence: { state: 'Present', since: at(1), by: 'Job', revision: 1, ...presence } })
  it.each<{ name: string; digest?: string; entry?: LedgerEntry; expected: boolean }>([
    { name: 'the registry could not be asked', entry: held({ registryDigest: 'd1' }), expected: true },
    {
      name: 'the registry gives the digest of the last pull',
      digest: 'd1',
      entry: held({ registryDigest: 'd1' }),
      expected: false,
    },
    { name: 'the tag moved', digest: 'd2', entry: held({ registryDigest: 'd1' }), expected: true },
    { name: 'the node lists this digest', digest: 'd1', entry: held({ digest: 'd1' }), expected: false },
    { name: 'the node lists another digest', digest: 'd2', entry: held({ digest: 'd1' }), expected: true },
    {
      name: 'a mirror brought an older digest',
      digest: 'd2',
      entry: held({ registryDigest: 'd2', digest: 'd1' }),
      expected: true,
    },
    {
      name: 'a mirror brought an older digest four times',
      digest: 'd2',
      entry: held({ registryDigest: 'd2', digest: 'd1', pulls: 4 }),
      expected: false,
    },
    {
      name: 'the tag moved after a mirror brought an older digest four times',
      digest: 'd3',
      entry: held({ registryDigest: 'd2', digest: 'd1', pulls: 4 }),
      expected: true,
    },
    { name: 'no digest is known', digest: 'd1', entry: held({}), expected: true },
    {
      name: 'it is not there',
      digest: 'd1',
      entry: { ...held({ state: 'Absent', registryDigest: 'd1' }) },
      expected: true,
    },
    { name: 'it was never pulled', digest: 'd1', expected: true },
  ])('$name: $expected', ({ digest, entry, expected }) => {
    expect(needsPull({ at: '', ...(digest && { digest }) }, entry)).toBe(expected)
  })
})

describe('applyAnswers', () => {
  const image = (changes: Partial<DesiredImage> = {}): DesiredImage => ({
    image: 'i',
    pullPolicy: 'Always',
    owners: [],
    revision: 1,
    ...changes,
  })
  const answer = (seconds: number, digest?: string): TagAnswer => ({
    at: at(seconds),
    ...(digest !== undefined && { digest }),
  })
  const held = (presence: Partial<NonNullable<LedgerEntry['presence']>> = {}): LedgerEntry =>
    entryOf('i', {
      presence: { state: 'Present', since: at(0), by: 'Job', revision: 1, registryDigest: 'd1', ...presence },
    })
  const noted = { registryDigest: 'd1' }
  it.each<{
    name: string
    refresh?: TagAnswer
    beforePull?: TagAnswer
    old?: DesiredImage
    entry?: LedgerEntry
    isAskedAgain?: boolean
    expected: object
  }>([
    {
      name: 'the digest of a new image is noted before the pull',
      beforePull: answer(1, 'd1'),
      expected: { registryDigest: 'd1', isNew: true },
    },
    { name: 'nothing is noted without a digest', beforePull: answer(1), expected: { isNew: false } },
    {
      name: 'the same digest again changes nothing',
      beforePull: answer(1, 'd1'),
      old: image(noted),
      expected: { ...noted, isNew: false },
    },
    {
      name: 'an answer for another node changes nothing of an image that is there',
      beforePull: answer(5, 'd2'),
      old: image(noted),
      entry: held(),
      expected: { ...noted, isNew: false },
    },
    {
      name: 'an answer is noted where the image is there and is asked for again',
      beforePull: answer(5, 'd2'),
      old: image(noted),
      entry: held(),
      isAskedAgain: true,
      expected: { registryDigest: 'd2', isNew: true },
    },
    {
      name: 'a refresh that finds the same digest changes nothing',
      refresh: answer(5, 'd1'),
      old: image(),
      entry: held(),
      expected: { isNew: false },
    },
    {
      name: 'a refresh that finds another digest asks for it',
      refresh: answer(5, 'd2'),
      old: image(noted),
      entry: held(),
      expected: { registryDigest: 'd2', refreshRound: at(5), isNew: true },
    },
    {
      name: 'a refresh that could not ask lets the node ask',
      refresh: answer(5),
      old: image(noted),
      entry: held(),
      expected: { ...noted, refreshRound: at(5), isNew: true },
    },
    {
      name: 'the latest digest is noted',
      refresh: answer(5, 'd2'),
      beforePull: answer(7, 'd3'),
      old: image(noted),
      entry: held(),
      expected: { registryDigest: 'd3', refreshRound: at(5), isNew: true },
    },
    {
      name: 'a refresh that was acted on asks for nothing more',
      refresh: answer(5, 'd2'),
      old: image({ registryDigest: 'd3', refreshRound: at(5) }),
      entry: held({ registryDigest: 'd3' }),
      expected: { registryDigest: 'd3', refreshRound: at(5), isNew: false },
    },
    {
      name: 'an answer from before a refresh that was acted on is not noted',
      refresh: answer(5, 'd2'),
      beforePull: answer(4, 'd1'),
      old: image({ registryDigest: 'd2', refreshRound: at(5), revision: 2 }),
      entry: held(),
      expected: { registryDigest: 'd2', refreshRound: at(5), isNew: false },
    },
    {
      name: 'a retry notes what the registry says now',
      beforePull: answer(5, 'd2'),
      old: image(noted),
      entry: { ...failedEntryOf('i', 'RegistryUnavailable'), presence: held().presence },
      expected: { registryDigest: 'd2', isNew: true },
    },
  ])('$name', ({ refresh, beforePull, old, entry, isAskedAgain = false, expected }) => {
    expect(applyAnswers(old, entry, { refresh, beforePull }, isAskedAgain)).toEqual(expected)
  })

  it('has no say about an image that is not pulled again', () => {
    const cache = compiledOf('cache', ['r.test/a:1'])
    const [fixed] = desiredOf(['r.test/a:1'], cache)
    if (!fixed) throw new Error('the builder gave no image')
    const answers = new Map([[fixed.image, answer(5, 'd2')]])
    const { images } = planNode({
      node: nodeOf('n1'),
      caches: [cache],
      previous: { revision: 1, images: [fixed] },
      ledger: [entryOf(fixed.image)],
      refreshes: answers,
      beforePulls: answers,
    })
    expect(images).toEqual([fixed])
  })
})
