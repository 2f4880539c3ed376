import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { imageCacheOf } from '../../builders/image-cache.ts'
import { namespaceOf } from '../../builders/namespace.ts'
import { imageCacheCrd } from '../../../src/api/crd.ts'
import { binary } from '../../harness/binaries.ts'
import { ROOT } from '../../harness/cluster-env.ts'
import { run } from '../../harness/command.ts'
import { sharedApiServer } from '../shared-api-server.ts'
import { NAMESPACE } from './helm.ts'
import { grantHook, hookKubeconfig } from './hook.ts'

/** Tests the hook of the chart with the rights that the chart grants. */

const DEFINITIONS = ['imagecaches.kubefledged.io', 'nodeimages.kubefledged.io'] as const
const ACCOUNT = 'kube-fledged-crds'
const MAIN = join(ROOT, 'src/main.ts')

function kubectl(args: readonly string[], input = ''): Promise<string> {
  return run([binary('kubectl'), '--kubeconfig', sharedApiServer().kubeconfig, ...args], { input })
}

function apply(object: object): Promise<string> {
  return kubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], JSON.stringify(object))
}

async function stateOf(
  name: string,
): Promise<typeof imageCacheCrd & { metadata: { resourceVersion: string } }> {
  return JSON.parse(await kubectl(['get', 'crd', name, '-o', 'json']))
}

async function runHook(): Promise<void> {
  await run([process.execPath, MAIN, 'crds', `--kubeconfig=${await hookKubeconfig(ACCOUNT)}`])
}

beforeAll(async () => {
  await apply(namespaceOf(NAMESPACE))
  await grantHook(ACCOUNT)
})

describe('the hook that writes the definitions', () => {
  it('creates missing definitions, and changes nothing the second time', async () => {
    await kubectl(['delete', 'crd', ...DEFINITIONS, '--ignore-not-found'])
    await runHook()
    const first = await Promise.all(DEFINITIONS.map(stateOf))
    expect(first[0]?.spec.versions).toEqual(imageCacheCrd.spec.versions)
    await runHook()
    const second = await Promise.all(DEFINITIONS.map(stateOf))
    expect(second.map(({ metadata }) => metadata.resourceVersion)).toEqual(
      first.map(({ metadata }) => metadata.resourceVersion),
    )
  })

  it('updates definitions of an older release, and keeps the objects', async () => {
    await kubectl(['delete', 'crd', DEFINITIONS[0]])
    const schema = {
      type: 'object',
      properties: {
        spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
        status: { type: 'object', properties: { left: { type: 'string' } } },
      },
    }
    const { group, scope, names } = imageCacheCrd.spec
    const versions = [{ name: 'v1alpha2', served: true, storage: true, schema: { openAPIV3Schema: schema } }]
    await apply({
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: DEFINITIONS[0], labels: { component: 'kubefledged-controller' } },
      spec: { group, scope, names, versions },
    })
    await kubectl(['wait', `crd/${DEFINITIONS[0]}`, '--for=condition=Established', '--timeout=30s'])
    await apply({ ...imageCacheOf({ name: 'kept', namespace: NAMESPACE }), status: { left: 'over' } })
    await runHook()
    const { metadata, spec } = await stateOf(DEFINITIONS[0])
    expect(spec.versions).toEqual(imageCacheCrd.spec.versions)
    expect(metadata.labels).toEqual({ component: 'kubefledged-controller', ...imageCacheCrd.metadata.labels })
    const images = await kubectl([
      'get',
      'ic',
      'kept',
      '-n',
      NAMESPACE,
      '-o',
      'jsonpath={.spec.cacheSpec[*].images[*]}',
    ])
    expect(images).toBe('a:1')
  })

  it('has rights for these two definitions, and no right to delete them', async () => {
    const kubeconfig = await hookKubeconfig(ACCOUNT)
    const as = (...args: string[]) => run([binary('kubectl'), '--kubeconfig', kubeconfig, ...args])
    await expect(as('get', 'crd', DEFINITIONS[0], '-o', 'name')).resolves.toContain(DEFINITIONS[0])
    await expect(as('delete', 'crd', DEFINITIONS[0])).rejects.toThrow('cannot delete')
    await expect(as('get', 'crd')).rejects.toThrow('cannot list')
    await expect(as('get', 'crd', 'others.example.com')).rejects.toThrow('cannot get')
    await expect(as('get', 'imagecaches', '-n', NAMESPACE)).rejects.toThrow('cannot list')
  })
})
