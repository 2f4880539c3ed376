import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../../harness/eventually.ts'
import { ServerProcess } from '../../harness/process.ts'
import { RegistryClient } from '../../harness/registry.ts'

/** A user of the registry, and the htpasswd line for it. */
export const PULLER = { username: 'puller', password: 's3cret' }
const HTPASSWD = 'puller:$2y$05$JRFXGeDRtYnYDXYOdl1iyeH52sK1DN2ZhEJsW1GDDRztOus/w8DOu\n'

/** Authentication of the registry. */
export type RegistryAuth =
  | { readonly kind: 'none' }
  /** Basic authentication of {@link PULLER}. */
  | { readonly kind: 'htpasswd' }
  /** Bearer tokens of `issuer`, signed by a certificate in the file. */
  | { readonly kind: 'token'; readonly realm: string; readonly issuer: string; readonly certificates: string }

/** The registry of the distribution project on a loopback port, with its own directory. */
export class RegistryProcess {
  /** `127.0.0.1:PORT`. */
  readonly host: string
  readonly #folder: string
  readonly #process: ServerProcess

  private constructor(host: string, folder: string) {
    this.host = host
    this.#folder = folder
    this.#process = new ServerProcess(
      'registry',
      registryBinary(),
      ['serve', join(folder, 'config.json')],
      join(folder, 'registry.log'),
    )
  }

  /** Starts it and waits until it answers. */
  static async start(auth: RegistryAuth = { kind: 'none' }): Promise<RegistryProcess> {
    const folder = await mkdtemp(join(tmpdir(), 'kubefledged-registry-'))
    const host = `127.0.0.1:${await freePort()}`
    await writeFile(join(folder, 'htpasswd'), HTPASSWD)
    // JSON is valid YAML.
    await writeFile(join(folder, 'config.json'), JSON.stringify(configOf(auth, host, folder)))
    const registry = new RegistryProcess(host, folder)
    await eventually('the registry to answer', () => fetch(registry.url).then(() => true), {
      timeoutMs: 30_000,
      everyMs: 50,
    }).catch(async (error: unknown) => {
      const log = registry.#process.logTail()
      await registry.stop()
      throw new Error(`the registry did not start: ${log}`, { cause: error })
    })
    return registry
  }

  get url(): string {
    return `http://${this.host}`
  }

  /** A client that can push. */
  store(): RegistryClient {
    return new RegistryClient(this.url, PULLER)
  }

  /** Stops it and removes its directory. */
  async stop(): Promise<void> {
    await this.#process.end('SIGTERM', 1000)
    await rm(this.#folder, { recursive: true, force: true })
  }
}

function configOf(auth: RegistryAuth, host: string, folder: string): object {
  return {
    version: '0.1',
    log: { level: 'warn' },
    storage: { filesystem: { rootdirectory: join(folder, 'data') }, delete: { enabled: true } },
    http: { addr: host },
    ...(auth.kind === 'htpasswd' && {
      auth: { htpasswd: { realm: 'test', path: join(folder, 'htpasswd') } },
    }),
    ...(auth.kind === 'token' && {
      auth: {
        token: {
          realm: auth.realm,
          service: 'test registry',
          issuer: auth.issuer,
          rootcertbundle: auth.certificates,
        },
      },
    }),
  }
}

function registryBinary(): string {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  const path = join(process.env['KUBEFLEDGED_BIN'] ?? join(cache, 'kubefledged', 'bin'), 'registry')
  if (existsSync(path)) return path
  throw new Error(
    `${path} is missing: run "make cluster-build", or set KUBEFLEDGED_BIN to where the binaries are`,
  )
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}
