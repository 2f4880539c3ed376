import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parse } from 'yaml'
import { describe, expect, it, onTestFinished } from 'vitest'
import { imageCacheCrd } from './crd.ts'
import { FAILURE_REASONS } from './failure-reasons.ts'
import { generatedFiles, ROOT, staleFiles } from './generate.ts'
import { SKIP_REASONS } from './skip-reasons.ts'

describe('generated files', () => {
  it('match the schemas and tables', async () => {
    expect(Object.keys(generatedFiles())).toHaveLength(3)
    expect(await staleFiles(ROOT)).toEqual([])
  })

  it('are stale when they are missing or changed', async () => {
    const root = await mkdtemp(join(tmpdir(), 'generate-'))
    onTestFinished(() => rm(root, { recursive: true }))
    const [first, second, third] = Object.entries(generatedFiles())
    if (!first || !second || !third) throw new Error('three files were expected')
    await put(root, first[0], first[1])
    await put(root, second[0], `${second[1]}#`)
    expect(await staleFiles(root)).toEqual([second[0], third[0]])
  })

  it('hold the definition as plain YAML, without anchors', () => {
    const text = generatedFiles()['deploy/kubefledged-crd.yaml'] ?? ''
    expect(parse(text)).toEqual(imageCacheCrd)
    expect(text).not.toMatch(/: [&*]a\d/)
  })

  it('name every reason', () => {
    const text = generatedFiles()['docs/failure-reasons.md'] ?? ''
    for (const name of [...Object.keys(FAILURE_REASONS), ...Object.keys(SKIP_REASONS)]) {
      expect(text).toContain(`| \`${name}\` |`)
    }
  })
})

async function put(root: string, path: string, content: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true })
  await writeFile(join(root, path), content)
}
