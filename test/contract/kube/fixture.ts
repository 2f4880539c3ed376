import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { KubeObject } from '../../../src/api/object.ts'
import {
  Informer,
  type InformerOptions,
  isKubeError,
  KubeClient,
  type KubeClientOptions,
  KubeError,
  type KubeErrorCode,
  type Logger,
  loadConfig,
  type Resource,
  type ResourceDef,
} from '../../../src/kube/index.ts'
import { ApiFront } from '../../harness/api-front.ts'
import { sharedApiServer } from '../shared-api-server.ts'

export interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>
}

export interface Node extends KubeObject {
  readonly spec?: { readonly podCIDR?: string; readonly unschedulable?: boolean }
  readonly status?: {
    readonly conditions?: readonly object[]
    readonly capacity?: Readonly<Record<string, string>>
  }
}

export const CONFIG_MAPS: ResourceDef = core('configmaps', 'ConfigMap')
export const NODES: ResourceDef = { ...core('nodes', 'Node'), namespaced: false }
const NAMESPACES: ResourceDef = { ...core('namespaces', 'Namespace'), namespaced: false }

function core(plural: string, kind: string): ResourceDef {
  return { group: '', version: 'v1', plural, kind, namespaced: true }
}

/** A unique name. */
export function uniqueName(prefix = 'test'): string {
  return `${prefix}-${randomBytes(4).toString('hex')}`
}

/** A client of the shared API server, or of another one. It is closed at the end of the test. */
export function connect(
  options: KubeClientOptions & { kubeconfig?: string; server?: string } = {},
): KubeClient {
  const config = loadConfig({ kubeconfig: options.kubeconfig ?? sharedApiServer().kubeconfig })
  const client = new KubeClient(
    { ...config, server: options.server ?? config.server },
    { qps: 1000, burst: 1000, ...options },
  )
  onTestFinished(() => client.close())
  return client
}

/** A new namespace for the test, and its ConfigMaps. */
export async function newNamespace(
  client: KubeClient,
): Promise<{ namespace: string; configMaps: Resource<ConfigMap> }> {
  const namespace = uniqueName()
  await client.resource(NAMESPACES).create({ metadata: { name: namespace } })
  return { namespace, configMaps: client.resource<ConfigMap>(CONFIG_MAPS) }
}

/** Runs an informer until the end of the test. */
export function runInformer<T extends KubeObject>(
  resource: Resource<T>,
  options: InformerOptions<T> = {},
): { informer: Informer<T>; stop: () => Promise<void> } {
  const informer = new Informer<T>(resource, options)
  const controller = new AbortController()
  const run = informer.run(controller.signal)
  const stop = () => {
    controller.abort()
    return run
  }
  onTestFinished(stop)
  return { informer, stop }
}

/** Changes of an informer as text: `added a=1`. */
export function changesOf(informer: Informer<ConfigMap>): string[] {
  const changes: string[] = []
  informer.subscribe(({ type, object }) => {
    changes.push(`${type} ${object.metadata.name}=${object.data?.['value'] ?? ''}`)
  })
  return changes
}

/** A ConfigMap with one value. */
export function configMap(namespace: string, name: string, value = ''): ConfigMap {
  return { metadata: { namespace, name }, data: { value } }
}

/** Name and UID of each object, in order. */
export function identities(objects: Iterable<KubeObject>): string[] {
  return [...objects]
    .map(({ metadata }) => `${metadata.name} ${metadata.uid} ${metadata.resourceVersion}`)
    .sort()
}

/** The error that a promise rejects with. Fails unless it is a KubeError. */
export async function kubeErrorOf(promise: Promise<unknown>): Promise<KubeError> {
  try {
    await promise
  } catch (error) {
    if (isKubeError(error)) return error
    throw error
  }
  throw new Error('the request succeeded')
}

/** The code of that error. */
export async function codeOf(promise: Promise<unknown>): Promise<KubeErrorCode> {
  return (await kubeErrorOf(promise)).code
}

/** A logger that keeps its entries. */
export function newLog(): { log: Logger; lines: string[] } {
  const lines: string[] = []
  const keep = (fields: object, message: string) => {
    lines.push(
      `${message} ${JSON.stringify(fields, (_, value) => (value instanceof Error ? value.message : value))}`,
    )
  }
  return { log: { debug: keep, info: keep, warn: keep, error: keep }, lines }
}

/** A front of the shared API server. It is closed at the end of the test. */
export async function startFront(): Promise<ApiFront> {
  const { url, pki } = sharedApiServer()
  const front = await ApiFront.start({
    server: url,
    ca: join(pki, 'ca.crt'),
    cert: join(pki, 'admin.crt'),
    key: join(pki, 'admin.key'),
    serverCert: join(pki, 'apiserver.crt'),
    serverKey: join(pki, 'apiserver.key'),
  })
  onTestFinished(() => front[Symbol.asyncDispose]())
  return front
}
