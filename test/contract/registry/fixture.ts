import { onTestFinished } from 'vitest'
import { RegistryClient, type RegistryClientOptions, RegistryError } from '../../../src/oci/registry/index.ts'
import { parseReference } from '../../../src/oci/reference.ts'
import { type Script, ScriptedServer } from './scripted-server.ts'

/** A client that may use plain HTTP for these loopback hosts. It is closed at the end of the test. */
export function clientFor(
  hosts: readonly string[],
  options: Partial<RegistryClientOptions> = {},
): RegistryClient {
  const client = new RegistryClient({
    userAgent: 'kube-fledged-test',
    insecureHosts: new Set(hosts),
    loopbackHosts: new Set(hosts),
    ...options,
  })
  onTestFinished(() => client.close())
  return client
}

/** A scripted server for the running test. */
export async function serve(script: Script, tls?: { key: string; cert: string }): Promise<ScriptedServer> {
  const server = await ScriptedServer.start(script, tls)
  onTestFinished(() => server.stop())
  return server
}

/** The RegistryError that the promise rejects with. */
export async function failureOf(promise: Promise<unknown>): Promise<RegistryError> {
  const outcome = await promise.then(
    value => ({ value }),
    (error: unknown) => ({ error }),
  )
  if ('error' in outcome && outcome.error instanceof RegistryError) return outcome.error
  throw new Error(`expected a RegistryError, got ${JSON.stringify(outcome)}`, {
    cause: 'error' in outcome ? outcome.error : undefined,
  })
}

/** The image `path` in the registry at `host`. */
export function image(host: string, path: string) {
  return parseReference(`${host}/${path}`)
}
