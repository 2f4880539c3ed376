import { LruMap } from '../base/lru-map.ts'
import { checkDigest, checkHost, checkPath, checkTag, type Part } from './reference-grammar.ts'
import { InvalidReferenceError } from './reference-error.ts'

export { InvalidReferenceError } from './reference-error.ts'

/**
 * Image references in the grammar of distribution/reference, as the kubelet and the runtimes parse them:
 * `[domain[:port]/]path[:tag][@algorithm:hex]`.
 */

/** A parsed reference. Missing parts have the defaults of Docker Hub. */
export interface Reference {
  /** Registry with its port, as written: `docker.io`, `localhost:5000`, `[fd00::1]:5000`. */
  readonly domain: string
  /** Repository within the registry: `library/nginx`. */
  readonly path: string
  readonly tag?: string
  /** `sha256:` and 64 hexadecimal digits, or sha384 or sha512. */
  readonly digest?: string
  /** The reference as it was written. */
  readonly text: string
}

const DEFAULT_DOMAIN = 'docker.io'
const LEGACY_DEFAULT_DOMAIN = 'index.docker.io'
const DOCKER_HUB_REGISTRY = 'registry-1.docker.io'
const OFFICIAL_PREFIX = 'library/'
const DEFAULT_TAG = 'latest'
/** Characters of a text that is looked at. All parts at their limits have fewer. */
const MAX_TEXT = 2_000
/** Longest path, with `library/`. This is the limit of distribution/reference. */
const MAX_PATH = 255

/** What runtimes give for an image without a name. No registry has it. */
const IMAGE_ID = /^(sha(256|384|512):)?[a-f0-9]{64,128}$/
/** Prefixes of `.status.containerStatuses[].imageID`, such as `docker-pullable://`. */
const RUNTIME_PREFIX = /^(docker-pullable|docker|containerd|cri-o):\/\//
const TAKE_SPEC = 'take spec.containers[].image of the Pod, or of its owner'

/** Parses a reference. Throws `InvalidReferenceError` and nothing else. */
export function parseReference(text: string): Reference {
  if (text === '') throw new InvalidReferenceError(text, 'it is empty')
  if (text.length > MAX_TEXT) {
    throw new InvalidReferenceError(text, `it has ${text.length} characters, ${MAX_TEXT} are allowed`)
  }
  const foreign = /[^A-Za-z0-9._\-/:@+[\]]/u.exec(text)
  if (foreign) {
    throw new InvalidReferenceError(text, `${describe(foreign[0])} is not allowed`, foreign.index)
  }
  if (IMAGE_ID.test(text)) {
    throw new InvalidReferenceError(text, `this is an image ID, not a reference: ${TAKE_SPEC}`)
  }
  if (RUNTIME_PREFIX.test(text)) {
    throw new InvalidReferenceError(text, `this is a name of a running container's image: ${TAKE_SPEC}`)
  }
  const { domain, rest } = splitDomain(text)
  const at = rest.text.indexOf('@')
  const digest = at < 0 ? undefined : slice(rest, at + 1)
  const named = at < 0 ? rest : slice(rest, 0, at)
  const colon = named.text.indexOf(':')
  const tag = colon < 0 ? undefined : slice(named, colon + 1)
  const name = colon < 0 ? named : slice(named, 0, colon)

  if (domain) checkHost(domain)
  checkPath(name)
  if (tag) checkTag(tag)
  if (digest) checkDigest(digest)
  const host = !domain || domain.text === LEGACY_DEFAULT_DOMAIN ? DEFAULT_DOMAIN : domain.text
  const path = host === DEFAULT_DOMAIN && !name.text.includes('/') ? OFFICIAL_PREFIX + name.text : name.text
  if (path.length > MAX_PATH) {
    throw new InvalidReferenceError(
      text,
      `the repository name has ${path.length} characters, ${MAX_PATH} are allowed`,
    )
  }
  return {
    domain: host,
    path,
    ...(tag && { tag: tag.text }),
    ...(digest && { digest: digest.text }),
    text,
  }
}

/**
 * References that were parsed lately: the controller asks about the same images for each of thousands of
 * nodes.
 */
const parsed = new LruMap<string, Reference>(20_000)

/** The parsed reference. Undefined when the text is not a reference. */
export function tryParseReference(text: string): Reference | undefined {
  const known = parsed.get(text)
  if (known) return known
  try {
    const reference = parseReference(text)
    parsed.set(text, reference)
    return reference
  } catch (error) {
    if (error instanceof InvalidReferenceError) return undefined
    throw error
  }
}

/** Registry and path, without tag and digest: `docker.io/library/nginx`. */
export function repositoryOf(ref: Reference): string {
  return `${ref.domain}/${ref.path}`
}

/**
 * The name under which a runtime lists the image: `docker.io/library/nginx:1.23`. Without a tag it ends in
 * `:latest`. With a digest it is `docker.io/library/nginx@sha256:…` without the tag, as in containerd.
 */
export function normalizedName(ref: Reference): string {
  const repository = repositoryOf(ref)
  return ref.digest === undefined ? `${repository}:${ref.tag ?? DEFAULT_TAG}` : `${repository}@${ref.digest}`
}

/** The normalised name of an image in any spelling. Text that is no reference is its own name. */
export function imageName(image: string): string {
  const reference = tryParseReference(image)
  return reference ? normalizedName(reference) : image
}

/**
 * True when the text names no registry. Some runtimes look it up in registries of their own choice.
 * A reference of Docker Hub may name its registry.
 */
export function isShortName({ domain, text }: Reference): boolean {
  return ![domain, LEGACY_DEFAULT_DOMAIN].some(written => text.startsWith(`${written}/`))
}

/** The digest that a reference names. Its content never changes. */
export function pinnedDigest(image: string): string | undefined {
  return tryParseReference(image)?.digest
}

/** True when the image is expected to change: no digest, and no tag or the tag `latest`. */
export function isMoving(ref: Reference): boolean {
  return ref.digest === undefined && (ref.tag ?? DEFAULT_TAG) === DEFAULT_TAG
}

/** Host and port of the registry on the network. It equals the domain, except for Docker Hub. */
export function registryHost(ref: Reference): string {
  return ref.domain === DEFAULT_DOMAIN ? DOCKER_HUB_REGISTRY : ref.domain
}

/** The text before the first slash is a registry only when it cannot be a part of a Docker Hub name. */
function splitDomain(text: string): { domain?: Part; rest: Part } {
  const whole: Part = { whole: text, text, start: 0 }
  const slash = text.indexOf('/')
  const first = text.slice(0, Math.max(slash, 0))
  const isDomain = first === 'localhost' || /[.:]/.test(first) || first.toLowerCase() !== first
  return isDomain ? { domain: slice(whole, 0, slash), rest: slice(whole, slash + 1) } : { rest: whole }
}

function slice(part: Part, from: number, to?: number): Part {
  return { whole: part.whole, text: part.text.slice(from, to), start: part.start + from }
}

function describe(char: string): string {
  if (char === ' ') return 'a space'
  const code = char.codePointAt(0) ?? 0
  if (code > 0x20 && code < 0x7f) return `"${char}"`
  return `the character U+${code.toString(16).toUpperCase().padStart(4, '0')}`
}
