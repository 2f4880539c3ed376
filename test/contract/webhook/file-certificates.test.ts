import { X509Certificate } from 'node:crypto'
import { mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it, onTestFinished } from 'vitest'
import { silentLogger } from '../../../src/kube/index.ts'
import { CaBundle } from '../../../src/programs/webhook/ca-bundle.ts'
import { FileCertificates } from '../../../src/programs/webhook/certificate/file-certificates.ts'
import {
  issueAuthority,
  issueServing,
  type KeyPair,
} from '../../../src/programs/webhook/certificate/issue.ts'
import { certificatesOf } from '../../../src/programs/webhook/certificate/material.ts'
import { CertificateSecret } from '../../../src/programs/webhook/certificate/secret.ts'
import { IssuedCertificates } from '../../../src/programs/webhook/certificate/issued-certificates.ts'
import { eventually } from '../../harness/eventually.ts'
import { Questions, type SourceOf, startServer } from './in-process.ts'
import { Installation, NAMES } from './installation.ts'

/**
 * Tests certificates of others, like those of cert-manager: each renewal of a self-signed certificate is a
 * new authority.
 */

let installation: Installation
let kubeconfig: string
let folder: string
beforeAll(async () => {
  installation = await Installation.start()
  kubeconfig = await installation.kubeconfigOf(NAMES.account)
  folder = await mkdtemp(join(tmpdir(), 'given-'))
})
afterAll(async () => {
  await installation[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})
afterEach(() => installation.clear())

const CHECK_INTERVAL_MS = 250
const GRACE_MS = 4_000
const HOSTS = { dns: ['localhost'], ip: ['127.0.0.1'] }
const SECRET = { name: NAMES.secret, namespace: NAMES.namespace }

const hour = () => ({ notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) })
const serialOf = ({ certificate }: KeyPair) => new X509Certificate(certificate).serialNumber
const serialsIn = (bundle: string) => certificatesOf(bundle).map(({ serialNumber }) => serialNumber)

/** A directory that a kubelet manages: the content of a Secret is replaced atomically. */
async function mount(name: string, authority: KeyPair): Promise<string> {
  const serving = await issueServing(authority, HOSTS, hour())
  const path = join(folder, name)
  const content = await mkdtemp(join(folder, 'content-'))
  await writeFile(join(content, 'tls.crt'), serving.certificate)
  await writeFile(join(content, 'tls.key'), serving.key)
  await writeFile(join(content, 'ca.crt'), authority.certificate)
  await symlink(content, `${path}.new`)
  await rename(`${path}.new`, path)
  return path
}

const given =
  (path: string): SourceOf =>
  (_client, use) => {
    const files = { certificate: join(path, 'tls.crt'), key: join(path, 'tls.key') }
    return new FileCertificates(files, use, silentLogger, CHECK_INTERVAL_MS)
  }

const selfMade: SourceOf = (client, use) =>
  new IssuedCertificates({
    secret: new CertificateSecret(client, SECRET),
    names: HOSTS,
    use,
    log: silentLogger,
  })

/** Number of writes of the configuration. */
async function writes(): Promise<number> {
  return (await installation.configurations.get({ name: NAMES.configuration })).metadata.generation ?? 0
}

/** Sends requests continuously for this time. */
async function askFor(questions: Questions, ms: number): Promise<void> {
  for (const end = Date.now() + ms; Date.now() < end; ) await questions.ask()
}

async function askUntilBundleIs(questions: Questions, serials: readonly string[]): Promise<void> {
  const wanted = [...serials].sort().join()
  await eventually(
    'the bundle to be right',
    async () =>
      serialsIn(await questions.ask())
        .sort()
        .join() === wanted,
    { everyMs: 10 },
  )
}

it('a renewal under a new authority reaches one server before the other, and no request fails', async () => {
  const [old, renewed] = [await issueAuthority(hour()), await issueAuthority(hour())]
  const servers = await Promise.all(
    ['a', 'b'].map(async name =>
      startServer(kubeconfig, given(await mount(name, old)), { graceMs: GRACE_MS }),
    ),
  )
  const questions = await Questions.start(installation, servers)
  expect(serialsIn(await installation.bundle())).toEqual([serialOf(old)])
  const before = await writes()

  await mount('a', renewed)
  await askUntilBundleIs(questions, [old, renewed].map(serialOf))
  await askFor(questions, 2_000)
  await mount('b', renewed)
  await askUntilBundleIs(questions, [serialOf(renewed)])
  await askFor(questions, 1_000)

  expect(questions.failures).toEqual([])
  // adding the new authority, removing the old one
  expect((await writes()) - before).toBe(2)
})

it('servers with different authorities are both trusted, and do not write continuously', async () => {
  const [one, other] = [await issueAuthority(hour()), await issueAuthority(hour())]
  const servers = [
    await startServer(kubeconfig, given(await mount('one', one)), { graceMs: GRACE_MS }),
    await startServer(kubeconfig, given(await mount('other', other)), { graceMs: GRACE_MS }),
  ]
  const questions = await Questions.start(installation, servers)
  await askUntilBundleIs(questions, [one, other].map(serialOf))
  const before = await writes()
  await askFor(questions, GRACE_MS / 2)
  expect(questions.failures).toEqual([])
  await askFor(questions, 2 * GRACE_MS)
  expect((await writes()) - before).toBeLessThanOrEqual(8)
})

it('a server with certificate files and one that issues its own are both trusted', async () => {
  onTestFinished(() => installation.secrets.delete(SECRET).then(() => {}))
  const authority = await issueAuthority(hour())
  const servers = [
    await startServer(kubeconfig, selfMade, { graceMs: GRACE_MS, secret: SECRET }),
    await startServer(kubeconfig, given(await mount('beside', authority)), { graceMs: GRACE_MS }),
  ]
  const questions = await Questions.start(installation, servers)
  await eventually('both authorities in the bundle', async () => {
    return certificatesOf(await questions.ask()).length === 2
  })
  const before = await writes()
  questions.failures.splice(0)
  await askFor(questions, GRACE_MS / 2)
  expect(questions.failures).toEqual([])
  expect(await writes()).toBe(before)
})

it('a bundle without a certificate is ignored and logged', async () => {
  const server = await startServer(kubeconfig, given(await mount('good', await issueAuthority(hour()))))
  await Questions.start(installation, [server])
  const before = await installation.bundle()
  const warnings: string[] = []
  const log = { ...silentLogger, warn: (_: object, message: string) => void warnings.push(message) }
  const bundle = new CaBundle(installation.admin, NAMES.configuration, log)
  await bundle.repair('what somebody took for a certificate', AbortSignal.timeout(10_000))
  expect(await installation.bundle()).toBe(before)
  expect(warnings).toEqual(['the CA bundle that was given has no certificate: left as it is'])
})
