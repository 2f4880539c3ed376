import { describe, expect, it } from 'vitest'
import { due } from './due.ts'
import { T0, at, compiledOf, desiredOf, entryOf, workOf } from '../../engines/jobs/pull/testing.ts'

const IMAGE = 'r.test/a:1'
const refused = (message: string) =>
  entryOf(IMAGE, { state: 'Failed', reason: 'Unauthorized', message, attempts: 1, finishedAt: at(0) })
const NO_SECRET = refused('failed to resolve image: pull access denied: no basic auth credentials')

/** What is due of the image after a failure, that many seconds later. */
function dueAfter(entry: ReturnType<typeof refused>, seconds: number, secrets: readonly string[] = ['key']) {
  const cache = compiledOf('cache', [IMAGE], { imagePullSecrets: secrets.map(name => ({ name })) })
  const [desired] = desiredOf([IMAGE], cache)
  if (!desired) throw new Error('nothing is desired')
  return due(desired, entry, workOf(cache, { now: T0 + seconds * 1000 })).kind
}

describe('an image that its registry refuses', () => {
  it('is tried again where the kubelet had not found the pull secret, after a pause', () => {
    expect(dueAfter(NO_SECRET, 1)).toBe('later')
    expect(dueAfter(NO_SECRET, 60)).toBe('now')
  })

  it('is not where there is no pull secret, or a wrong one', () => {
    expect(dueAfter(NO_SECRET, 60, [])).toBe('settled')
    expect(dueAfter(refused('unexpected status: 401 Unauthorized'), 3_600)).toBe('settled')
  })
})
