import { existsSync } from 'node:fs'
import { readFile, readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ROOT } from './chart-docs.ts'

/** Links between documents: files that are there, headings that are in them. */

async function documents(): Promise<string[]> {
  const isDocument = (file: string) => file.endsWith('.md')
  const atRoot = (await readdir(ROOT)).filter(isDocument)
  const inDocs = (await readdir(join(ROOT, 'docs'), { recursive: true })).filter(isDocument)
  return [...atRoot, ...inDocs.map(file => join('docs', file)), 'hack/cluster/README.md']
}

/** What GitHub calls the headings of a text. */
function anchors(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\- _]/gu, '')
      .replaceAll(' ', '-'),
  )
}

/** Whether a link of a document leads to a file or folder, and to a heading in it. */
async function isGood(document: string, link: string): Promise<boolean> {
  const [path = '', anchor] = link.split('#')
  const target = join(ROOT, path === '' ? document : join(dirname(document), path))
  if (!existsSync(target)) return false
  return anchor === undefined || anchors(await readFile(target, 'utf8')).includes(anchor)
}

async function brokenLinks(document: string): Promise<string[]> {
  const text = await readFile(join(ROOT, document), 'utf8')
  const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link)
  const broken: string[] = []
  for (const link of links.filter(candidate => !/^https?:/.test(candidate))) {
    if (!(await isGood(document, link))) broken.push(`${document}: ${link}`)
  }
  return broken
}

describe('documents', () => {
  it('have no broken links to each other', async () => {
    const names = await documents()
    expect(names.length).toBeGreaterThan(10)
    expect((await Promise.all(names.map(brokenLinks))).flat()).toEqual([])
  })
})
