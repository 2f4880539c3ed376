import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { TokenFile } from './credentials.ts'
import { isKubeError } from './errors.ts'

describe('TokenFile', () => {
  let directory: string
  let path: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'kubefledged-token-'))
    path = join(directory, 'token')
    vi.useFakeTimers({ toFake: ['performance'] })
  })
  afterEach(() => {
    vi.useRealTimers()
    rmSync(directory, { recursive: true })
  })

  it('caches the token for 10 s, and reads it again after a refusal', async () => {
    const source = new TokenFile(path)
    writeFileSync(path, 'one\n')
    expect(await source.get()).toEqual({ token: 'one' })
    writeFileSync(path, 'two')
    vi.advanceTimersByTime(9999)
    expect(await source.get()).toEqual({ token: 'one' })
    vi.advanceTimersByTime(1)
    await vi.waitFor(async () => expect(await source.get()).toEqual({ token: 'two' }))
    writeFileSync(path, 'three')
    source.invalidate()
    expect(await source.get()).toEqual({ token: 'three' })
  })

  it('uses the last token while the file cannot be read', async () => {
    const source = new TokenFile(path, { cert: 'c', key: 'k' })
    writeFileSync(path, 'one')
    await source.get()
    rmSync(path)
    vi.advanceTimersByTime(20_000)
    expect(await source.get()).toEqual({ cert: 'c', key: 'k', token: 'one' })
  })

  it('does not wait for a file that takes long to read', async () => {
    const source = new TokenFile(path)
    writeFileSync(path, 'one')
    await source.get()
    rmSync(path)
    execFileSync('mkfifo', [path])
    vi.advanceTimersByTime(20_000)
    // Nobody writes to the pipe yet, so the read does not end.
    expect(await source.get()).toEqual({ token: 'one' })
    expect(await source.get()).toEqual({ token: 'one' })
    await writeFile(path, 'two')
    await vi.waitFor(async () => expect(await source.get()).toEqual({ token: 'two' }))
  })

  it('names the missing file', async () => {
    const error = await new TokenFile(path).get().catch((thrown: unknown) => thrown)
    expect(isKubeError(error, 'Unauthorized')).toBe(true)
    expect(String(error)).toContain(path)
  })
})
