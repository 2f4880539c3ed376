import { describe, expect, it } from 'vitest'
import { compiledOf } from '../../../../test/builders/image-cache.ts'
import { at } from '../../../../test/builders/time.ts'
import type { DesiredImage, LedgerEntry } from '../../../api/node-images.ts'
import { type PullVerdict, byKey, recordPull } from '../../../core/ledger/index.ts'
import { jobHash, jobName } from './job-name.ts'

const IMAGE = 'r.test/a:1'
const CACHE = compiledOf('cache', [IMAGE])
const DESIRED: DesiredImage = { image: IMAGE, pullPolicy: 'IfNotPresent', revision: 1, owners: [CACHE.owner] }
const FAILED: PullVerdict = { kind: 'failed', reason: 'RegistryUnavailable', message: '503' }

function nameOf({
  entry,
  cache = CACHE,
  nodeUid = 'u',
  method = 'batch',
  changes = {},
}: {
  entry?: LedgerEntry
  cache?: typeof CACHE
  nodeUid?: string
  method?: string
  changes?: Partial<DesiredImage>
} = {}): string {
  return jobName(cache, nodeUid, method, [{ ...DESIRED, ...changes }], byKey(entry ? [entry] : []))
}

describe('jobName', () => {
  it('differs with all that makes a Job another one, and with nothing else', () => {
    const record = (old: LedgerEntry | undefined, verdict: PullVerdict, seconds: number) =>
      recordPull(DESIRED, old, verdict, { id: 'j1', revision: 1, startedAt: at(1) }, at(seconds))
    const once = record(undefined, FAILED, 5)
    const present = record(once, { kind: 'present' }, 8)
    const after = record(present, FAILED, 9)
    const again = record(after, FAILED, 10)
    const names = [
      nameOf(),
      nameOf({ nodeUid: 'other' }),
      nameOf({ method: 'single' }),
      ...[once, present, after, again].map(entry => nameOf({ entry })),
      nameOf({ changes: { revision: 2 } }),
      nameOf({ changes: { credential: 'team:1' } }),
      nameOf({ changes: { pullPolicy: 'Always' } }),
    ]
    expect(new Set(names).size).toBe(names.length)
    expect(nameOf({ entry: once })).toBe(nameOf({ entry: { ...once } }))
  })

  it.each(['a', 'a'.repeat(253), `${'a'.repeat(39)}.b`, `${'a'.repeat(38)}.-${'b'.repeat(9)}`, '0.1'])(
    'is a valid name for the cache %s',
    cache => {
      const name = nameOf({ cache: compiledOf(cache, []) })
      expect(name).toMatch(/^(?=.{1,63}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/)
      expect(jobHash(name)).toMatch(/^[0-9a-f]{10}$/)
    },
  )
})
