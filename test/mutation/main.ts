import { execFile } from 'node:child_process'
import { cp, glob, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Command } from 'commander'
import { ROOT } from '../harness/cluster-env.ts'
import { type Mutant, mutantsOf, mutated } from './mutants.ts'

/**
 * Do the tests notice a fault? Puts faults into copies of the sources, one at a time, and runs the tests.
 * `node test/mutation/main.ts --help`
 */

/** Longest time for the tests of one mutant, in milliseconds. An endless loop is noticed, too. */
const PATIENCE_MS = 180_000
const FILES = 'src/{core,engines}/**/*.ts,src/oci/registry/*.ts'

const run = promisify(execFile)

const program = new Command()
  .description(
    'Puts faults into core/, engines/ and the registry client, and counts those that tests notice.',
  )
  .option('--count <n>', 'number of faults', '100')
  .option('--seed <n>', 'another seed chooses other faults', '1')
  .option('--files <globs>', 'sources, separated by commas', FILES)
  .option('--contract', 'run the contract tests of engines as well where unit tests notice nothing', false)
  .option('--workers <n>', 'copies that are tested at once', '2')
  .parse()
const options = program.opts<{
  count: string
  seed: string
  files: string
  contract: boolean
  workers: string
}>()

const mutants = sample(await allMutants(options.files), Number(options.count), Number(options.seed))
console.log(`${mutants.length} faults, seed ${options.seed}`)
const queue = [...mutants]
const alive: Mutant[] = []
let done = 0
await Promise.all(Array.from({ length: Number(options.workers) }, () => worker()))
for (const { file, line, what } of alive) console.log(`alive: ${file}:${line} ${what}`)
console.log(`${mutants.length - alive.length} of ${mutants.length} faults were noticed`)

/** Tests mutants in a copy of its own until there are none left. */
async function worker(): Promise<void> {
  const copy = await mkdtemp(join(tmpdir(), 'mutants-'))
  try {
    const skipped = new Set(['node_modules', '.git', '.cache', 'dist'])
    await cp(ROOT, copy, { recursive: true, filter: path => !skipped.has(path.slice(ROOT.length + 1)) })
    await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
    if (await fails(copy, ['run', '--project', 'unit', 'src'])) {
      throw new Error('the unit tests fail without any fault: mend them first (npm run unit)')
    }
    for (let mutant = queue.shift(); mutant; mutant = queue.shift()) {
      const isNoticed = await notices(copy, mutant)
      done += 1
      if (!isNoticed) alive.push(mutant)
      const { file, line, what } = mutant
      console.log(`${done}/${mutants.length} ${isNoticed ? 'noticed' : 'ALIVE'}  ${file}:${line}  ${what}`)
    }
  } finally {
    await rm(copy, { recursive: true, force: true })
  }
}

/** True where a test fails with the mutant. */
async function notices(copy: string, mutant: Mutant): Promise<boolean> {
  const path = join(copy, mutant.file)
  const source = await readFile(path, 'utf8')
  await writeFile(path, mutated(source, mutant))
  try {
    if (await fails(copy, ['related', mutant.file, '--project', 'unit'])) return true
    return options.contract && (await fails(copy, ['run', '--project', 'contract', 'test/contract/engines']))
  } finally {
    await writeFile(path, source)
  }
}

async function fails(copy: string, args: readonly string[]): Promise<boolean> {
  try {
    await run('npx', ['vitest', ...args, '--run', '--bail=1', '--reporter=dot'], {
      cwd: copy,
      timeout: PATIENCE_MS,
      maxBuffer: 64e6,
    })
    return false
  } catch {
    return true
  }
}

async function allMutants(globs: string): Promise<Mutant[]> {
  const found: Mutant[] = []
  const patterns = globs.split(/,(?![^{]*\})/)
  for await (const file of glob(patterns, { cwd: ROOT })) {
    if (/\.test\.ts$|\/testing-|\/generated\//.test(file)) continue
    found.push(...mutantsOf(file, await readFile(join(ROOT, file), 'utf8')))
  }
  return found
}

/** So many of them, chosen by a seed: the same seed chooses the same ones. */
function sample(all: readonly Mutant[], count: number, seed: number): Mutant[] {
  let state = seed >>> 0
  // mulberry32
  const random = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return all
    .toSorted((a, b) => (a.file === b.file ? a.start - b.start : a.file < b.file ? -1 : 1))
    .map(mutant => ({ mutant, at: random() }))
    .toSorted((a, b) => a.at - b.at)
    .slice(0, count)
    .map(({ mutant }) => mutant)
}
