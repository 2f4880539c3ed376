import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { ROOT } from './chart-docs.ts'

/** What the scripts that install do with the words of their callers, by a kubectl that writes down what it gets. */

let folder = ''
let applied = ''

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'deploy-scripts-'))
  applied = join(folder, 'applied')
  const kubectl = join(folder, 'kubectl')
  await writeFile(
    kubectl,
    `#!/bin/bash
case "$*" in
  *apply*-f\\ -*) { echo ---; cat; } >>"${applied}" ;;
  *metadata.generation*|*observedGeneration*) echo 1 ;;
  *webhookServer.enable*) printf %s "$THERE" ;;
  "delete -f -"*) cat >/dev/null ;;
  *delete*) echo "$*" >>"${applied}" ;;
esac
`,
  )
  await chmod(kubectl, 0o755)
})

afterAll(() => rm(folder, { recursive: true }))

interface Ended {
  readonly code: number
  readonly stderr: string
}

async function script(path: string, argument: string, env: Record<string, string> = {}): Promise<Ended> {
  await writeFile(applied, '')
  return new Promise(resolve => {
    const environment = { PATH: process.env['PATH'] ?? '', HOME: folder, THERE: '', ...env }
    const child = execFile(
      join(ROOT, path),
      [argument],
      { env: { ...environment, KUBECTL: join(folder, 'kubectl') } },
      (_, _stdout, stderr) => resolve({ code: child.exitCode ?? 1, stderr }),
    )
  })
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
  it.each([...REPOSITORIES, 'RELEASE_VERSION'])('runs nothing that stands in %s', async name => {
    const mark = join(folder, 'pwned')
    const { code, stderr } = await script(path, argument, { [name]: `x|;e touch ${mark} #` })
    expect(stderr).toMatch(
      name === 'RELEASE_VERSION'
        ? /^RELEASE_VERSION=x\|;e touch .* is no tag such as v1\.2\.3\.\n$/
        : new RegExp(`^${name}=x\\|;e touch .* is no repository such as ghcr.io/.*\\.\n$`),
    )
    expect(code).not.toBe(0)
    expect(existsSync(mark)).toBe(false)
    expect(await readFile(applied, 'utf8')).toBe('')
  })
})

describe('hack/deploy/yaml.sh apply', () => {
  it.each([
    'registry.example.com:5000/me/kubefledged-controller',
    'localhost/c',
    'me/my__controller',
    '[2001:db8::1]:5000/a/b-c',
  ])('takes the repository %s', async repository => {
    const { code, stderr } = await script('hack/deploy/yaml.sh', 'apply', {
      CONTROLLER_IMAGE_REPO: repository,
      RELEASE_VERSION: 'v1.2.3_x-4',
    })
    expect(stderr).toBe('')
    expect(code).toBe(0)
    expect(await readFile(applied, 'utf8')).toContain(`image: ${repository}:v1.2.3_x-4\n`)
  })

  it.each(['a:1', 'a@sha256:b', 'a/B', 'https://a/b', 'a//b', 'a/', 'a b', 'a&b', 'a\nb'])(
    'refuses the repository %j',
    async repository => {
      const { stderr } = await script('hack/deploy/yaml.sh', 'apply', { CONTROLLER_IMAGE_REPO: repository })
      expect(stderr).toContain('is no repository such as')
    },
  )
})

describe('hack/deploy/operator.sh', () => {
  it.each([
    ['nothing is there', '', false],
    ['it is off', 'kube-fledged=false', false],
    ['make deploy-webhook-server-using-operator has switched it on', 'kube-fledged=true', true],
    ['an object of kube-fledged 0.11 says nothing of it', 'kube-fledged=', true],
  ])('apply: the webhook server where %s', async (_, there, enable) => {
    const { code, stderr } = await script('hack/deploy/operator.sh', 'apply', { THERE: there })
    expect(stderr).toBe('')
    expect(code).toBe(0)
    const objects = parseAllDocuments(await readFile(applied, 'utf8')).map(document => document.toJS())
    const object = objects.find(candidate => candidate?.kind === 'KubeFledged')
    expect(object.spec.webhookServer).toEqual({ enable })
  })

  it('remove takes the leases away, also where the namespaces stay', async () => {
    const namespaces = { KUBEFLEDGED_NAMESPACE: 'here', OPERATOR_NAMESPACE: 'there' }
    const { code, stderr } = await script('hack/deploy/operator.sh', 'remove', namespaces)
    expect(stderr).toBe('')
    expect(code).toBe(0)
    const deleted = await readFile(applied, 'utf8')
    expect(deleted).toContain('-n here delete lease kubefledged-controller --ignore-not-found\n')
    expect(deleted).toContain('-n there delete lease kubefledged-operator --ignore-not-found\n')
  })
})
