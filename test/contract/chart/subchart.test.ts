import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { stringify } from 'yaml'
import { binary } from '../../harness/binaries.ts'
import { run } from '../../harness/command.ts'
import { CHART } from '../../harness/helm.ts'
import { render, type Values } from './helm.ts'

/** The chart as a dependency of another chart, and with all images from one registry. */

/** Output of helm for a chart with ours as its only dependency. */
async function renderParent(values: object): Promise<string> {
  const parent = await mkdtemp(join(tmpdir(), 'parent-'))
  onTestFinished(() => rm(parent, { recursive: true }))
  await mkdir(join(parent, 'charts'))
  await cp(CHART, join(parent, 'charts/kube-fledged'), { recursive: true, dereference: true })
  const dependencies = [{ name: 'kube-fledged', version: '>=0.0.0', condition: 'kube-fledged.enabled' }]
  const chart = { apiVersion: 'v2', name: 'parent', version: '1.0.0', dependencies }
  await writeFile(join(parent, 'Chart.yaml'), stringify(chart))
  const command = [binary('helm'), 'template', 'r', parent, '-n', 'n', '--values', '-'] as const
  return run(command, { input: JSON.stringify(values) })
}

/** References of all images, with those in the arguments of the controller. */
function imagesOf(manifests: string): string[] {
  const found = [...manifests.matchAll(/(?:image|value): "([^"\s]+\/kubefledged-[^"\s]+)"/g)]
  return [...new Set(found.map(([, image = '']) => image))].toSorted()
}

describe('the chart in another chart', () => {
  it('is enabled by a condition', async () => {
    const on = { 'kube-fledged': { enabled: true, fullnameOverride: 'kf' } }
    expect(await renderParent(on)).toContain('name: kf-controller\n')
    expect((await renderParent({ 'kube-fledged': { enabled: false } })).trim()).toBe('')
  })

  it('uses the global values of the parent, and its registry', async () => {
    const global = { imageRegistry: 'mirror.example:5000', imagePullSecrets: ['other'], team: { name: 'a' } }
    const images = imagesOf(await renderParent({ global, 'kube-fledged': { image: { tag: 'v1.0.0' } } }))
    const names = ['busybox', 'controller', 'cri-client', 'webhook-server']
    expect(images).toEqual(names.map(name => `mirror.example:5000/kubefledged/kubefledged-${name}:v1.0.0`))
  })
})

describe('global.imageRegistry', () => {
  it.each<{ repository: string; registry: string; image: string }>([
    { repository: 'ghcr.io/a/kubefledged-x', registry: 'm.example', image: 'm.example/a/kubefledged-x' },
    { repository: 'a/kubefledged-x', registry: 'm.example', image: 'm.example/a/kubefledged-x' },
    { repository: 'localhost/kubefledged-x', registry: 'm.example', image: 'm.example/kubefledged-x' },
    { repository: 'r:5000/a/kubefledged-x', registry: 'm.example/', image: 'm.example/a/kubefledged-x' },
    { repository: 'ghcr.io/a/kubefledged-x', registry: 'm.example/p', image: 'm.example/p/a/kubefledged-x' },
    { repository: 'ghcr.io/a/kubefledged-x', registry: '', image: 'ghcr.io/a/kubefledged-x' },
  ])('$registry: $repository becomes $image', async ({ repository, registry, image }) => {
    const values: Values = { 'global.imageRegistry': registry, 'image.tag': 'v1.0.0' }
    const manifests = await render({ ...values, 'image.kubefledgedControllerRepository': repository })
    expect(imagesOf(manifests)).toContain(`${image}:v1.0.0`)
  })

  it('keeps digests', async () => {
    const digest = `sha256:${'ab'.repeat(32)}`
    const values = { 'global.imageRegistry': 'm.example', 'image.kubefledgedControllerDigest': digest }
    expect(imagesOf(await render(values))).toContain(`m.example/kubefledged/kubefledged-controller@${digest}`)
  })
})
