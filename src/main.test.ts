import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import manifest from '../package.json' with { type: 'json' }
import { chooseSubcommand, SUBCOMMANDS } from './process/subcommand.ts'
import { UsageError } from './base/usage-error.ts'

const main = join(import.meta.dirname, 'main.ts')
const folder = mkdtempSync(join(tmpdir(), 'main-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** The program started as a person or a container does it. */
function run(program: string, ...argv: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...argv], { encoding: 'utf8' })
  return { status, stdout, stderr }
}

describe('the program', () => {
  it('shows its subcommands and its version', () => {
    expect(run(main, '--help')).toMatchObject({
      status: 0,
      stderr: '',
      stdout: expect.stringContaining('  controller '),
    })
    expect(run(main, '--version')).toEqual({ status: 0, stderr: '', stdout: `${manifest.version}\n` })
  })

  it('goes by the name that it is started under', () => {
    const link = join(folder, 'kubefledged-controller')
    symlinkSync(main, link)
    expect(run(link, '--help')).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('--jobs-max-surge'),
    })
    expect(run(main, 'controller', '-h')).toEqual(run(link, '-h'))
  })

  it('refuses what it does not know with one line and exit code 2', () => {
    expect(run(main, 'contoller')).toEqual({
      status: 2,
      stdout: '',
      stderr: `unknown subcommand "contoller"; known: ${Object.keys(SUBCOMMANDS).join(', ')} (see --help)\n`,
    })
    expect(run(main, 'controller', '--nonsense')).toEqual({
      status: 2,
      stdout: '',
      stderr: "unknown flag '--nonsense': --help shows all flags\n",
    })
  })
})

describe('chooseSubcommand', () => {
  it.each([
    [
      ['node', '/opt/bin/kubefledged-controller', '-v=4'],
      { kind: 'run', subcommand: 'controller', argv: ['-v=4'] },
    ],
    [['node', '/opt/bin/kubefledged-controller.js'], { kind: 'run', subcommand: 'controller', argv: [] }],
    [
      ['node', '/opt/bin/kubefledged-webhook-server', '--port=443'],
      { kind: 'run', subcommand: 'webhook-server', argv: ['--port=443'] },
    ],
    [['node', '/opt/bin/kubefledged-controller', '--version'], { kind: 'version' }],
    [['node', 'main.js', 'controller', '--x'], { kind: 'run', subcommand: 'controller', argv: ['--x'] }],
    [['node', 'main.js', 'controller', '--version'], { kind: 'version' }],
    [['node', 'main.js', 'help'], { kind: 'help' }],
  ])('%j', (argv, choice) => {
    expect(chooseSubcommand(argv)).toEqual(choice)
  })

  it.each([
    [['node', 'main.js']],
    [['node', 'kubefledged-constructor', 'x']],
    [['node', 'main.js', 'constructor']],
    [['node', 'main.js', '--controller']],
  ])('refuses %j', argv => {
    expect(() => chooseSubcommand(argv)).toThrow(UsageError)
  })
})
