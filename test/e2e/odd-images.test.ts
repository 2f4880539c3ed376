import { existsSync } from 'node:fs'
import { describe, expect } from 'vitest'
import { uniqueName } from '../harness/cluster.ts'
import { type ImageKind, pushImage } from '../harness/image-builder.ts'
import { createCache, getNodeImages, waitForStatus } from '../harness/image-caches.ts'
import { cluster, test } from './fixtures.ts'

const ODD_KINDS: readonly ImageKind[] = [
  'no-layers',
  'artifact',
  'sixty-layers',
  'docker-schema2',
  'manifest-other-platform',
]

async function pushed(kind: ImageKind): Promise<string> {
  const target = `${uniqueName(kind)}:1`
  await pushImage(cluster.openRegistry(), target, { kind })
  return `registry.test.local/${target}`
}

async function missingOn(node: string, images: readonly string[]): Promise<string[]> {
  const listed = await cluster.runtimeImages(node)
  return images.filter(image => !listed.has(image))
}

/** Strings that would do harm, had anybody given them to a shell. Each writes the file if executed. */
function hostileStrings(file: string): string[] {
  const host = 'registry.test.local/app:1'
  return [
    `${host}; touch ${file}`,
    `$(touch ${file})`,
    `\`touch ${file}\``,
    `${host} && touch ${file} #`,
    `${host}\ntouch ${file}`,
    `' ; touch ${file} ; '`,
    `--output=${file}`,
    '../../../etc/passwd',
    'registry.test.local/App:1',
    `registry.test.local/${'a'.repeat(300)}:1`,
    'registry.test.local/прило́жение:1',
    'registry.test.local/app:💥',
    'registry.test.local/app\u202e:1',
    'registry.test.local/app:1\u0000',
    '',
    ' ',
  ]
}

describe.skipIf(!cluster.isLocal)('odd images (needs the insides of nodes)', () => {
  test('are cached by image volumes', async ({ namespace }) => {
    const images = await Promise.all(ODD_KINDS.map(pushed))
    const address = await createCache(cluster, namespace, { cacheSpec: [{ images }] })
    await waitForStatus(cluster, address, 'Succeeded')
    for (const node of await cluster.nodes()) expect(await missingOn(node, images)).toEqual([])
  })

  test('hostile strings are refused, each with its reason, and nothing is executed', async ({
    namespace,
  }) => {
    const good = await pushed('image')
    const file = `/tmp/${uniqueName('pwned')}`
    const hostile = hostileStrings(file)
    const address = await createCache(cluster, namespace, { cacheSpec: [{ images: [...hostile, good] }] })
    const { status } = await waitForStatus(cluster, address, 'Failed')
    expect(Object.keys(status?.failures ?? {}).toSorted()).toEqual(hostile.toSorted())
    for (const image of hostile) {
      const reasons = status?.failures?.[image]?.map(({ reason, message }) => ({ reason, message }))
      expect(new Set(reasons?.map(({ reason }) => reason)), image).toEqual(new Set(['InvalidReference']))
      expect(
        reasons?.every(({ message }) => message.length > 10),
        image,
      ).toBe(true)
    }
    expect(existsSync(file)).toBe(false)
    for (const node of await cluster.nodes()) {
      expect(await missingOn(node, [good])).toEqual([])
      const found = await cluster.nodeExec(node, ['sh', '-c', `ls ${file} 2>&1 || true`])
      expect(found).toMatch(/No such file/)
      const wanted = (await getNodeImages(cluster, node)).spec?.images?.map(({ image }) => image) ?? []
      expect(wanted).toContain(good)
      expect(wanted.filter(image => hostile.includes(image))).toEqual([])
    }
  })
})
