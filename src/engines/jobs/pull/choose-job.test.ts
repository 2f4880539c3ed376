import { describe, expect, it } from 'vitest'
import { circuitsOf } from '../../../../test/builders/circuits.ts'
import { cacheOf, compiledOf } from '../../../../test/builders/image-cache.ts'
import { SETTINGS } from '../../../../test/builders/job.ts'
import { desiredOf, entryOf, failedEntryOf } from '../../../../test/builders/node-images.ts'
import { nodeOf } from '../../../../test/builders/node.ts'
import { T0, at } from '../../../../test/builders/time.ts'
import type { LedgerEntry } from '../../../api/node-images.ts'
import { compileCache } from '../../../core/demand/index.ts'
import type { Circuits, DuePull } from '../../../core/ledger/index.ts'
import { type ChooseInput, chooseJob } from './choose-job.ts'
import { decidePulls, workOf } from './testing-decide.ts'

const IMAGES = ['r.test/a:1', 'r.test/b:1']
const cache = compiledOf('cache', IMAGES)

/** The Job for images that are due. Their entries are those of the ledger. */
function choose(changes: Partial<ChooseInput> = {}, due: Partial<DuePull['due']> = {}) {
  const desired = changes.desired ?? desiredOf(IMAGES, cache)
  const ledger = changes.ledger ?? []
  const pulls = desired.map(
    (image): DuePull => ({
      desired: image,
      entry: ledger.find(entry => entry.image === image.image),
      due: { kind: 'now', how: 'ask', urgent: true, ...due },
    }),
  )
  return chooseJob(pulls, {
    node: nodeOf('n1'),
    desired,
    ledger,
    caches: new Map([[cache.owner, cache]]),
    circuits: circuitsOf(),
    methodIn: () => 'image-volumes',
    settings: SETTINGS,
    now: T0,
    ...changes,
  })
}

const imagesOf = (request: ReturnType<typeof choose>) => request?.images.map(({ image }) => image)

describe('chooseJob', () => {
  it('takes all that is due into one Job', () => {
    const request = choose()
    expect(request).toMatchObject({ method: 'batch', revision: 1, urgent: true, proofOnly: false, cache })
    expect(imagesOf(request)).toEqual(IMAGES)
  })

  it('answers the newest request of its images', () => {
    const [a, b] = desiredOf(IMAGES, cache)
    if (!a || !b) throw new Error('nothing is desired')
    expect(choose({ desired: [{ ...a, revision: 4 }, b] })?.revision).toBe(4)
  })

  it('takes ten images at most', () => {
    const many = Array.from({ length: 25 }, (_, index) => `r.test/app:${index}`)
    const crowd = compiledOf('cache', many)
    expect(choose({ desired: desiredOf(many, crowd) })?.images).toHaveLength(10)
  })

  describe('the name', () => {
    const nameOf = (changes: Partial<ChooseInput>) => choose(changes)?.name

    it('is the same for the same decision, at any time', () => {
      expect(nameOf({ now: T0 + 60_000 })).toBe(nameOf({}))
    })

    it('is another one for a new request, after an attempt, and on another node', () => {
      const newer = desiredOf(IMAGES, cache).map(image => ({ ...image, revision: 2 }))
      const tried = IMAGES.map(image => failedEntryOf(image, 'PullFailed'))
      const twice = IMAGES.map(image => failedEntryOf(image, 'PullFailed', { count: 2 }))
      const names = [
        nameOf({}),
        nameOf({ desired: newer }),
        nameOf({ ledger: tried, methodIn: () => 'containers' }),
        nameOf({ ledger: twice, methodIn: () => 'containers' }),
        nameOf({ node: nodeOf('n2') }),
        nameOf({ methodIn: () => 'containers' }),
      ]
      expect(new Set(names).size).toBe(names.length)
    })
  })

  describe('images that failed', () => {
    const after = (entry: (image: string) => LedgerEntry, changes: Partial<ChooseInput> = {}) =>
      choose({ ledger: IMAGES.map(entry), ...changes }, { urgent: false })

    it('get a container each where one of them may be the cause', () => {
      const unproven = (image: string) => failedEntryOf(image, '', { state: 'Unproven' })
      expect(after(image => failedEntryOf(image, 'PullFailed'))?.method).toBe('single')
      expect(after(unproven)?.method).toBe('single')
      expect(
        after(image => failedEntryOf(image, 'PullFailed'), { methodIn: () => 'containers' })?.method,
      ).toBe('containers')
    })

    it('stay together where nothing is wrong with them', () => {
      expect(after(image => failedEntryOf(image, '', { state: 'Unknown' }))?.method).toBe('batch')
      for (const reason of ['NodeRefused', 'NodeUnavailable', 'JobRefused', 'HelperImageUnavailable']) {
        expect(after(image => failedEntryOf(image, reason))?.method).toBe('batch')
      }
    })

    it('are alone in a Job after a timeout', () => {
      expect(after(image => failedEntryOf(image, 'Timeout'))?.images).toHaveLength(1)
    })

    it('with the policy Always are alone', () => {
      const desired = desiredOf(IMAGES, cache).map(image => ({ ...image, pullPolicy: 'Always' as const }))
      expect(after(image => failedEntryOf(image, 'PullFailed'), { desired })?.images).toHaveLength(1)
    })

    it('yield to images that nobody has tried', () => {
      const ledger = [failedEntryOf('r.test/a:1', 'PullFailed')]
      const work = workOf(cache, { ledger, now: T0 + 3_600_000 })
      expect(imagesOf(decidePulls(work).start)).toEqual(['r.test/b:1'])
    })
  })

  describe('the turn on a node', () => {
    const loud = compiledOf('loud', ['r.test/new:1', 'r.test/old:1', 'r.test/odd:1'])
    const quiet = compiledOf('quiet', ['r.test/quiet:1'], {}, {}, { namespace: 'other' })
    const caches = new Map([loud, quiet].map(each => [each.owner, each]))
    const desired = [loud, quiet].flatMap(each => desiredOf([...each.specImages], each))
    const tried = (image: string, seconds: number, state: 'Succeeded' | 'Unproven' | 'Unknown') => ({
      image,
      attempt: { state, revision: 1, count: 1, startedAt: at(seconds), finishedAt: at(seconds) },
      pulledByUs: true,
    })
    const turn = (seconds: number, ledger: readonly LedgerEntry[]) => {
      const work = workOf(loud, { caches, desired, ledger, now: T0 + seconds * 1_000 })
      const { start } = decidePulls(work)
      return [start?.cache.key, ...(imagesOf(start) ?? [])]
    }

    it('tells first which image made a Job fail', () => {
      const ledger = [tried('r.test/odd:1', 0, 'Unproven'), tried('r.test/old:1', 0, 'Unproven')]
      const only = desired.filter(({ image }) => image !== 'r.test/quiet:1')
      const { start } = decidePulls(workOf(loud, { caches, desired: only, ledger, now: T0 + 10_000 }))
      expect(imagesOf(start)).toEqual(['r.test/odd:1', 'r.test/old:1'])
      expect(start).toMatchObject({ method: 'single', urgent: true })
    })

    it('lets first pulls come first, and a namespace that waits for long have every second one', () => {
      const again = tried('r.test/quiet:1', 0, 'Unknown')
      const just = (seconds: number) => [tried('r.test/old:1', seconds, 'Unknown'), again]
      expect(turn(100, just(90))).toEqual(['team/loud', 'r.test/new:1', 'r.test/odd:1'])
      expect(turn(400, just(390))).toEqual(['other/quiet', 'r.test/quiet:1'])
      const after = [tried('r.test/old:1', 390, 'Unknown'), tried('r.test/quiet:1', 400, 'Unknown')]
      expect(turn(410, after)).toEqual(['team/loud', 'r.test/new:1', 'r.test/odd:1'])
    })
  })

  describe('a registry', () => {
    const seenAs = (circuit: ReturnType<Circuits['registry']>, mayProbe = true): Partial<ChooseInput> => ({
      circuits: circuitsOf({ registry: () => circuit, mayProbeRegistry: () => mayProbe }),
    })

    it('that is untested is tried with one image', () => {
      expect(choose(seenAs('untested'))?.images).toHaveLength(1)
    })

    it('that is open is tried with one image, unless another node tries it', () => {
      expect(choose(seenAs('open'))?.images).toHaveLength(1)
      expect(choose(seenAs('limited'))?.images).toHaveLength(1)
      expect(choose(seenAs('open', false))).toBeUndefined()
    })

    it('that is open comes after all others', () => {
      const both = ['good.test/a:1', 'silent.test/a:1']
      const mixed = compiledOf('cache', both)
      const circuits = circuitsOf({ registry: host => (host === 'silent.test' ? 'open' : 'closed') })
      expect(imagesOf(choose({ desired: desiredOf(both, mixed), circuits }))).toEqual(['good.test/a:1'])
    })
  })

  it('pulls an image of several caches for one whose namespace admits Jobs', () => {
    const younger = compileCache(cacheOf('younger', IMAGES, {}, {}, { namespace: 'other' }), 'IfNotPresent')
    const desired = desiredOf(IMAGES, cache).map(image => ({
      ...image,
      owners: [cache.owner, younger.owner],
    }))
    const caches = new Map([cache, younger].map(each => [each.owner, each]))
    const namespaceRefusal = (namespace: string) => (namespace === 'team' ? 'exceeded quota' : undefined)
    expect(choose({ desired, caches })?.cache.key).toBe('team/cache')
    expect(choose({ desired, caches, circuits: circuitsOf({ namespaceRefusal }) })?.cache.key).toBe(
      'other/younger',
    )
  })

  describe('an image of several caches that failed for one of them', () => {
    const namespaces = { oldest: 'team', same: 'team', other: 'other' }
    const all = Object.entries(namespaces).map(([name, namespace]) =>
      compileCache(cacheOf(name, ['r.test/a:1'], {}, {}, { namespace }), 'IfNotPresent'),
    )
    const caches = new Map(all.map(each => [each.owner, each]))
    const owners = all.map(({ owner }) => owner)
    const [first = '', second = '', third = ''] = owners
    const desired = desiredOf(['r.test/a:1'], cache).map(image => ({ ...image, owners }))
    const failedFor = (owner: string, seconds: number) => ({
      owner,
      revision: 1,
      count: 1,
      reason: 'JobRefused',
      finishedAt: at(seconds),
    })
    const nextFor = (...failures: readonly [string, number][]) => {
      const [last, ...others] = failures.toReversed().map(([owner, when]) => failedFor(owner, when))
      const entry = failedEntryOf('r.test/a:1', 'JobRefused', { ...last, otherFailures: others })
      return choose({ desired, caches, ledger: [entry] })?.cache.key
    }

    it('goes to a cache of another namespace first, then to those of the same, and round again', () => {
      expect(choose({ desired, caches })?.cache.key).toBe('team/oldest')
      expect(nextFor([first, 1])).toBe('other/other')
      expect(nextFor([first, 1], [third, 2])).toBe('team/same')
      expect(nextFor([first, 1], [third, 2], [second, 3])).toBe('team/oldest')
      expect(nextFor([third, 2], [second, 3], [first, 9])).toBe('other/other')
    })
  })

  it('asks the node, and no registry, where an image is only to be proved', () => {
    const always = compiledOf('cache', IMAGES, { pullPolicy: 'Always' })
    const desired = desiredOf(IMAGES, always).map(image => ({ ...image, pullPolicy: 'Always' as const }))
    const work = workOf(always, {
      desired,
      ledger: IMAGES.map(image => entryOf(image)),
      recheckIntervalMs: 3_600_000,
    })
    const soon = decidePulls({ ...work, now: T0 + 1_800_000 })
    expect([soon.start, (soon.lookAgainMs ?? 0) > 1_000_000]).toEqual([undefined, true])
    const { start } = decidePulls({ ...work, now: T0 + 2 * 3_600_000 })
    expect(start).toMatchObject({ proofOnly: true, urgent: false, method: 'batch' })
    expect(new Set(start?.images.map(({ pullPolicy }) => pullPolicy))).toEqual(new Set(['IfNotPresent']))
  })

  it('says by the millisecond when the Job is made', () => {
    expect(choose({ now: T0 + 2_900 })?.startedAt).toBe(at(2.9))
  })
})
