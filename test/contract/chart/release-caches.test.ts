import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { imageCacheOf } from '../../builders/image-cache.ts'
import { namespaceOf } from '../../builders/namespace.ts'
import { imageCacheCrd } from '../../../src/api/crd.ts'
import { binary } from '../../harness/binaries.ts'
import { ROOT } from '../../harness/cluster-env.ts'
import { run } from '../../harness/command.ts'
import { kubectl } from './cluster.ts'
import { NAMESPACE } from './helm.ts'
import { grantHook, hookKubeconfig } from './hook.ts'

/** Tests the hook of the chart that removes the finalizers of image caches after an uninstallation. */

const ACCOUNT = 'kube-fledged-release-caches'
const MAIN = join(ROOT, 'src/main.ts')
const PURGE = 'kubefledged.io/purge'
const OTHER = 'example.com/other'

async function runHook(): Promise<void> {
  await run([process.execPath, MAIN, 'release-caches', `--kubeconfig=${await hookKubeconfig(ACCOUNT)}`])
}

async function create(name: string, finalizers: readonly string[]): Promise<void> {
  const object = imageCacheOf(
    { name, namespace: NAMESPACE, finalizers },
    { cacheSpec: [{ images: ['a:1'] }], deletionPolicy: 'Purge' },
  )
  await kubectl(JSON.stringify(object), 'create', '-f', '-')
}

const state = (name: string) =>
  kubectl('', 'get', 'ic', name, '-n', NAMESPACE, '-o', 'jsonpath={.metadata.finalizers} {.spec}')

beforeAll(async () => {
  await kubectl(JSON.stringify(namespaceOf(NAMESPACE)), 'apply', '--server-side', '-f', '-')
  await grantHook(ACCOUNT)
})

describe('the hook that releases image caches', () => {
  it('does nothing when the kind does not exist', async () => {
    await kubectl('', 'delete', 'crd', imageCacheCrd.metadata.name, '--ignore-not-found')
    await runHook()
  })

  it('removes only its own finalizer, so that a waiting deletion ends', async () => {
    await kubectl(JSON.stringify(imageCacheCrd), 'apply', '--server-side', '--force-conflicts', '-f', '-')
    await kubectl('', 'wait', `crd/${imageCacheCrd.metadata.name}`, '--for=condition=Established')
    await create('purged', [PURGE])
    await create('others', [OTHER, PURGE])
    await create('retained', [])
    await create('deleted', [PURGE])
    await kubectl('', 'delete', 'ic', 'deleted', '-n', NAMESPACE, '--wait=false')
    const retained = await kubectl('', 'get', 'ic', 'retained', '-n', NAMESPACE, '-o', 'json')
    await runHook()
    const spec = '{"cacheSpec":[{"images":["a:1"]}],"deletionPolicy":"Purge"}'
    expect(await state('purged')).toBe(` ${spec}`)
    expect(await state('others')).toBe(`["${OTHER}"] ${spec}`)
    expect(await kubectl('', 'get', 'ic', 'retained', '-n', NAMESPACE, '-o', 'json')).toBe(retained)
    await expect(state('deleted')).rejects.toThrow('not found')
    await kubectl(
      '',
      'patch',
      'ic',
      'others',
      '-n',
      NAMESPACE,
      '--type=merge',
      '-p',
      '{"metadata":{"finalizers":null}}',
    )
  })

  it('has this right, and no right to create or delete', async () => {
    const kubeconfig = await hookKubeconfig(ACCOUNT)
    const may = (verb: string, resource: string) =>
      run([binary('kubectl'), '--kubeconfig', kubeconfig, 'auth', 'can-i', verb, resource, '-A']).then(
        () => true,
        () => false,
      )
    expect(await may('patch', 'imagecaches.kubefledged.io')).toBe(true)
    expect(await may('delete', 'imagecaches.kubefledged.io')).toBe(false)
    expect(await may('create', 'imagecaches.kubefledged.io')).toBe(false)
    expect(await may('list', 'secrets')).toBe(false)
  })
})
