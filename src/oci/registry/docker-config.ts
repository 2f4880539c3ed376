import * as z from 'zod'
import type { Reference } from '../reference.ts'
import type { Credentials } from './credentials.ts'
import { matchesWildcard } from './wildcard.ts'

/**
 * The content of an image pull Secret is not valid. The message says where and why. Of the content it quotes
 * only the key.
 */
export class InvalidDockerConfigError extends Error {
  override readonly name = 'InvalidDockerConfigError'
  readonly code = 'InvalidDockerConfig'
}

/** Credentials and the images that they apply to. */
export interface DockerConfigEntry {
  /** Host pattern: each label may have wildcards. `docker.io` for every spelling of Docker Hub. */
  readonly host: string
  /** Empty when the key has no port. */
  readonly port: string
  /** Prefix of the repository name, with a leading slash. Empty for all repositories. */
  readonly path: string
  readonly credentials: Credentials
}

const ENTRY = z.object({
  username: z.string().optional(),
  password: z.string().optional(),
  auth: z.string().optional(),
})
const CONFIG = z.object({ auths: z.record(z.string(), z.unknown()) })
const DOCKER_HUB: ReadonlySet<string> = new Set(['docker.io', 'index.docker.io'])

/**
 * Parses `.dockerconfigjson` of a Secret as the kubelet does. `auth` overrides `username` and `password`. A
 * key may have a scheme, a port, a path and wildcards. Entries without credentials, left by credential
 * helpers, are dropped. The most specific entry is first. Throws InvalidDockerConfigError.
 */
export function parseDockerConfig(text: string): DockerConfigEntry[] {
  const config = CONFIG.safeParse(parseJson(text))
  if (!config.success) {
    throw new InvalidDockerConfigError(
      'the pull Secret has no object "auths" at the top of .dockerconfigjson',
    )
  }
  const entries: DockerConfigEntry[] = []
  for (const [key, value] of Object.entries(config.data.auths)) {
    const credentials = readCredentials(key, value)
    if (credentials) entries.push({ ...readKey(key), credentials })
  }
  // The kubelet's order: descending, so longer paths come before shorter ones, and wildcards last.
  const nameOf = ({ host, port, path }: DockerConfigEntry) => `${host}:${port}${path}`
  return entries.sort((a, b) => (nameOf(a) < nameOf(b) ? 1 : -1))
}

/** Credentials for the image, most specific first. The kubelet tries them in this order. */
export function credentialsFor(entries: readonly DockerConfigEntry[], ref: Reference): Credentials[] {
  const { host, port } = splitHost(ref.domain)
  return entries
    .filter(
      entry =>
        entry.port === port &&
        `/${ref.path}`.startsWith(entry.path) &&
        matchesHost(entry.host, hubName(host)),
    )
    .map(entry => entry.credentials)
}

/** A wildcard matches within one label: `*.example.com` does not match `a.b.example.com`. */
function matchesHost(pattern: string, host: string): boolean {
  const patterns = pattern.split('.')
  const labels = host.split('.')
  return (
    patterns.length === labels.length &&
    patterns.every((label, index) => matchesWildcard(label, labels[index] ?? ''))
  )
}

function readKey(key: string): Omit<DockerConfigEntry, 'credentials'> {
  const bare = key.replace(/^https?:\/\//, '')
  const slash = bare.indexOf('/')
  const { host, port } = splitHost(slash < 0 ? bare : bare.slice(0, slash))
  // `https://index.docker.io/v1/` and similar keys name an API, not a repository.
  const path = slash < 0 ? '' : bare.slice(slash).replace(/^\/v[12](?=\/)/, '')
  return { host: hubName(host), port, path: path === '/' ? '' : path }
}

function splitHost(text: string): { host: string; port: string } {
  const match = /^(.*?)(?::(\d+))?$/s.exec(text)
  return { host: (match?.[1] ?? text).toLowerCase(), port: match?.[2] ?? '' }
}

function hubName(host: string): string {
  return DOCKER_HUB.has(host) ? 'docker.io' : host
}

function readCredentials(key: string, value: unknown): Credentials | undefined {
  const entry = ENTRY.safeParse(value)
  if (!entry.success) throw unusable(key, 'is not an object of strings')
  const { auth, username, password } = entry.data
  if (auth) return decodeAuth(key, auth)
  return username || password ? { username: username ?? '', password: password ?? '' } : undefined
}

function decodeAuth(key: string, auth: string): Credentials {
  if (!/^[A-Za-z0-9+/\r\n]*={0,2}[\r\n]*$/.test(auth)) throw unusable(key, 'has an "auth" that is no base64')
  const decoded = Buffer.from(auth, 'base64').toString('utf8')
  const colon = decoded.indexOf(':')
  if (colon < 0) throw unusable(key, 'has an "auth" that is not "user:password" in base64')
  return { username: decoded.slice(0, colon), password: decoded.slice(colon + 1) }
}

function unusable(key: string, problem: string): InvalidDockerConfigError {
  return new InvalidDockerConfigError(
    `the entry ${JSON.stringify(key.slice(0, 253))} of the pull Secret ${problem}`,
  )
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The parser's message quotes the text, which is secret.
    throw new InvalidDockerConfigError('.dockerconfigjson of the pull Secret is no JSON')
  }
}
