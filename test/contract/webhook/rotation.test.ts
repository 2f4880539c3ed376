import { X509Certificate } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { silentLogger } from '../../../src/kube/index.ts'
import { certificatesOf } from '../../../src/programs/webhook/certificate/material.ts'
import type { Lifetimes } from '../../../src/programs/webhook/certificate/rotation.ts'
import { CertificateSecret } from '../../../src/programs/webhook/certificate/secret.ts'
import { IssuedCertificates } from '../../../src/programs/webhook/certificate/issued-certificates.ts'
import { eventually } from '../../harness/eventually.ts'
import { Questions, startServer } from './in-process.ts'
import { Installation, NAMES } from './installation.ts'

let installation: Installation
let kubeconfig: string
beforeAll(async () => {
  installation = await Installation.start()
  kubeconfig = await installation.kubeconfigOf(NAMES.account)
})
afterAll(() => installation[Symbol.asyncDispose]())

/** As with the real values, a third of a serving certificate's lifetime is longer than the trust delay. */
const SHORT: Lifetimes = { authorityMs: 36_000, servingMs: 18_000, trustDelayMs: 2_000, skewMs: 1_000 }
const SECRET = { name: NAMES.secret, namespace: NAMES.namespace }

it('certificates and authorities are replaced under load, on two servers, and no request fails', async () => {
  const shown = [new Set<string>(), new Set<string>()] as const
  const servers = await Promise.all(
    shown.map(serials =>
      startServer(
        kubeconfig,
        (client, use) =>
          new IssuedCertificates({
            secret: new CertificateSecret(client, SECRET),
            names: { dns: ['localhost'], ip: ['127.0.0.1'] },
            use: serving => {
              use(serving)
              serials.add(new X509Certificate(serving.certificate).serialNumber)
            },
            log: silentLogger,
            lifetimes: SHORT,
          }),
        { secret: SECRET },
      ),
    ),
  )
  const questions = await Questions.start(installation, servers)
  const authorities = new Set<string>()
  await eventually(
    'three authorities',
    async () => {
      for (const { serialNumber } of certificatesOf(await questions.ask())) authorities.add(serialNumber)
      return authorities.size >= 3
    },
    { everyMs: 50, timeoutMs: 100_000 },
  )
  expect(questions.failures).toEqual([])
  expect(questions.asked).toBeGreaterThan(50)
  expect(shown[0]?.size).toBeGreaterThan(3)
  await eventually('both servers to show the same', async () => isDeepStrictEqual(...shown))
})
