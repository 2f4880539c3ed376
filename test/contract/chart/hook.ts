import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { sharedApiServer } from '../shared-api-server.ts'
import { kubectl } from './cluster.ts'
import { NAMESPACE, render } from './helm.ts'

/** Runs a hook of the chart with the rights that the chart grants. */

/** Grants the service account of a hook its rights. */
export async function grantHook(account: string): Promise<void> {
  const manifests = (await render()).split(/^---$/m)
  const rights = manifests.filter(
    text =>
      text.includes(`  name: ${account}\n`) &&
      !text.includes('kind: Job\n') &&
      !text.includes('kind: Deployment\n'),
  )
  expect(rights).toHaveLength(3)
  await kubectl(rights.join('---\n'), 'apply', '--server-side', '-f', '-')
}

/** A kubeconfig file for the service account of a hook, for one test. */
export async function hookKubeconfig(account: string): Promise<string> {
  const { url, pki } = sharedApiServer()
  const token = (await kubectl('', 'create', 'token', account, '-n', NAMESPACE)).trim()
  const directory = await mkdtemp(join(tmpdir(), 'hook-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const file = join(directory, 'kubeconfig')
  await writeFile(
    file,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'c', cluster: { server: url, 'certificate-authority': join(pki, 'ca.crt') } }],
      users: [{ name: 'u', user: { token } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    }),
  )
  return file
}
