import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import * as z from 'zod'
import { ROOT } from '../../harness/cluster-env.ts'
import { run } from '../../harness/command.ts'
import { MEDIA_TYPES } from '../../harness/oci.ts'
import { RegistryProcess } from '../registry/registry-process.ts'

/** Tests the commands that release the images, without Docker, into an existing registry. */

const VERSION = 'v9.9.9-test'
const REPOSITORIES = {
  CONTROLLER_IMAGE_REPO: 'me/kubefledged-controller',
  WEBHOOK_SERVER_IMAGE_REPO: 'me/kubefledged-webhook-server',
  CRI_CLIENT_IMAGE_REPO: 'me/kubefledged-cri-client',
  OPERATOR_IMAGE_REPO: 'me/kubefledged-operator',
}
/** Machine numbers of the ELF specification. */
const ELF_MACHINES: Readonly<Record<string, number>> = { amd64: 0x3e, arm64: 0xb7 }

const Descriptor = z.object({ digest: z.string(), mediaType: z.string() })
const Index = z.object({
  manifests: z.array(Descriptor.extend({ platform: z.object({ os: z.string(), architecture: z.string() }) })),
})
const Manifest = z.object({ config: Descriptor, layers: z.array(Descriptor).min(1) })
const Config = z.object({
  os: z.string(),
  architecture: z.string(),
  config: z.object({
    User: z.string(),
    Entrypoint: z.array(z.string()),
    Labels: z.record(z.string(), z.string()),
  }),
})

/** The first run compiles helm and downloads files of other architectures. */
const PATIENCE_MS = 600_000
vi.setConfig({ testTimeout: PATIENCE_MS })

let registry: RegistryProcess

beforeAll(async () => {
  registry = await RegistryProcess.start()
})

afterAll(async () => {
  await make(
    'clean-controller',
    'clean-webhook-server',
    'clean-cri-client',
    'clean-operator',
    'clean-busybox',
  )
  await registry.stop()
})

function make(...words: string[]): Promise<string> {
  const environment = Object.entries(process.env).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  )
  const named = Object.entries(REPOSITORIES).map(
    ([variable, name]) => [variable, `${registry.host}/${name}`] as const,
  )
  return run(['make', '--no-print-directory', '-C', ROOT, ...words], {
    timeoutMs: PATIENCE_MS,
    env: {
      ...Object.fromEntries(environment),
      ...Object.fromEntries(named),
      RELEASE_VERSION: VERSION,
      INSECURE: '1',
      // Simulates a machine without Docker.
      DOCKER_HOST: 'unix:///nowhere.sock',
    },
  })
}

async function blob(repository: string, digest: string): Promise<Buffer> {
  const answer = await fetch(`${registry.url}/v2/${repository}/blobs/${digest}`)
  if (!answer.ok) throw new Error(`${repository}@${digest}: ${answer.status}`)
  return Buffer.from(await answer.arrayBuffer())
}

async function image(repository: string, reference: string) {
  const store = registry.store()
  try {
    const { mediaType, content } = await store.getManifest(repository, reference)
    expect(mediaType).toBe(MEDIA_TYPES.oci.manifest)
    const manifest = Manifest.parse(JSON.parse(content.toString('utf8')))
    const config: unknown = JSON.parse((await blob(repository, manifest.config.digest)).toString('utf8'))
    return { layers: manifest.layers, config: Config.parse(config) }
  } finally {
    store.close()
  }
}

/** Architectures of the programs in the layer. */
async function machinesIn(repository: string, digest: string): Promise<number[]> {
  const archive = gunzipSync(await blob(repository, digest))
  const machines = new Set<number>()
  let at = 0
  while (at < archive.length) {
    const size = Number.parseInt(archive.toString('latin1', at + 124, at + 135).trim() || '0', 8)
    const file = archive.subarray(at + 512, at + 512 + size)
    if (file.toString('latin1', 0, 4) === '\x7fELF') machines.add(file.readUInt16LE(18))
    at += 512 + Math.ceil(size / 512) * 512
  }
  return [...machines]
}

describe('make release-amd64', () => {
  test('builds with buildah when no Docker engine answers, and pushes images with labels', async () => {
    expect(await make('install-buildx')).toMatch(
      /No Docker engine answers: buildah .* builds the images instead of buildx/,
    )
    const pushed = await make('release-amd64')
    for (const [name, user] of [
      ['controller', '65532:65532'],
      ['webhook-server', '65532:65532'],
      ['cri-client', '0:0'],
      ['operator', '65532:65532'],
      ['busybox', '65532:65532'],
    ] as const) {
      const repository = `me/kubefledged-${name}`
      expect(pushed).toContain(`${registry.host}/${repository}:${VERSION}\n`)
      const { config } = await image(repository, VERSION)
      expect(await image(repository, 'latest')).toMatchObject({ config })
      expect(config).toMatchObject({
        os: 'linux',
        architecture: 'amd64',
        config: {
          User: user,
          Entrypoint: [name === 'busybox' ? '/bin/busybox' : `/opt/bin/kubefledged-${name}`],
          Labels: {
            'org.opencontainers.image.title': `kubefledged-${name}`,
            'org.opencontainers.image.version': VERSION,
            'org.opencontainers.image.revision': expect.stringMatching(/^[0-9a-f]{40}(-dirty)?$/),
          },
        },
      })
    }
  })

  test('publishes the same content under another version', async () => {
    for (const version of ['v1.0.0-test', 'v1.0.1-test']) {
      onTestFinished(() => make('clean-busybox', `RELEASE_VERSION=${version}`).then(() => {}))
      await make('busybox-amd64', `RELEASE_VERSION=${version}`)
      const { config } = await image('me/kubefledged-busybox', version)
      expect(config.config.Labels['org.opencontainers.image.version']).toBe(version)
    }
  })

  test('reports in one sentence that there is no registry', async () => {
    const repository = 'BUSYBOX_IMAGE_REPO=127.0.0.1:1/me/kubefledged-busybox'
    onTestFinished(() => make('clean-busybox', repository).then(() => {}))
    await expect(make('busybox-amd64', repository)).rejects.toThrow(
      /127\.0\.0\.1:1\/me\/kubefledged-busybox:v9\.9\.9-test could not be pushed: .*connection refused\. .*log in to it first\.\n/,
    )
  })
})

describe('make push-images', () => {
  test('reports an image that is not built, and pushes nothing', async () => {
    await expect(make('push-images', 'RELEASE_VERSION=v0.0.1-test')).rejects.toThrow(
      `${registry.host}/me/kubefledged-controller:v0.0.1-test is not on this machine. Run make images with the same variables.\n`,
    )
  })

  test('reports that the registry does not use HTTPS', async () => {
    const repository = `BUSYBOX_IMAGE_REPO=${registry.host}/me/kubefledged-plain`
    onTestFinished(() => make('clean-busybox', repository).then(() => {}))
    await expect(make('busybox-amd64', repository, 'INSECURE=')).rejects.toThrow(
      /kubefledged-plain:v9\.9\.9-test could not be pushed: .*HTTP response to HTTPS client\. Use INSECURE=1 for a registry with plain HTTP\.\n/,
    )
  })
})

describe('make image, make push', () => {
  test('build and push the controller, under its name in the oldest kube-fledged', async () => {
    const name = `FLEDGED_REPOSITORY=${registry.host}/me/fledged:mine`
    onTestFinished(() => make('clean-controller', name).then(() => {}))
    await make('image', name)
    expect(await make('push', name)).toContain(`${registry.host}/me/fledged:mine\n`)
    const { config } = await image('me/fledged', 'mine')
    expect(config.config.Entrypoint).toEqual(['/opt/bin/kubefledged-controller'])
  })
})

describe('an image for several platforms', () => {
  test('has the programs of each platform, without emulation in the build', async () => {
    await make('controller-image', 'busybox-image')
    const store = registry.store()
    for (const repository of ['me/kubefledged-controller', 'me/kubefledged-busybox']) {
      const { mediaType, content } = await store.getManifest(repository, VERSION)
      expect(mediaType).toBe(MEDIA_TYPES.oci.index)
      const { manifests } = Index.parse(JSON.parse(content.toString('utf8')))
      expect(manifests.map(({ platform }) => platform)).toEqual([
        { os: 'linux', architecture: 'amd64' },
        { os: 'linux', architecture: 'arm64' },
      ])
      for (const { digest, platform } of manifests) {
        const { layers, config } = await image(repository, digest)
        expect(config.architecture).toBe(platform.architecture)
        const machines = await Promise.all(layers.map(layer => machinesIn(repository, layer.digest)))
        expect([...new Set(machines.flat())], `${repository} ${platform.architecture}`).toEqual([
          ELF_MACHINES[platform.architecture],
        ])
      }
    }
    store.close()
  })

  test('is rejected for a platform without Node.js', async () => {
    await expect(make('controller-image', 'TARGET_PLATFORMS=linux/amd64,linux/arm/v7')).rejects.toThrow(
      'TARGET_PLATFORMS names linux/arm/v7, but Node.js 24 is built for linux/amd64 and linux/arm64 only.',
    )
  })
})
