import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { stringify } from 'yaml'
import { imageCacheCrd, nodeImagesCrd, type CustomResourceDefinition } from './crd.ts'
import { reasonsDocument } from './reasons-doc.ts'

/**
 * Writes the files that are generated from the schemas and tables of this folder. With `--check` it writes
 * nothing and fails when a file differs.
 */

/** Root directory of the repository. */
export const ROOT = join(import.meta.dirname, '../..')

/** Content of each generated file, by its path from the root. */
export function generatedFiles(): Readonly<Record<string, string>> {
  return {
    'deploy/kubefledged-crd.yaml': yamlOf(imageCacheCrd),
    'deploy/kubefledged-crd-nodeimages.yaml': yamlOf(nodeImagesCrd),
    'docs/failure-reasons.md': reasonsDocument(),
  }
}

/** Paths of generated files under `root` that are missing or out of date. */
export async function staleFiles(root: string): Promise<readonly string[]> {
  const stale = []
  for (const [path, content] of Object.entries(generatedFiles())) {
    if ((await readIfThere(join(root, path))) !== content) stale.push(path)
  }
  return stale
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

function yamlOf(crd: CustomResourceDefinition): string {
  const header = '# Generated from src/api by `npm run generate`. Do not edit.\n'
  return header + stringify(crd, { aliasDuplicateObjects: false, lineWidth: 0 })
}

async function write(root: string): Promise<void> {
  for (const [path, content] of Object.entries(generatedFiles())) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), content)
  }
}

async function main(args: readonly string[]): Promise<number> {
  if (args.length === 0) {
    await write(ROOT)
    return 0
  }
  if (args.length > 1 || args[0] !== '--check') {
    console.error(`generate: unknown arguments: ${args.join(' ')}; only --check is known`)
    return 2
  }
  const stale = await staleFiles(ROOT)
  if (stale.length === 0) return 0
  console.error(
    `generate: not up to date with src/api: ${stale.join(', ')}. Run \`npm run generate\` and commit the result.`,
  )
  return 1
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2))
