/**
 * `make demo`: pushes generated images into the cluster's registry, creates an ImageCache,
 * and shows its status until `Succeeded`. Then it lists the images of each node's runtime as proof.
 * The cluster stays up.
 */
import { connectCluster } from '../test/harness/cluster.ts'
import { pushImage } from '../test/harness/image-builder.ts'

const REGISTRY = 'registry.test.local'
const EVERYWHERE = ['web', 'api', 'worker', 'cache', 'proxy', 'metrics'].map(name => `demo/${name}:1`)
const ONE_NODE = ['gpu-base', 'gpu-model'].map(name => `demo/${name}:1`)
const MEGABYTES = 8
const DEADLINE_MS = 120_000
const LOOK_MS = 500

interface Cache {
  readonly status?: {
    readonly status?: string
    readonly message?: string
    readonly summary?: { readonly images: string; readonly nodes: string }
    readonly images?: readonly {
      readonly image: string
      readonly desired: number
      readonly present: number
    }[]
  }
}

const cluster = await connectCluster({ ...process.env, E2E_KUBECONFIG: undefined })
const began = performance.now()
const say = (text: string) =>
  console.log(`${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s  ${text}`)

say(`Pushing ${EVERYWHERE.length + ONE_NODE.length} images of ${MEGABYTES} MB into the cluster's registry`)
const registry = cluster.openRegistry()
for (const image of [...EVERYWHERE, ...ONE_NODE]) {
  await pushImage(registry, image, { sizeBytes: MEGABYTES * 1_000_000 })
}

const manifest = {
  apiVersion: 'kubefledged.io/v1alpha2',
  kind: 'ImageCache',
  metadata: { name: 'demo', namespace: 'kube-fledged' },
  spec: {
    cacheSpec: [
      { images: EVERYWHERE.map(image => `${REGISTRY}/${image}`) },
      {
        images: ONE_NODE.map(image => `${REGISTRY}/${image}`),
        nodeSelector: { 'kubernetes.io/hostname': 'node-1' },
      },
    ],
  },
}
await cluster.kubectl(['-n', 'kube-fledged', 'delete', 'imagecache', 'demo', '--ignore-not-found'])
await cluster.apply(manifest)
say(
  `Created ImageCache kube-fledged/demo: ${EVERYWHERE.length} images for every node, ${ONE_NODE.length} for node-1`,
)
const ended = await follow()
console.log(
  `\n$ kubectl -n kube-fledged get imagecache demo\n${await cluster.kubectl(['-n', 'kube-fledged', 'get', 'imagecache', 'demo'])}`,
)

for (const node of await cluster.nodes()) {
  const images = [...(await cluster.runtimeImages(node))].filter(
    image => image.includes('/demo/') && !image.includes('@'),
  )
  console.log(
    `What the runtime of ${node} lists (ctr -n k8s.io images ls):\n  ${images.toSorted().join('\n  ')}`,
  )
}
console.log(`
Try next (the cluster stays up):
  make cluster-shell                                                  # a shell with kubectl for this cluster
    kubectl -n kube-fledged get imagecaches -w                        # watch it, in another shell
    kubectl -n kube-fledged edit imagecache demo                      # add an image, or one that does not exist
    kubectl -n kube-fledged annotate imagecache demo kubefledged.io/refresh-imagecache=
    kubectl get nodeimages -o yaml                                    # what each node must have, and has
  make cluster-up NODES=3                                             # a new node gets the images at once
  make cluster-down                                                   # leaves nothing behind`)
process.exitCode = ended === 'Succeeded' ? 0 : 1

/** Prints every change of the status until the action has ended. Returns the final status. */
async function follow(): Promise<string> {
  let shown = ''
  while (performance.now() - began < DEADLINE_MS) {
    const { status } = await cluster.kubectlJson<Cache>(['-n', 'kube-fledged', 'get', 'imagecache', 'demo'])
    const present = (status?.images ?? []).reduce((sum, image) => sum + image.present, 0)
    const desired = (status?.images ?? []).reduce((sum, image) => sum + image.desired, 0)
    const line = `${status?.status ?? '(no status yet)'}: ${present} of ${desired} images on nodes, ${status?.summary?.nodes ?? '0/0'} nodes warm`
    if (line !== shown) say(line)
    shown = line
    if (status?.status && status.status !== 'Processing') {
      say(status.message ?? '')
      return status.status
    }
    await new Promise(resolve => setTimeout(resolve, LOOK_MS))
  }
  say('Not done in time. See: kubectl -n kube-fledged logs deploy/kubefledged-controller')
  return 'Timeout'
}
