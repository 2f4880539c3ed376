import { readFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { expect, it } from 'vitest'

/**
 * The rooms of the source, and the rooms that each may import. Imports point one way.
 * Tests and test helpers (`testing*.ts`) may also import the test helpers of any room, and files below
 * `test/`.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  kube: ['base'],
  oci: ['base'],
  api: ['kube', 'base'],
  cri: ['oci', 'api', 'base'],
  core: ['api', 'oci', 'base'],
  state: ['core', 'kube', 'oci', 'api', 'base'],
  engines: ['state', 'core', 'cri', 'kube', 'api', 'oci', 'base'],
  controllers: ['engines', 'state', 'core', 'kube', 'api', 'oci', 'base'],
  process: ['kube', 'oci', 'base'],
  programs: ['controllers', 'engines', 'state', 'core', 'cri', 'process', 'kube', 'api', 'oci', 'base'],
  'main.ts': ['programs', 'process', 'base'],
}

/** Rooms of which another room may import types only: `importer → imported`. */
const TYPES_ONLY: ReadonlySet<string> = new Set(['api → kube'])

const TEST_HELPER = /\/testing[^/]*\.ts$/

interface Import {
  readonly file: string
  readonly line: number
  /** Path of the imported file. */
  readonly target: string
  readonly typesOnly: boolean
}

const SOURCE = import.meta.dirname
const STATEMENT = /^(?:import|export)\s+(?:(?<clause>[\w$\s{},*]+?)\s+from\s+)?['"](?<path>\.[^'"]*)['"]/gm
const DYNAMIC = /\bimport\(\s*['"](?<path>\.[^'"]+)['"]\s*\)/g

function importsOf(file: string, text: string): Import[] {
  return [STATEMENT, DYNAMIC].flatMap(pattern =>
    Array.from(text.matchAll(pattern), match => ({
      file,
      line: text.slice(0, match.index).split('\n').length,
      target: relative(SOURCE, resolve(SOURCE, dirname(file), match.groups?.['path'] ?? '')),
      typesOnly: isTypesOnly(match.groups?.['clause'] ?? ''),
    })),
  )
}

/** True for `import type …` and for `import { type A, type B } …`. */
function isTypesOnly(clause: string): boolean {
  const names = clause.trim().replace(/^\{|\}$/g, '')
  return (
    clause.trimStart().startsWith('type ') ||
    (names !== '' && names.split(',').every(name => name.trim() === '' || name.trim().startsWith('type ')))
  )
}

/** The first folder of a path. For a file beside the rooms the file itself, or the file that it tests. */
function roomOf(path: string): string {
  return path.split('/')[0]?.replace('.test.ts', '.ts') ?? ''
}

function programOf(path: string): string | undefined {
  return roomOf(path) === 'programs' ? path.split('/')[1] : undefined
}

/** The rule that an import breaks; undefined for an allowed one. */
function brokenRule({ file, target, typesOnly }: Import): string | undefined {
  const isTest = file.endsWith('.test.ts') || TEST_HELPER.test(file)
  const [from, to] = [roomOf(file), roomOf(target)]
  // The version in package.json is the only thing that the source reads from outside.
  if (to === '..')
    return target === '../package.json' || (isTest && target.startsWith('../test/'))
      ? undefined
      : 'imports stay within src'
  if (from === to) {
    return programOf(file) === programOf(target) ? undefined : 'a program never imports another program'
  }
  if (isTest && TEST_HELPER.test(target)) return undefined
  const allowed = MAY_IMPORT[from]
  if (!allowed) return `the room ${from} has no rule: add it to MAY_IMPORT`
  if (!allowed.includes(to)) return `${from} may import ${allowed.join(', ') || 'no other room'}; not ${to}`
  return TYPES_ONLY.has(`${from} → ${to}`) && !typesOnly
    ? `${from} may import only types of ${to}`
    : undefined
}

async function allImports(): Promise<Import[]> {
  const files = (await readdir(SOURCE, { recursive: true })).filter(
    // The samples in this file are no imports.
    file => file.endsWith('.ts') && file !== 'imports.test.ts',
  )
  return files.sort().flatMap(file => importsOf(file, readFileSync(join(SOURCE, file), 'utf8')))
}

it('finds the imports of every form', () => {
  const text = [
    "import a from './a.ts'",
    "import type { B } from '../b.ts'",
    "import {\n  type C,\n  type D,\n} from '../oci/c.ts'",
    "export { e } from './e.ts'",
    "import './f.ts'",
    "const g = await import('../g.ts')",
    "import http from 'node:http'",
    "export const h = new URL('../h.ts', import.meta.url)",
  ].join('\n')
  expect(importsOf('kube/x.ts', text)).toEqual([
    { file: 'kube/x.ts', line: 1, target: 'kube/a.ts', typesOnly: false },
    { file: 'kube/x.ts', line: 2, target: 'b.ts', typesOnly: true },
    { file: 'kube/x.ts', line: 3, target: 'oci/c.ts', typesOnly: true },
    { file: 'kube/x.ts', line: 7, target: 'kube/e.ts', typesOnly: false },
    { file: 'kube/x.ts', line: 8, target: 'kube/f.ts', typesOnly: false },
    { file: 'kube/x.ts', line: 9, target: 'g.ts', typesOnly: false },
  ])
})

it.each([
  ['base/a.ts', 'kube/b.ts', 'base may import no other room; not kube'],
  ['core/a.ts', 'state/b.ts', 'core may import api, oci, base; not state'],
  ['core/a.test.ts', 'state/b.ts', 'core may import api, oci, base; not state'],
  ['core/a.test.ts', 'state/testing.ts', undefined],
  ['core/a.test.ts', '../test/builders/pod.ts', undefined],
  ['core/testing-a.ts', '../test/builders/pod.ts', undefined],
  ['core/a.ts', '../test/builders/pod.ts', 'imports stay within src'],
  ['api/a.ts', 'kube/b.ts', 'api may import only types of kube'],
  ['programs/webhook/a.ts', 'programs/controller/b.ts', 'a program never imports another program'],
  ['programs/webhook/a.ts', 'programs/webhook/certificate/b.ts', undefined],
  ['new/a.ts', 'base/b.ts', 'the room new has no rule: add it to MAY_IMPORT'],
])('%s → %s: %s', (file, target, rule) => {
  expect(brokenRule({ file, line: 1, target, typesOnly: false })).toBe(rule)
})

it('imports only what the rules allow', async () => {
  const imports = await allImports()
  expect(imports.length).toBeGreaterThan(500)
  const violations = imports.flatMap(found => {
    const rule = brokenRule(found)
    return rule === undefined ? [] : [`src/${found.file}:${found.line} imports ${found.target}: ${rule}`]
  })
  expect(violations).toEqual([])
})
