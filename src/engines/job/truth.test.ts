import { expect, it } from 'vitest'
import { decide } from './decide.ts'
import { T0, at, compiledOf, desiredOf, entryOf, nodeOf, workOf } from './testing.ts'

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
