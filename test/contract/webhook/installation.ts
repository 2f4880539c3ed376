import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import type { ImageCache } from '../../../src/api/image-cache.ts'
import type { KubeObject } from '../../../src/api/object.ts'
import { KubeClient, loadConfig, type Resource, type ResourceDef } from '../../../src/kube/index.ts'
import { WEBHOOK_CONFIGURATIONS, type WebhookConfiguration } from '../../../src/programs/webhook/ca-bundle.ts'
import { type Secret, SECRETS } from '../../../src/programs/webhook/certificate/secret.ts'
import { ApiServer } from '../../harness/api-server.ts'
import { eventually } from '../../harness/eventually.ts'

const DEPLOY = join(import.meta.dirname, '../../../deploy')
/** Names in the manifests. */
export const NAMES = {
  namespace: 'kube-fledged',
  configuration: 'kubefledged-webhook-server',
  secret: 'kubefledged-webhook-server-keys',
  account: 'system:serviceaccount:kube-fledged:kubefledged-webhook-server',
  controller: 'system:serviceaccount:kube-fledged:kubefledged-controller',
} as const

/** Path of each kind in the manifests. Deployments and their parts have no meaning without a cluster. */
const RESOURCES: Readonly<Record<string, ResourceDef>> = {
  Namespace: { group: '', version: 'v1', plural: 'namespaces', kind: 'Namespace', namespaced: false },
  CustomResourceDefinition: {
    group: 'apiextensions.k8s.io',
    version: 'v1',
    plural: 'customresourcedefinitions',
    kind: 'CustomResourceDefinition',
    namespaced: false,
  },
  ...Object.fromEntries(
    (
      [
        ['ClusterRole', 'clusterroles', false],
        ['ClusterRoleBinding', 'clusterrolebindings', false],
        ['Role', 'roles', true],
        ['RoleBinding', 'rolebindings', true],
      ] as const
    ).map(([kind, plural, namespaced]) => [
      kind,
      { group: 'rbac.authorization.k8s.io', version: 'v1', plural, kind, namespaced },
    ]),
  ),
}

const IMAGE_CACHES: ResourceDef = {
  group: 'kubefledged.io',
  version: 'v1alpha2',
  plural: 'imagecaches',
  kind: 'ImageCache',
  namespaced: true,
}

/** An API server with our CRDs and the rights in the manifests. No program runs. */
export class Installation implements AsyncDisposable {
  readonly api: ApiServer
  readonly admin: KubeClient
  readonly caches: Resource<ImageCache>
  readonly secrets: Resource<Secret>
  readonly configurations: Resource<WebhookConfiguration>
  readonly #clients: KubeClient[]

  private constructor(api: ApiServer) {
    this.api = api
    this.admin = newClient(api.kubeconfig)
    this.#clients = [this.admin]
    this.caches = this.admin.resource<ImageCache>(IMAGE_CACHES)
    this.secrets = this.admin.resource<Secret>(SECRETS)
    this.configurations = this.admin.resource<WebhookConfiguration>(WEBHOOK_CONFIGURATIONS)
  }

  static async start(): Promise<Installation> {
    const installation = new Installation(await ApiServer.start())
    try {
      await installation.#install()
    } catch (error) {
      await installation[Symbol.asyncDispose]()
      throw error
    }
    return installation
  }

  /** A kubeconfig file of a user. A service account has its full user name. */
  async kubeconfigOf(user: string): Promise<string> {
    const { pki, kubeconfig } = this.api
    const name = user.replaceAll(':', '-')
    await pki.issue(name, `/CN=${user}`)
    const config: object = JSON.parse(await readFile(kubeconfig, 'utf8'))
    const credential = {
      'client-certificate': pki.path(`${name}.crt`),
      'client-key': pki.path(`${name}.key`),
    }
    // the context of the administrator, with the user's certificate
    const text = JSON.stringify({ ...config, users: [{ name: 'admin', user: credential }] })
    const path = pki.path(`${name}.kubeconfig`)
    await writeFile(path, text, { mode: 0o600 })
    return path
  }

  /** A client of this user. */
  async clientOf(user: string): Promise<KubeClient> {
    const client = newClient(await this.kubeconfigOf(user))
    this.#clients.push(client)
    return client
  }

  /** ImageCaches, with the rights of this user. */
  async cachesOf(user: string): Promise<Resource<ImageCache>> {
    return (await this.clientOf(user)).resource<ImageCache>(IMAGE_CACHES)
  }

  /**
   * Applies the webhook configuration of the manifests with a URL in place of the Service, and so without CA
   * bundle.
   */
  async configure(port: number): Promise<void> {
    const [manifest] = await objectsOf<WebhookConfiguration>('kubefledged-validatingwebhook.yaml')
    if (!manifest) throw new TypeError('the manifest is empty')
    const url = `https://127.0.0.1:${port}/validate-image-cache`
    const webhooks = manifest.webhooks?.map(webhook => withUrl(webhook, url)) ?? []
    await this.configurations.create({ ...manifest, webhooks })
  }

  /** Removes the objects of `configure`, and all caches. */
  async clear(): Promise<void> {
    for (const { metadata } of (await this.configurations.list()).items) {
      await this.configurations.delete(metadata)
    }
    for (const { metadata } of (await this.caches.list()).items) await this.caches.delete(metadata)
  }

  /** The CA bundle of the API server's configuration, in PEM. Empty when there is none. */
  async bundle(): Promise<string> {
    const { webhooks = [] } = await this.configurations.get({ name: NAMES.configuration })
    return Buffer.from(webhooks[0]?.clientConfig.caBundle ?? '', 'base64').toString('utf8')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.close()
    await this.api.stop()
  }

  async #install(): Promise<void> {
    const files = (await readdir(DEPLOY)).filter(file => /-(crd|namespace|(cluster)?role)/.test(file))
    for (const object of (await Promise.all(files.map(file => objectsOf(file)))).flat().toSorted(byKind)) {
      const def = RESOURCES[object.kind ?? '']
      if (!def) throw new TypeError(`where does ${object.kind} go?`)
      await this.admin.resource(def).create(object)
    }
    await eventually('ImageCaches to be served', async () => {
      await this.caches.list()
      return true
    })
  }
}

function withUrl(webhook: object & { readonly name: string }, url: string) {
  const clientConfig: { readonly url: string; readonly caBundle?: string } = { url }
  return { ...webhook, clientConfig }
}

/** Namespaces first. */
function byKind(a: KubeObject, b: KubeObject): number {
  return Number(b.kind === 'Namespace') - Number(a.kind === 'Namespace')
}

async function objectsOf<T extends KubeObject = KubeObject>(file: string): Promise<T[]> {
  const text = await readFile(join(DEPLOY, file), 'utf8')
  return parseAllDocuments(text).flatMap(document => (document.contents ? [document.toJS() as T] : []))
}

function newClient(kubeconfig: string): KubeClient {
  return new KubeClient(loadConfig({ kubeconfig }), { qps: 1000, burst: 1000 })
}
