import { expect, it } from 'vitest'
import { decide } from '../../engines/jobs/pull/index.ts'
import { T0, at, compiledOf, desiredOf, entryOf, nodeOf, workOf } from '../../engines/jobs/pull/testing.ts'

const IMAGE = 'r.test/a:1'

it('takes the node’s list for no proof where a secret may have brought the image', () => {
  const node = nodeOf('n1', [[IMAGE]], at(600))
  const other = compiledOf('other', [IMAGE], { imagePullSecrets: [{ name: 'password' }] })
  const cache = compiledOf('cache', [IMAGE])
  const desired = [...desiredOf([IMAGE], cache), ...desiredOf([IMAGE], other)]
  const theirs = entryOf(IMAGE, { credential: other.credential })
  const statesOf = (ledger: (typeof theirs)[]) =>
    decide(workOf(cache, { node, desired, ledger, now: T0 + 600_000 })).ledger.map(
      ({ credential, state }) => [credential, state],
    )
  expect(statesOf([theirs])).toEqual([
    [undefined, 'Pending'],
    [other.credential, 'Present'],
  ])
  const refused = entryOf(IMAGE, { state: 'Failed', reason: 'Unauthorized' })
  expect(statesOf([refused, theirs])).toEqual([
    [undefined, 'Failed'],
    [other.credential, 'Present'],
  ])
  // Nobody's secret has brought it: what the node lists is there for all who need none.
  expect(statesOf([])).toEqual([
    [undefined, 'Present'],
    [other.credential, 'Pending'],
  ])
})

it('believes a list about a moving tag only where it is surely newer than the pull', () => {
  const digest = (letter: string) => `sha256:${letter.repeat(64)}`
  const cache = compiledOf('cache', [IMAGE])
  const desired = desiredOf([IMAGE], cache).map(image => ({ ...image, pullPolicy: 'Always' as const }))
  const pulled = entryOf(IMAGE, { verifiedAt: at(600) })
  const look = (letter: string, heartbeat: number, entry = pulled) => {
    const node = nodeOf('n1', [[`r.test/a@${digest(letter)}`, IMAGE]], at(heartbeat))
    const work = workOf(cache, { node, desired, ledger: [entry], now: T0 + heartbeat * 1000 })
    const { ledger, lookAgainMs } = decide(work)
    return { digest: ledger[0]?.digest, looksAgain: lookAgainMs !== undefined }
  }
  // It may still show what the tag meant before: to be looked at again, for a heart-beat alone wakes nobody.
  expect(look('a', 610)).toEqual({ digest: undefined, looksAgain: true })
  expect(look('b', 670)).toEqual({ digest: digest('b'), looksAgain: false })
  // What the registry said when the pull was asked for is no older than the pull.
  const asked = { ...pulled, registryDigest: digest('b') }
  expect(look('b', 610, asked)).toEqual({ digest: digest('b'), looksAgain: false })
})
