import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ConfigError } from './cluster-config.ts'
import { inCluster, loadConfig } from './config.ts'

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'kubefledged-config-'))
})
afterAll(() => rmSync(directory, { recursive: true }))

let files = 0
/** Writes a file and returns its path. */
function file(text: string): string {
  const path = join(directory, `file-${files++}`)
  writeFileSync(path, text)
  return path
}

const base64 = (text: string) => Buffer.from(text).toString('base64')

const KUBECONFIG = `
apiVersion: v1
kind: Config
current-context: home
contexts:
- name: home
  context: {cluster: home, user: me, namespace: mine}
- name: away
  context: {cluster: away, user: robot}
- name: nobody
  context: {cluster: away}
- name: broken
  context: {cluster: missing, user: me}
- name: stranger
  context: {cluster: home, user: missing}
clusters:
- name: home
  cluster: {server: 'https://home:6443/', certificate-authority-data: ${base64('CA')}, tls-server-name: kubernetes}
- name: away
  cluster: {server: 'https://[::1]/clusters/c-1', insecure-skip-tls-verify: true}
users:
- name: me
  user: {client-certificate-data: ${base64('CERT')}, client-key-data: ${base64('KEY')}}
- name: robot
  user: {token: secret}
`

describe('a kubeconfig file', () => {
  it('gives the current context', async () => {
    const { credentials, ...config } = loadConfig({ kubeconfig: file(KUBECONFIG) })
    expect(config).toEqual({
      server: 'https://home:6443',
      ca: 'CA',
      tlsServerName: 'kubernetes',
      namespace: 'mine',
    })
    expect(await credentials.get()).toEqual({ cert: 'CERT', key: 'KEY' })
  })

  it('gives the context that is named', async () => {
    const { credentials, ...config } = loadConfig({ kubeconfig: file(KUBECONFIG), context: 'away' })
    expect(config).toEqual({ server: 'https://[::1]/clusters/c-1', insecureSkipTlsVerify: true })
    expect(await credentials.get()).toEqual({ token: 'secret' })
  })

  it('may name no user', async () => {
    const config = loadConfig({ kubeconfig: file(KUBECONFIG), context: 'nobody' })
    expect(await config.credentials.get()).toEqual({})
  })

  it('is overridden by the server of master', () => {
    expect(loadConfig({ kubeconfig: file(KUBECONFIG), master: 'https://other' }).server).toBe('https://other')
  })

  it('resolves paths relative to itself', async () => {
    mkdirSync(join(directory, 'pki'))
    for (const name of ['ca.crt', 'me.crt', 'me.key', 'token'])
      writeFileSync(join(directory, 'pki', name), name)
    const path = file(`
contexts: [{name: x, context: {cluster: x, user: x}}]
current-context: x
clusters: [{name: x, cluster: {server: 'https://x', certificate-authority: pki/ca.crt}}]
users: [{name: x, user: {client-certificate: pki/me.crt, client-key: ./pki/me.key, tokenFile: pki/token}}]
`)
    const config = loadConfig({ kubeconfig: path })
    expect(config.ca).toBe('ca.crt')
    expect(await config.credentials.get()).toEqual({ cert: 'me.crt', key: 'me.key', token: 'token' })
  })

  const one = (user: string, cluster = "{server: 'https://x'}") => `
contexts: [{name: x, context: {cluster: x, user: x}}]
current-context: x
clusters: [{name: x, cluster: ${cluster}}]
users: [{name: x, user: ${user}}]
`

  it.each([
    [
      'an unknown context',
      KUBECONFIG,
      'other',
      'no context "other" (there is: home, away, nobody, broken, stranger)',
    ],
    ['an unknown cluster', KUBECONFIG, 'broken', 'cluster "missing"'],
    ['an unknown user', KUBECONFIG, 'stranger', 'user "missing"'],
    ['no current context', 'contexts: []', undefined, 'no current-context'],
    ['something else', 'just: yaml', undefined, 'not a kubeconfig file'],
    ['no YAML', 'a: [', undefined, 'is not YAML'],
    [
      'a server that is no URL',
      one('{}', '{server: nonsense}'),
      undefined,
      'not the address of an API server: nonsense',
    ],
    [
      'a missing CA',
      one('{}', "{server: 'https://x', certificate-authority: none.crt}"),
      undefined,
      'none.crt',
    ],
    ['half a certificate', one('{client-certificate-data: eA==}'), undefined, 'needs both'],
    ['an auth-provider', one('{auth-provider: {name: gcp}}'), undefined, 'use an exec plugin'],
    ['a password', one('{username: a, password: b}'), undefined, 'username and password'],
    [
      'an exec plugin without command',
      one('{exec: {apiVersion: client.authentication.k8s.io/v1}}'),
      undefined,
      'no command',
    ],
    [
      'an exec plugin of old',
      one('{exec: {command: x, apiVersion: client.authentication.k8s.io/v1alpha1}}'),
      undefined,
      'v1alpha1',
    ],
    [
      'an exec plugin that asks',
      one('{exec: {command: x, apiVersion: client.authentication.k8s.io/v1, interactiveMode: Always}}'),
      undefined,
      'always asks a person',
    ],
  ])('with %s is refused with the reason', (_, text, context, words) => {
    const load = () => loadConfig({ kubeconfig: file(text), context })
    expect(load).toThrow(ConfigError)
    expect(load).toThrow(words)
  })

  it('is named in the error when it is missing', () => {
    const path = join(directory, 'missing')
    expect(() => loadConfig({ kubeconfig: path })).toThrow(`cannot read the kubeconfig file ${path}`)
  })
})

describe('master alone', () => {
  it.each([
    ['127.0.0.1:8001', 'http://127.0.0.1:8001'],
    ['https://api.example.com/', 'https://api.example.com'],
  ])('%s means %s without credentials', async (master, server) => {
    const config = loadConfig({ master })
    expect(config.server).toBe(server)
    expect(await config.credentials.get()).toEqual({})
  })

  it('must be an address', () => {
    expect(() => loadConfig({ master: 'https://' })).toThrow(ConfigError)
  })
})

describe('a Pod', () => {
  it('brackets the address of an IPv6 Service', () => {
    const pod = mkdtempSync(join(directory, 'pod-'))
    for (const name of ['ca.crt', 'token', 'namespace']) writeFileSync(join(pod, name), `${name}\n`)
    const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '6443' }
    expect(inCluster(env, pod)).toMatchObject({ server: 'https://[fd00::1]:6443', namespace: 'namespace' })
  })

  it('gets an error that explains missing credentials', () => {
    expect(() => inCluster({}, directory)).toThrow('not in a cluster')
    expect(() => inCluster({ KUBERNETES_SERVICE_HOST: '10.0.0.1' }, join(directory, 'none'))).toThrow(
      'automountServiceAccountToken',
    )
  })
})
