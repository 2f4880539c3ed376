import { createSign } from 'node:crypto'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { KubeObject } from '../../../src/api/object.ts'
import { inCluster } from '../../../src/kube/config.ts'
import { TokenFile } from '../../../src/kube/credentials.ts'
import { KubeClient, loadConfig } from '../../../src/kube/index.ts'
import { sharedApiServer } from '../shared-api-server.ts'
import { codeOf, connect, newNamespace } from './fixture.ts'

const ISSUER = 'https://kubernetes.default.svc.cluster.local'

/** The API server rejects a token only a minute after its expiry. */
const LEEWAY_SECONDS = 60

interface ServiceAccountToken {
  readonly namespace: string
  readonly name: string
  readonly uid: string
}

async function newServiceAccount(): Promise<ServiceAccountToken> {
  const client = connect()
  const { namespace } = await newNamespace(client)
  const accounts = client.resource<KubeObject>({
    group: '',
    version: 'v1',
    plural: 'serviceaccounts',
    kind: 'ServiceAccount',
    namespaced: true,
  })
  const { metadata } = await accounts.create({ metadata: { namespace, name: 'agent' } })
  return { namespace, name: 'agent', uid: metadata.uid ?? '' }
}

/** Signs a token like the API server, with a given lifetime. */
async function tokenFor(account: ServiceAccountToken, expiresInSeconds: number): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  const { namespace, name, uid } = account
  const claims = {
    iss: ISSUER,
    aud: [ISSUER],
    sub: `system:serviceaccount:${namespace}:${name}`,
    iat: now - 3600,
    nbf: now - 3600,
    exp: now + expiresInSeconds,
    'kubernetes.io': { namespace, serviceaccount: { name, uid } },
  }
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const text = `${encode({ alg: 'RS256' })}.${encode(claims)}`
  const key = await readFile(join(sharedApiServer().pki, 'sa.key'))
  return `${text}.${createSign('RSA-SHA256').update(text).sign(key, 'base64url')}`
}

/** The user of this client, from the API server. */
async function whoAmI(client: KubeClient): Promise<string> {
  const review = await client.request<{ status: { userInfo: { username: string } } }>({
    verb: 'create',
    path: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
  })
  return review.status.userInfo.username
}

async function newDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'kubefledged-credentials-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  return directory
}

function clientWith(credentials: ConstructorParameters<typeof KubeClient>[0]['credentials']): KubeClient {
  const config = loadConfig({ kubeconfig: sharedApiServer().kubeconfig })
  const client = new KubeClient({ ...config, credentials })
  onTestFinished(() => client.close())
  return client
}

describe('a token file', () => {
  it('is read again at once when its token has expired, also for a creation', async () => {
    const account = await newServiceAccount()
    const path = join(await newDirectory(), 'token')
    const client = clientWith(new TokenFile(path))
    const user = `system:serviceaccount:${account.namespace}:agent`
    await writeFile(path, await tokenFor(account, 600))
    expect(await whoAmI(client)).toBe(user)

    await writeFile(path, await tokenFor(account, -LEEWAY_SECONDS - 60))
    const expired = new TokenFile(path)
    await expired.get()
    const late = clientWith(expired)
    await writeFile(path, `${await tokenFor(account, 600)}\n`)
    expect((await expired.get()).token, 'the token in memory is still the expired one').not.toBe(
      (await readFile(path, 'utf8')).trim(),
    )
    expect(await whoAmI(late)).toBe(user)
    expect(late.requestCount.create).toBe(2)
  })

  it('with an expired token leads to Unauthorized until it is replaced', async () => {
    const account = await newServiceAccount()
    const path = join(await newDirectory(), 'token')
    await writeFile(path, await tokenFor(account, -LEEWAY_SECONDS - 60))
    const client = clientWith(new TokenFile(path))
    expect(await codeOf(whoAmI(client))).toBe('Unauthorized')
    expect(client.requestCount.create).toBe(2)
    await writeFile(path, await tokenFor(account, 600))
    expect(await whoAmI(client)).toBe(`system:serviceaccount:${account.namespace}:agent`)
  })
})

describe('a Pod', () => {
  it('finds its API server, its token and its namespace', async () => {
    const account = await newServiceAccount()
    const { url, pki } = sharedApiServer()
    const directory = await newDirectory()
    await writeFile(join(directory, 'ca.crt'), await readFile(join(pki, 'ca.crt')))
    await writeFile(join(directory, 'token'), await tokenFor(account, 600))
    await writeFile(join(directory, 'namespace'), account.namespace)
    const { hostname, port } = new URL(url)
    const config = inCluster({ KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port }, directory)
    expect(config.namespace).toBe(account.namespace)
    const client = new KubeClient(config)
    onTestFinished(() => client.close())
    expect(await whoAmI(client)).toBe(`system:serviceaccount:${account.namespace}:agent`)
  })
})

describe('a kubeconfig file', () => {
  it('authenticates by client certificate', async () => {
    expect(await whoAmI(connect())).toBe('admin')
  })

  it('authenticates by an exec plugin, which is run once for many requests and again after a 401', async () => {
    const account = await newServiceAccount()
    const directory = await newDirectory()
    const { url, pki } = sharedApiServer()
    const runs = join(directory, 'runs')
    await writeFile(
      join(directory, 'plugin'),
      `#!/bin/sh\necho "$KUBERNETES_EXEC_INFO $1 $SETTING" >> "${runs}"\ncat "${directory}/credential.json"\n`,
    )
    await chmod(join(directory, 'plugin'), 0o755)
    const give = async (expiresInSeconds: number) =>
      writeFile(
        join(directory, 'credential.json'),
        JSON.stringify({
          apiVersion: 'client.authentication.k8s.io/v1',
          kind: 'ExecCredential',
          status: { token: await tokenFor(account, expiresInSeconds) },
        }),
      )
    const kubeconfig = join(directory, 'config')
    await writeFile(
      kubeconfig,
      JSON.stringify({
        clusters: [{ name: 'c', cluster: { server: url, 'certificate-authority': join(pki, 'ca.crt') } }],
        users: [
          {
            name: 'u',
            user: {
              exec: {
                apiVersion: 'client.authentication.k8s.io/v1',
                command: './plugin',
                args: ['argument $(not run)'],
                env: [{ name: 'SETTING', value: 'setting' }],
                provideClusterInfo: true,
              },
            },
          },
        ],
        contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
        'current-context': 'x',
      }),
    )
    const client = connect({ kubeconfig })
    const user = `system:serviceaccount:${account.namespace}:agent`
    await give(-LEEWAY_SECONDS - 60)
    expect(await codeOf(whoAmI(client))).toBe('Unauthorized')
    await give(600)
    // All requests are refused with the old token. The plugin runs only once more.
    expect(await Promise.all(Array.from({ length: 10 }, () => whoAmI(client)))).toEqual(Array(10).fill(user))
    expect(await whoAmI(client)).toBe(user)
    const lines = (await readFile(runs, 'utf8')).trim().split('\n')
    expect(lines).toHaveLength(3)
    expect(lines[0]).toContain(url)
    expect(lines[0]).toMatch(/argument \$\(not run\) setting$/)
  })
})
