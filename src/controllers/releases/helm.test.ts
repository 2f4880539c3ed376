import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { HelmError, helmMessage } from './helm-error.ts'
import { Helm } from './helm.ts'

/**
 * What the process does that stands here for helm: a script is enough to see what it is given and how it is
 * ended.
 */

const folder = mkdtempSync(join(tmpdir(), 'helm-'))
afterAll(() => rmSync(folder, { recursive: true }))
const release = { name: 'kf', namespace: 'n' }
const never = new AbortController().signal

function helmThat(script: string): Helm {
  const program = join(folder, `helm-${Math.random()}.mjs`)
  writeFileSync(program, `#!${process.execPath}\n${script}`)
  chmodSync(program, 0o755)
  return new Helm({ program, home: folder, kubeconfig: '/k', master: '' })
}

/** Answers what it was given in the place of the manifest. */
const ECHO = `
let input = ''
for await (const chunk of process.stdin) input += chunk
const given = JSON.stringify({ args: process.argv.slice(2), input, home: process.env.HOME })
console.log(JSON.stringify({ name: 'kf', namespace: 'n', version: 1, info: { status: 'deployed' }, manifest: given }))
`

describe('Helm', () => {
  it('gives values on standard input as they are, and arguments one by one', async () => {
    const values = { a: '$(touch /x); `id`', b: null }
    const { manifest } = await helmThat(ECHO).upgrade(release, '/chart', values, never)
    expect(JSON.parse(manifest)).toEqual({
      args: 'upgrade kf /chart --install --namespace=n --reset-values --values=- --timeout=5m --output=json --kubeconfig=/k'.split(
        ' ',
      ),
      input: JSON.stringify(values),
      home: folder,
    })
    const plan = await helmThat(ECHO).plan(release, '/chart', {}, never)
    expect(JSON.parse(plan.manifest).args).toContain('--dry-run=server')
  })

  it("fails with helm's words", async () => {
    const helm = helmThat(
      `console.error('WARNING: loose\\nError: UPGRADE FAILED: a\\nb'); process.exitCode = 1`,
    )
    await expect(helm.upgrade(release, '/chart', {}, never)).rejects.toThrow(
      new HelmError('Failed', 'UPGRADE FAILED: a\nb'),
    )
  })

  it('knows a release that is not there', async () => {
    const helm = helmThat(`console.error('Error: release: not found'); process.exitCode = 1`)
    expect(await helm.status(release, never)).toBeUndefined()
  })

  it('has helm end in order when it is called off, and waits for that', async () => {
    const helm = helmThat(`
      process.on('SIGTERM', () => { console.error('cleaned up'); setTimeout(() => process.exit(1), 50) })
      setInterval(() => {}, 1000)
    `)
    const stop = new AbortController()
    const run = helm.upgrade(release, '/chart', {}, stop.signal)
    setTimeout(() => stop.abort(), 300)
    await expect(run).rejects.toMatchObject({ code: 'Aborted' })
    await expect(helm.status(release, stop.signal)).rejects.toMatchObject({ code: 'Aborted' })
  })

  it('says that helm cannot be run', async () => {
    const helm = new Helm({ program: join(folder, 'nothing'), home: folder, kubeconfig: '', master: '' })
    await expect(helm.status(release, never)).rejects.toMatchObject({ code: 'Unusable' })
    await expect(helmThat(`console.log('hello')`).status(release, never)).rejects.toMatchObject({
      code: 'Unusable',
    })
  })
})

describe('helmMessage', () => {
  it.each([
    ['Error: INSTALLATION FAILED: x\n', 'INSTALLATION FAILED: x'],
    ['W1121 12:00:00.000000       1 warnings.go:70] deprecated\nError: x\n', 'x'],
    ['level=WARN msg=a\nWARNING: Kubernetes configuration file is group-readable.\nError: x', 'x'],
    ['', ''],
  ])('%j', (stderr, message) => {
    expect(helmMessage(stderr)).toBe(message)
  })
})
