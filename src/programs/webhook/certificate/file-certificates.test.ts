import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { silentLogger } from '../../../kube/index.ts'
import { FileCertificates } from './file-certificates.ts'
import type { ServingCertificate } from './source.ts'

const folder = mkdtempSync(join(tmpdir(), 'given-'))
afterAll(() => rmSync(folder, { recursive: true }))
const files = { certificate: join(folder, 'tls.crt'), key: join(folder, 'tls.key') }
const { signal } = new AbortController()

describe('FileCertificates', () => {
  it('uses the certificate files and their bundle, and follows changes', async () => {
    const used: ServingCertificate[] = []
    const given = new FileCertificates(files, serving => used.push(serving), silentLogger)
    await expect(given.reconcile(signal)).rejects.toThrow(/ENOENT/)
    writeFileSync(files.certificate, 'c1')
    writeFileSync(files.key, 'k1')
    expect((await given.reconcile(signal)).changed).toBe(false)
    await given.reconcile(signal)
    expect(await given.bundle(signal)).toBeUndefined()
    writeFileSync(files.key, 'k2')
    writeFileSync(join(folder, 'ca.crt'), 'ca')
    expect((await given.reconcile(signal)).changed).toBe(true)
    expect(await given.bundle(signal)).toBe('ca')
    // used after the API server had time to read the bundle
    expect(used).toHaveLength(1)
    expect((await given.reconcile(signal)).changed).toBe(false)
    expect(used).toEqual([
      { certificate: 'c1', key: 'k1' },
      { certificate: 'c1', key: 'k2' },
    ])
  })

  it('tries an unusable certificate again', async () => {
    let tries = 0
    const given = new FileCertificates(
      files,
      () => {
        tries += 1
        throw new Error('key values mismatch')
      },
      silentLogger,
    )
    await expect(given.reconcile(signal)).rejects.toThrow('mismatch')
    await expect(given.reconcile(signal)).rejects.toThrow('mismatch')
    expect(tries).toBe(2)
  })
})
