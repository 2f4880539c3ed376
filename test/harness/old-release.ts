import { cp, mkdtemp, readFile, readdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT } from './cluster-env.ts'
import type { Cluster } from './cluster.ts'
import { run } from './command.ts'
import { pushImage } from './image-builder.ts'
import { imageNames } from './make.ts'
import type { LayerFile } from './tar.ts'

/** The released kube-fledged 0.11, with its images in the cluster's registry. */

/** Account of the images in its chart and manifests. */
const ACCOUNT = 'senthilrch'
const REGISTRY = 'registry.test.local'
/** Path of the chart in its checkout. */
export const OLD_CHART = 'deploy/kubefledged-operator/helm-charts/kubefledged'

/**
 * Pushes its images and returns the directory of its checkout. Chart, manifests and `make` targets of the
 * checkout install it into this cluster. Two things differ from the release: the registry of the images, and
 * the webhook timeout. The release has a timeout of one second, which is too short on a busy machine.
 */
export async function checkoutOldRelease(cluster: Cluster): Promise<string> {
  const built = (await run([join(ROOT, 'hack/old-release/build.sh')], { timeoutMs: 900_000 })).trim()
  await pushImages(cluster, built)
  const checkout = await mkdtemp(join(tmpdir(), 'old-release-'))
  await cp(join(built, 'checkout'), checkout, { recursive: true })
  const names = await imageNames(cluster)
  const busybox = `${names['BUSYBOX_IMAGE_REPO']}:${names['RELEASE_VERSION']}`
  for (const file of await readdir(join(checkout, 'deploy'), { recursive: true })) {
    if (!file.endsWith('.yaml')) continue
    const path = join(checkout, 'deploy', file)
    const text = await readFile(path, 'utf8')
    const changed = text
      .replaceAll(/timeoutSeconds: 1\b/g, 'timeoutSeconds: 10')
      .replaceAll(/(?:docker\.io\/)?senthilrch\/busybox:[\d.]+/g, busybox)
      .replaceAll(/(?:docker\.io\/)?senthilrch\//g, `${REGISTRY}/${ACCOUNT}/`)
    await writeFile(path, changed)
  }
  return checkout
}

/** Arguments for its chart with the images of this cluster. */
export async function oldImageArguments(cluster: Cluster): Promise<string[]> {
  const { BUSYBOX_IMAGE_REPO, RELEASE_VERSION } = await imageNames(cluster)
  const values = {
    kubefledgedControllerRepository: `${REGISTRY}/${ACCOUNT}/kubefledged-controller`,
    kubefledgedWebhookServerRepository: `${REGISTRY}/${ACCOUNT}/kubefledged-webhook-server`,
    kubefledgedCRIClientRepository: `${REGISTRY}/${ACCOUNT}/kubefledged-cri-client`,
    busyboxImageRepository: BUSYBOX_IMAGE_REPO,
    busyboxImageVersion: RELEASE_VERSION,
  }
  return Object.entries(values).flatMap(([name, value]) => ['--set-string', `image.${name}=${value}`])
}

async function pushImages(cluster: Cluster, built: string): Promise<void> {
  const program = async (name: string, path: string): Promise<LayerFile> => ({
    path,
    content: await readFile(join(built, name)),
    mode: 0o755,
  })
  const busybox: LayerFile = { path: 'bin/busybox', content: await readFile('/usr/bin/busybox'), mode: 0o755 }
  // bash, with what its Jobs need: `bash -c "exec crictl …"`
  const bash = {
    path: 'bin/bash',
    content: Buffer.from('#!/bin/busybox sh\nexec /bin/busybox sh "$@"\n'),
    mode: 0o755,
  }
  // directory of glog's files
  const tmp = { path: 'tmp/.keep', content: Buffer.alloc(0) }
  const images = {
    'kubefledged-controller': [await program('controller', 'opt/bin/kubefledged-controller'), tmp],
    'kubefledged-webhook-server': [
      await program('webhook-server', 'opt/bin/kubefledged-webhook-server'),
      tmp,
    ],
    'kubefledged-cri-client': [await program('crictl', 'usr/bin/crictl'), busybox, bash],
  }
  for (const [name, files] of Object.entries(images)) {
    await pushImage(cluster.openRegistry(), `${ACCOUNT}/${name}:v0.11.0`, { files })
  }
}
