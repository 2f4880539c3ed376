import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:tls'
import { isDeepStrictEqual } from 'node:util'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { KubeClient, loadConfig, silentLogger } from '../../../src/kube/index.ts'
import { certificatesOf } from '../../../src/webhook/certificate/material.ts'
import type { Lifetimes } from '../../../src/webhook/certificate/rotation.ts'
import { CertificateSecret } from '../../../src/webhook/certificate/secret.ts'
import { SelfMadeCertificates } from '../../../src/webhook/certificate/self-made.ts'
import { AdmissionServer } from '../../../src/webhook/server.ts'
import { keepTrust } from '../../../src/webhook/trust.ts'
import { eventually } from '../../harness/eventually.ts'
import { Installation, NAMES } from './installation.ts'
import { ServiceFront } from './servers.ts'

let installation: Installation
let kubeconfig: string
beforeAll(async () => {
  installation = await Installation.start()
  kubeconfig = await installation.kubeconfigOf(NAMES.account)
})
afterAll(() => installation[Symbol.asyncDispose]())

/** As in earnest, the last third of a serving certificate is longer than an authority takes to settle. */
const SHORT: Lifetimes = { authorityMs: 36_000, servingMs: 18_000, settleMs: 2_000, skewMs: 1_000 }

/** A webhook server in this process, whose certificates last seconds; what it shows is put into `shown`. */
async function startServer(shown: Set<string>): Promise<AdmissionServer> {
  const client = new KubeClient(loadConfig({ kubeconfig }))
  const server = new AdmissionServer({ '/validate-image-cache': () => ({ allowed: true }) }, silentLogger)
  const { namespace, secret: name, configuration } = NAMES
  const source = new SelfMadeCertificates({
    secret: new CertificateSecret(client, { name, namespace }),
    names: { dns: ['localhost'], ip: ['127.0.0.1'] },
    use: serving => {
      server.use(serving)
      shown.add(new X509Certificate(serving.certificate).serialNumber)
    },
    log: silentLogger,
    lifetimes: SHORT,
  })
  const stop = new AbortController()
  const certified = Promise.withResolvers<void>()
  const cluster = { client, configuration, secret: { name, namespace } }
  const onCertificate = certified.resolve
  const keeping = keepTrust({ source, log: silentLogger, onCertificate, cluster }, stop.signal)
  onTestFinished(async () => {
    stop.abort()
    await keeping
    await server.close({ lingerMs: 0, deadlineMs: 1000 })
    client.close()
  })
  await certified.promise
  await server.listen(0)
  return server
}

/** A new connection to a server, by a client that trusts this bundle. Rejects where it does not come about. */
async function shakeHands(port: number, bundle: string): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port, ca: bundle })
  await once(socket, 'secureConnect')
  socket.destroy()
}

it('certificates and authorities are replaced under load, on two servers, and no request fails', async () => {
  const shown = [new Set<string>(), new Set<string>()] as const
  const servers = await Promise.all(shown.map(startServer))
  const front = await ServiceFront.start(...servers.map(({ port }) => port))
  onTestFinished(() => front[Symbol.asyncDispose]())
  await installation.configure(front.port)

  const authorities = new Set<string>()
  const failures: string[] = []
  let asked = 0
  const ask = async () => {
    const cache = {
      metadata: { name: 'c', namespace: 'default' },
      spec: { cacheSpec: [{ images: ['a:1'] }] },
    }
    await installation.caches.create(cache, { dryRun: true }).then(
      () => (asked += 1),
      (error: unknown) => failures.push(error instanceof Error ? error.message : String(error)),
    )
  }
  await eventually('the API server to trust the servers', async () => {
    await ask()
    return asked > 0
  })
  failures.splice(0)
  await eventually(
    'three authorities',
    async () => {
      await ask()
      const bundle = await installation.bundle()
      for (const { serialNumber } of certificatesOf(bundle)) authorities.add(serialNumber)
      // API servers keep their connections; a new one to each server must come about at any time, too
      for (const { port } of servers) {
        await shakeHands(port, bundle).catch((error: unknown) => failures.push(String(error)))
      }
      return authorities.size >= 3
    },
    { everyMs: 50, timeoutMs: 100_000 },
  )
  expect(failures).toEqual([])
  expect(asked).toBeGreaterThan(50)
  expect(shown[0]?.size).toBeGreaterThan(3)
  await eventually('both servers to show the same', async () => isDeepStrictEqual(...shown))
})
