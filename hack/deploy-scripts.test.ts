import { existsSync } from 'node:fs'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { type ScriptOptions, runDeployScript } from '../test/harness/deploy-script.ts'
import { ROOT } from './chart-docs.ts'

/** What the scripts that install do with the words of their callers. */

const yaml = (argument: string, options?: ScriptOptions) =>
  runDeployScript(['hack/deploy/yaml.sh', argument], options)
const operator = (argument: string, options?: ScriptOptions) =>
  runDeployScript(['hack/deploy/operator.sh', argument], options)

/** Every namespace that manifests name, once. */
function namespacesIn(manifests: string): string[] {
  const found = manifests.matchAll(
    /^ +namespace: (\S+)|^kind: Namespace\nmetadata:\n {2}name: (\S+)|serviceaccount:([^:]+):/gm,
  )
  return [...new Set([...found].map(([, ...names]) => names.find(name => name !== undefined) ?? ''))]
}

const REPOSITORIES = [
  'CONTROLLER_IMAGE_REPO',
  'WEBHOOK_SERVER_IMAGE_REPO',
  'CRI_CLIENT_IMAGE_REPO',
  'OPERATOR_IMAGE_REPO',
  'BUSYBOX_IMAGE_REPO',
]
const SCRIPTS: readonly [path: string, argument: string][] = [
  ['hack/deploy/yaml.sh', 'apply'],
  ['hack/deploy/operator.sh', 'apply'],
  ['hack/images/build.sh', 'controller'],
]

describe.each(SCRIPTS)('%s %s', (path, argument) => {
  it.each([...REPOSITORIES, 'RELEASE_VERSION', 'FLEDGED_REPOSITORY'])(
    'runs nothing that stands in %s',
    async name => {
      const mark = join(tmpdir(), `pwned-${process.pid}-${name}`)
      const { code, stderr, applied } = await runDeployScript([path, argument], {
        env: { [name]: `x|;e touch ${mark} #` },
      })
      expect(stderr).toMatch(
        new RegExp(
          `^${name}=x\\|;e touch .* is not an? (tag|image with a tag|repository)\\b.* such as .*\\.\n$`,
        ),
      )
      expect(code).not.toBe(0)
      expect(existsSync(mark)).toBe(false)
      expect(applied).toBe('')
    },
  )
})

describe('hack/deploy/yaml.sh apply', () => {
  it.each([
    'registry.example.com:5000/me/kubefledged-controller',
    'localhost/c',
    'me/my__controller',
    '[2001:db8::1]:5000/a/b-c',
  ])('takes the repository %s', async repository => {
    const { code, stderr, applied } = await yaml('apply', {
      env: { CONTROLLER_IMAGE_REPO: repository, RELEASE_VERSION: 'v1.2.3_x-4' },
    })
    expect(stderr).toBe('')
    expect(code).toBe(0)
    expect(applied).toContain(`image: ${repository}:v1.2.3_x-4\n`)
  })

  it.each(['a:1', 'a@sha256:b', 'a/B', 'https://a/b', 'a//b', 'a/', 'a b', 'a&b', 'a\nb'])(
    'refuses the repository %j',
    async repository => {
      const { stderr } = await yaml('apply', { env: { CONTROLLER_IMAGE_REPO: repository } })
      expect(stderr).toContain('is not a repository such as')
    },
  )

  it('changes no image that nobody names', async () => {
    const manifest = await readFile(join(ROOT, 'deploy/kubefledged-deployment-controller.yaml'), 'utf8')
    expect((await yaml('apply')).applied).toContain(manifest)
  })

  it('takes the name of the controller’s image as the oldest kube-fledged had it', async () => {
    const image = 'registry.example.com:5000/me/fledged:mine'
    const { applied } = await yaml('apply', { env: { FLEDGED_REPOSITORY: image } })
    const manifest = await readFile(join(ROOT, 'deploy/kubefledged-deployment-controller.yaml'), 'utf8')
    expect(applied).toContain(manifest.replace(/image: .*/, `image: ${image}`))
  })

  it('ends where kubectl fails', async () => {
    const { code, stderr, calls } = await yaml('apply', { answers: { 'wait*': '!' } })
    expect(code).not.toBe(0)
    expect(stderr).toBe('refused\n')
    expect(calls.at(-1)).toMatch(/^wait /)
  })
})

const EVERY_ARGUMENT = ['apply', 'apply-webhook-server', 'update', 'remove-webhook-server', 'remove']

describe('the namespace of hack/deploy/yaml.sh', () => {
  /** A checkout without anything that npm installs, whose manifests somebody has edited. */
  async function checkout(edit: (text: string, file: string) => string): Promise<string> {
    const root = await mkdtemp(join(tmpdir(), 'checkout-'))
    onTestFinished(() => rm(root, { recursive: true }))
    for (const path of ['hack/deploy', 'hack/images', 'deploy', 'package.json']) {
      await cp(join(ROOT, path), join(root, path), { recursive: true })
    }
    const kinds = ['serviceaccount', 'clusterrolebinding', 'role', 'rolebinding', 'deployment']
    const files = ['controller', 'webhook-server'].flatMap(component =>
      kinds.map(kind => `kubefledged-${kind}-${component}.yaml`),
    )
    files.push(
      'kubefledged-service-webhook-server.yaml',
      'kubefledged-poddisruptionbudget-webhook-server.yaml',
    )
    for (const file of [...files, 'kubefledged-validatingwebhook.yaml', 'kubefledged-namespace.yaml']) {
      const path = join(root, 'deploy', file)
      await writeFile(path, edit(await readFile(path, 'utf8'), file))
    }
    return root
  }
  const field = (text: string) => text.replaceAll('namespace: kube-fledged', 'namespace: team-a')

  const expectOnly = async (namespace: string, argument: string, options: ScriptOptions) => {
    const { code, stderr, calls, applied, deleted } = await yaml(argument, options)
    expect(stderr).toBe('')
    expect(code).toBe(0)
    expect(namespacesIn(applied + deleted)).toEqual([namespace])
    const flags = calls.flatMap(
      call => /^-n (\S+)|metadata\.name=([a-z]+-[a-z]+) /.exec(call)?.slice(1) ?? [],
    )
    expect(new Set(flags.filter(name => name && !name.startsWith('kubefledged-')))).toEqual(
      new Set([namespace]),
    )
  }

  it.each(EVERY_ARGUMENT)('%s: is the one in the manifests', async argument => {
    await expectOnly('kube-fledged', argument, {})
    await expectOnly('team-a', argument, { root: await checkout(field) })
  })

  it.each(EVERY_ARGUMENT)('%s: is that of KUBEFLEDGED_NAMESPACE', async argument => {
    await expectOnly('team-b', argument, { env: { KUBEFLEDGED_NAMESPACE: 'team-b' } })
  })

  it('follows manifests that were edited everywhere', async () => {
    const root = await checkout(text => text.replaceAll('kube-fledged', 'team-a'))
    await expectOnly('team-a', 'apply', { root })
  })

  it.each([
    ['a field', (text: string, file: string) => (file.includes('deployment') ? field(text) : text)],
    ['the Namespace', (text: string) => text.replace('  name: kube-fledged', '  name: team-a')],
  ])('refuses manifests in which only %s was edited', async (_, edit) => {
    const { code, stderr, calls } = await yaml('apply', { root: await checkout(edit) })
    expect(code).not.toBe(0)
    expect(stderr).toMatch(/name several namespaces: kube-fledged team-a\. .*KUBEFLEDGED_NAMESPACE/)
    expect(calls).toEqual([])
  })

  it('refuses what is no name', async () => {
    const { stderr, calls } = await yaml('apply', { env: { KUBEFLEDGED_NAMESPACE: 'a|b' } })
    expect(stderr).toBe('a|b is not a valid name of a namespace.\n')
    expect(calls).toEqual([])
  })

  it.each(EVERY_ARGUMENT)('%s: leaves an installation in another namespace alone', async argument => {
    const { code, stderr, calls } = await yaml(argument, { answers: { '*clusterrolebindings*': 'team-a' } })
    expect(code).not.toBe(0)
    expect(stderr).toMatch(
      /is installed in the namespace team-a, not in kube-fledged\. .*: make \S+ KUBEFLEDGED_NAMESPACE=team-a\n$/,
    )
    expect(calls.filter(call => !call.startsWith('get '))).toEqual([])
  })

  it('is labelled only where the script makes it', async () => {
    const { applied } = await yaml('apply', {
      answers: { '"get namespace kube-fledged"*': 'namespace/kube-fledged' },
    })
    expect(applied).not.toContain('kind: Namespace')
  })
})

describe('hack/deploy/operator.sh', () => {
  it.each([
    ['nothing is there', '', false],
    ['it is off', 'kube-fledged=false', false],
    ['make deploy-webhook-server-using-operator has switched it on', 'kube-fledged=true', true],
    ['an object of kube-fledged 0.11 says nothing of it', 'kube-fledged=', true],
  ])('apply: the webhook server where %s', async (_, there, enable) => {
    const answers: Record<string, string> = there === '' ? {} : { '*webhookServer.enable*': there }
    const { code, stderr, applied } = await operator('apply', { answers })
    expect(stderr).toBe('')
    expect(code).toBe(0)
    const objects = parseAllDocuments(applied).map(document => document.toJS())
    const object = objects.find(candidate => candidate?.kind === 'KubeFledged')
    expect(object.spec.webhookServer).toEqual({ enable })
  })

  it('apply: the images that the caller names, and the others as they are', async () => {
    const env = { CONTROLLER_IMAGE_REPO: 'me/a', OPERATOR_IMAGE_REPO: 'me/b', RELEASE_VERSION: 'v9' }
    const { applied } = await operator('apply', { env })
    const objects = parseAllDocuments(applied).map(document => document.toJS())
    expect(objects.find(candidate => candidate?.kind === 'KubeFledged').spec.image).toMatchObject({
      kubefledgedControllerRepository: 'me/a',
      busyboxImageRepository: 'me/kubefledged-busybox',
      kubefledgedCRIClientRepository: 'ghcr.io/kubefledged/kubefledged-cri-client',
      tag: 'v9',
    })
    expect(applied).toContain('image: me/b:v9\n')
  })

  it('remove takes the leases away, also where the namespaces stay', async () => {
    const env = { KUBEFLEDGED_NAMESPACE: 'here', OPERATOR_NAMESPACE: 'there' }
    const { code, stderr, calls } = await operator('remove', { env })
    expect(stderr).toBe('')
    expect(code).toBe(0)
    expect(calls).toContain('-n here delete lease kubefledged-controller --ignore-not-found')
    expect(calls).toContain('-n there delete lease kubefledged-operator --ignore-not-found')
  })
})
