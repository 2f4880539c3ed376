import { randomUUID, sign, X509Certificate } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createPki } from '../../harness/pki.ts'
import { type Received, ScriptedServer } from './scripted-server.ts'

/** Who may pull from a repository. */
export interface Grant {
  /** Absent: everybody. */
  readonly user?: { readonly username: string; readonly password: string }
  readonly repository: string
  readonly actions: readonly string[]
}

/** A token server (distribution's token specification). Its tokens are JWTs that a real registry checks. */
export class TokenServer {
  static readonly issuer = 'test issuer'
  /** Lifetime in seconds that new tokens state. Undefined: not stated. */
  expiresIn: number | undefined = 300
  readonly #folder: string
  readonly #http: ScriptedServer
  readonly #key: string
  readonly #certificate: X509Certificate
  readonly #grants: readonly Grant[]

  private constructor(
    folder: string,
    http: ScriptedServer,
    key: string,
    cert: string,
    grants: readonly Grant[],
  ) {
    this.#folder = folder
    this.#http = http
    this.#key = key
    this.#certificate = new X509Certificate(cert)
    this.#grants = grants
  }

  /** Starts it. */
  static async start(grants: readonly Grant[]): Promise<TokenServer> {
    const folder = await mkdtemp(join(tmpdir(), 'kubefledged-token-'))
    const pki = await createPki(folder)
    await pki.issue('token', '/CN=token')
    const [key, cert] = await Promise.all([
      readFile(pki.path('token.key'), 'utf8'),
      readFile(pki.path('token.crt'), 'utf8'),
    ])
    const http = await ScriptedServer.start((request, response) => {
      const token = server.#tokenFor(request)
      if (token === undefined) {
        response.writeHead(401, { 'content-type': 'application/json' })
        response.end(JSON.stringify({ errors: [{ code: 'UNAUTHORIZED', message: 'no such user' }] }))
        return
      }
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(
        JSON.stringify({ token, ...(server.expiresIn !== undefined && { expires_in: server.expiresIn }) }),
      )
    })
    const server = new TokenServer(folder, http, key, cert, grants)
    return server
  }

  /** `127.0.0.1:PORT`. */
  get host(): string {
    return this.#http.host
  }

  get realm(): string {
    return `${this.#http.url}/token`
  }

  /** Path of the certificates with which registries check tokens. */
  get certificates(): string {
    return join(this.#folder, 'ca.crt')
  }

  /** All requests, oldest first. */
  get received(): readonly Received[] {
    return this.#http.received
  }

  /** Stops it and removes its directory. */
  async stop(): Promise<void> {
    await this.#http.stop()
    await rm(this.#folder, { recursive: true, force: true })
  }

  /** Absent when the credentials of the request are unknown. */
  #tokenFor(request: Received): string | undefined {
    const { searchParams } = new URL(request.path, this.#http.url)
    const said = request.authorization
    const known = this.#grants.find(({ user }) => user && said === basic(user.username, user.password))?.user
    if (said !== undefined && !known) return undefined
    const wanted = searchParams.getAll('scope').map(scope => scope.split(':')[1])
    const access = this.#grants
      .filter(grant => (!grant.user || grant.user === known) && wanted.includes(grant.repository))
      .map(grant => ({ type: 'repository', name: grant.repository, actions: grant.actions }))
    return this.#sign({ aud: searchParams.get('service'), sub: known?.username ?? '', access })
  }

  #sign(claims: object): string {
    const now = Math.floor(Date.now() / 1000)
    const header = { alg: 'ES256', typ: 'JWT', x5c: [this.#certificate.raw.toString('base64')] }
    const body = {
      iss: TokenServer.issuer,
      iat: now,
      nbf: now - 5,
      exp: now + 3600,
      jti: randomUUID(),
      ...claims,
    }
    const text = [header, body].map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
    const signature = sign('sha256', Buffer.from(text), { key: this.#key, dsaEncoding: 'ieee-p1363' })
    return `${text}.${signature.toString('base64url')}`
  }
}

/** The value of `Authorization` for them. */
export function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}
