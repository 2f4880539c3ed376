import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished } from 'vitest'
import { ROOT } from '../harness/cluster-env.ts'
import { uniqueName } from '../harness/cluster.ts'
import { pushImage } from '../harness/image-builder.ts'
import { type CacheAddress, getCache, waitForStatus } from '../harness/image-caches.ts'
import { cluster, test } from './fixtures.ts'

const MANIFEST = 'deploy/kubefledged-imagecache.yaml'
const ADDRESS: CacheAddress = { namespace: 'kube-fledged', name: 'imagecache1' }

/** What `kubectl get` prints of it. */
const TABLE = /^NAME +STATUS +IMAGES +NODES +AGE\nimagecache1 +Succeeded +\d\/\d +\d\/\d +\d+s\n$/

/** The commands about one image cache of the README's chapter "Use", in its order, without `kubectl`. */
async function commands(): Promise<string[][]> {
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8')
  const chapter = readme.slice(readme.indexOf('\n## Use\n'), readme.indexOf('\n### More\n'))
  return [...chapter.matchAll(/^(?:\$ )?kubectl (.*)$/gm)].map(([, line = '']) => line.split(' '))
}

/**
 * The sample with images of the local registry in place of its own; answers the file and the images by
 * their place.
 */
async function sample(): Promise<{ file: string; images: string[] }> {
  const directory = await mkdtemp(join(tmpdir(), 'readme-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const images: string[] = []
  const text = await readFile(join(ROOT, MANIFEST), 'utf8')
  const found = text.match(/^ +- (\S+\/\S+:\S+)$/gm) ?? []
  let changed = text
  for (const line of found) {
    const target = `${uniqueName('readme')}:1`
    await pushImage(cluster.openRegistry(), target)
    images.push(`registry.test.local/${target}`)
    changed = changed.replace(line, line.replace(/\S+\/\S+$/, `registry.test.local/${target}`))
  }
  const file = join(directory, 'imagecache.yaml')
  await writeFile(file, changed)
  return { file, images }
}

/** A program for `KUBE_EDITOR` that puts one text in the place of another. */
async function editor(from: string, to: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'editor-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const file = join(directory, 'editor.mjs')
  const script = [
    `#!${process.execPath}`,
    "import { readFileSync, writeFileSync } from 'node:fs'",
    'const [file] = process.argv.slice(2)',
    `writeFileSync(file, readFileSync(file, 'utf8').replaceAll(${JSON.stringify(from)}, ${JSON.stringify(to)}))`,
  ]
  await writeFile(file, `${script.join('\n')}\n`)
  await chmod(file, 0o755)
  return file
}

async function holders(image: string): Promise<string[]> {
  const nodes = await cluster.nodes()
  const listed = await Promise.all(nodes.map(node => cluster.runtimeImages(node)))
  return nodes.filter((_, index) => listed[index]?.has(image))
}

describe.skipIf(!cluster.isLocal)('the life of an image cache, by the commands of the README', () => {
  test('create, view, edit, refresh, purge, delete', async () => {
    const nodes = await cluster.nodes()
    const [backend = ''] = nodes
    await cluster.kubectl(['label', 'node', backend, 'tier=backend'])
    onTestFinished(async () => {
      await cluster.kubectl(['label', 'node', backend, 'tier-'])
      await cluster.kubectl([
        '-n',
        ADDRESS.namespace,
        'delete',
        'imagecache',
        ADDRESS.name,
        '--ignore-not-found',
      ])
      await cluster.removeTestImages()
    })
    const { file, images } = await sample()
    const [everywhere = '', onlyBackend = '', alsoBackend = ''] = images
    const added = `${uniqueName('readme')}:1`
    await pushImage(cluster.openRegistry(), added)
    const addedImage = `registry.test.local/${added}`
    const done: string[] = []

    for (const args of await commands()) {
      const [verb = ''] = args
      const what = args.find(arg => arg.startsWith('kubefledged.io/')) ?? verb
      done.push(what)
      const real = args.map(arg => (arg === MANIFEST ? file : arg))
      if (what === 'edit') {
        const script = await editor(alsoBackend, addedImage)
        await cluster.kubectl(real, { env: { KUBE_EDITOR: script } })
        const { status } = await waitForStatus(cluster, ADDRESS, 'Succeeded')
        expect(status?.reason).toBe('ImageCacheUpdate')
        expect(await holders(addedImage)).toEqual([backend])
        expect(await holders(alsoBackend)).toEqual([])
        continue
      }
      const output = await cluster.kubectl(real)
      switch (what) {
        case 'create':
          await waitForStatus(cluster, ADDRESS, 'Succeeded')
          expect(await holders(everywhere)).toEqual(nodes)
          expect(await holders(onlyBackend)).toEqual([backend])
          expect(await holders(alsoBackend)).toEqual([backend])
          break
        case 'get':
          if (output.startsWith('{')) expect(JSON.parse(output).status.status).toBe('Succeeded')
          else expect(output).toMatch(TABLE)
          break
        case 'kubefledged.io/refresh-imagecache=':
        case 'kubefledged.io/refresh-imagecache=build-42': {
          const { status } = await waitForStatus(cluster, ADDRESS, 'Succeeded')
          expect(status?.reason).toBe('ImageCacheRefresh')
          break
        }
        case 'kubefledged.io/purge-imagecache=': {
          const { status } = await waitForStatus(cluster, ADDRESS, 'Succeeded')
          expect(status?.reason).toBe('ImageCachePurge')
          for (const image of [everywhere, onlyBackend, addedImage]) expect(await holders(image)).toEqual([])
          break
        }
        case 'delete':
          await expect(getCache(cluster, ADDRESS)).rejects.toThrow(/not found/)
          break
        default:
          throw new Error(`the README has a command that this test does not know: kubectl ${args.join(' ')}`)
      }
    }
    expect(done.filter(what => what !== 'get')).toEqual([
      'create',
      'edit',
      'kubefledged.io/refresh-imagecache=',
      'kubefledged.io/refresh-imagecache=build-42',
      'kubefledged.io/purge-imagecache=',
      'delete',
    ])
  })
})
