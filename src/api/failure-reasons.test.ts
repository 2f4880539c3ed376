import { describe, expect, it } from 'vitest'
import { type FailureReasonName, classifyPullError, isPermanent } from './failure-reasons.ts'

interface Row {
  readonly cause: string
  readonly image: string
  /** `state.waiting.message` of kubelet 1.36.3 with containerd 2.3.7, from a real cluster. */
  readonly message: string
  readonly expected: FailureReasonName
}

const unpack = (image: string) => `failed to pull and unpack image "${image}": failed to resolve image`
const head = 'failed to do request: Head'
const digest = `sha256:${'0'.repeat(64)}`

/** What the kubelet reports as `ErrImagePull`. */
const PULL_ERRORS: readonly Row[] = [
  ...['odd/image:none', 'nowhere:1', `odd/image@${digest}`].map(path => ({
    cause: 'no such tag, repository or digest',
    image: `registry.test.local/${path}`,
    message: `rpc error: code = NotFound desc = ${unpack(`registry.test.local/${path}`)}: registry.test.local/${path}: not found`,
    expected: 'ImageNotFound' as const,
  })),
  {
    cause: 'no such image, under a name and tag that read like other failures',
    image: 'registry.test.local/toomanyrequests/insufficient_scope:InvalidImageName',
    message: `rpc error: code = NotFound desc = ${unpack('registry.test.local/toomanyrequests/insufficient_scope:InvalidImageName')}: registry.test.local/toomanyrequests/insufficient_scope:InvalidImageName: not found`,
    expected: 'ImageNotFound',
  },
  {
    cause: 'no credentials',
    image: 'private.test.local/app:1',
    message: `${unpack('private.test.local/app:1')}: pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials`,
    expected: 'Unauthorized',
  },
  {
    cause: 'wrong credentials',
    image: 'private.test.local/app:1',
    message: `${unpack('private.test.local/app:1')}: unexpected status from HEAD request to http://10.90.0.1:5001/v2/app/manifests/1?ns=private.test.local: 401 Unauthorized`,
    expected: 'Unauthorized',
  },
  {
    cause: 'refused by the registry',
    image: 'faulty.test.local/forbidden/app:1',
    message: `${unpack('faulty.test.local/forbidden/app:1')}: unexpected status from HEAD request to http://10.90.0.1:5002/v2/forbidden/app/manifests/1?ns=faulty.test.local: 403 Forbidden\ndenied`,
    expected: 'Unauthorized',
  },
  {
    cause: 'rate limit',
    image: 'faulty.test.local/ratelimited/app:1',
    message: `${unpack('faulty.test.local/ratelimited/app:1')}: unexpected status from HEAD request to http://10.90.0.1:5002/v2/ratelimited/app/manifests/1?ns=faulty.test.local: 429 Too Many Requests`,
    expected: 'RateLimited',
  },
  ...['500 Internal Server Error', '503 Service Unavailable'].map(status => ({
    cause: status,
    image: 'faulty.test.local/servererror/app:1',
    message: `${unpack('faulty.test.local/servererror/app:1')}: unexpected status from HEAD request to http://10.90.0.1:5002/v2/servererror/app/manifests/1?ns=faulty.test.local: ${status}`,
    expected: 'RegistryUnavailable' as const,
  })),
  {
    cause: 'an index without this platform',
    image: 'registry.test.local/odd/index-other-platform:2',
    message:
      'rpc error: code = NotFound desc = get image config descriptor: no match for platform in manifest sha256:23d83a55e9fb372dc45ab83ee15197d22b79c8f4465603527e62d25f8b5435ea: not found',
    expected: 'NoMatchingPlatform',
  },
  {
    cause: 'a login page',
    image: 'faulty.test.local/htmlpage/app:1',
    message:
      'rpc error: code = NotFound desc = get image config descriptor: unexpected media type text/html for sha256:c54f1546f66facd5290cdee31514974b16ccba856c956c75e27ba96ba60e819a: not found',
    expected: 'InvalidManifest',
  },
  {
    cause: 'a broken manifest',
    image: 'faulty.test.local/brokenmanifest/app:1',
    message: `failed to pull and unpack image "faulty.test.local/brokenmanifest/app:1": children: invalid desc sha256:8503c228b4be78b1a9ec472f568aa6dd4117bb1b497d580c0e1bb1fcd1008083: invalid character 'h' in literal true (expecting 'r')`,
    expected: 'InvalidManifest',
  },
  {
    cause: 'connection refused',
    image: 'unreachable.test.local/app:1',
    message: `${unpack('unreachable.test.local/app:1')}: ${head} "http://10.90.0.1:5999/v2/app/manifests/1?ns=%5BREDACTED%5D": dial tcp 10.90.0.1:5999: connect: connection refused`,
    expected: 'RegistryUnavailable',
  },
  {
    cause: 'packets that nobody answers',
    image: 'unreachable.test.local/app:1',
    message: `${unpack('unreachable.test.local/app:1')}: ${head} "http://10.90.0.1:5999/v2/app/manifests/1?ns=%5BREDACTED%5D": dial tcp 10.90.0.1:5999: i/o timeout`,
    expected: 'RegistryUnavailable',
  },
  {
    cause: 'no such host',
    image: 'no-such-host.test.local/app:1',
    message: `${unpack('no-such-host.test.local/app:1')}: ${head} "https://no-such-host.test.local/v2/app/manifests/1": dial tcp: lookup no-such-host.test.local on 10.90.0.1:53: no such host`,
    expected: 'RegistryUnavailable',
  },
  {
    cause: 'no route',
    image: '10.90.0.77:5000/app:1',
    message: `${unpack('10.90.0.77:5000/app:1')}: ${head} "https://10.90.0.77:5000/v2/app/manifests/1": dial tcp 10.90.0.77:5000: connect: no route to host`,
    expected: 'RegistryUnavailable',
  },
  {
    cause: 'plain HTTP where HTTPS was asked',
    image: '10.90.0.1:5000/app:1',
    message: `${unpack('10.90.0.1:5000/app:1')}: ${head} "https://10.90.0.1:5000/v2/app/manifests/1": http: server gave HTTP response to HTTPS client`,
    expected: 'RegistryUnavailable',
  },
  {
    cause: 'a registry that accepts and never answers',
    image: 'silent.test.local/app:1',
    message: `rpc error: code = DeadlineExceeded desc = ${unpack('silent.test.local/app:1')}: ${head} "http://10.90.0.1:5003/v2/app/manifests/1?ns=%5BREDACTED%5D": net/http: timeout awaiting response headers`,
    expected: 'RegistryUnavailable',
  },
  {
    cause: "the kubelet's own limit",
    image: 'registry.test.local/app:1',
    message: 'pull QPS exceeded',
    expected: 'PullThrottled',
  },
]

const MALFORMED: readonly { readonly image: string; readonly why: string }[] = [
  {
    image: 'registry.test.local/UPPER:1',
    why: 'invalid reference format: repository name (UPPER) must be lowercase',
  },
  { image: '; touch x', why: 'invalid reference format' },
  { image: '$(touch x)', why: 'invalid reference format' },
  { image: 'registry.test.local/bïld:1', why: 'invalid reference format' },
  { image: 'registry.test.local/odd/image:-x', why: 'invalid reference format' },
  { image: 'registry.test.local/odd/image@sha256:abc', why: 'invalid reference format' },
  {
    image: `registry.test.local/${'a'.repeat(300)}:1`,
    why: 'repository name must not be more than 255 characters',
  },
]

describe('classifyPullError', () => {
  it.each(PULL_ERRORS)('knows $expected by: $cause ($image)', ({ image, message, expected }) => {
    expect(classifyPullError(`ErrImagePull: ${message}`)).toBe(expected)
    const backOff = `Back-off pulling image "${image}": ErrImagePull: ${message}`
    expect(classifyPullError(`ImagePullBackOff: ${backOff}`)).toBe(expected)
  })

  it.each(MALFORMED)('knows the malformed reference $image', ({ image, why }) => {
    const message = `Failed to apply default image tag "${image}": couldn't parse image name "${image}": ${why}`
    expect(classifyPullError(`InvalidImageName: ${message}`)).toBe('InvalidReference')
  })

  it('classifies unknown texts as PullFailed', () => {
    expect(classifyPullError('ErrImagePull: something new')).toBe('PullFailed')
  })
})

const sample = 'registry.test.local:5000/img/13:1'
const unpackSample = `rpc error: code = NotFound desc = failed to pull and unpack image "${sample}"`

/** Texts from bug reports in which "not found" and "401" do not mean what they seem to mean. */
const MISLEADING: readonly { text: string; expected: FailureReasonName; permanent: boolean }[] = [
  {
    text: `${unpackSample}: failed to prepare extraction snapshot "extract-9 sha256:aa": parent snapshot sha256:bb does not exist: not found`,
    expected: 'NodeStoreFailed',
    permanent: false,
  },
  {
    text: `${unpackSample}: failed to unpack image on snapshotter overlayfs: content digest sha256:6e: not found`,
    expected: 'NodeStoreFailed',
    permanent: false,
  },
  {
    text: `${unpackSample}: failed to unpack image on snapshotter overlayfs: failed to stat snapshot sha256:6e: not found`,
    expected: 'NodeStoreFailed',
    permanent: false,
  },
  {
    text: 'creating container: locating item named "manifest" for image with ID "ab": file does not exist',
    expected: 'NodeStoreFailed',
    permanent: false,
  },
  {
    text: `${unpackSample}: failed to prepare extraction snapshot "extract-9 sha256:aa": write: no space left on device`,
    expected: 'InsufficientDisk',
    permanent: false,
  },
  {
    text: 'failed to copy: httpReadSeeker: failed open: content at http://registry.test.local:5000/v2/img/13/blobs/sha256:aa not found: not found',
    expected: 'LayerMissing',
    permanent: false,
  },
  {
    text: 'reading blob sha256:aa: fetching blob: blob unknown to registry',
    expected: 'LayerMissing',
    permanent: false,
  },
  {
    text: 'failed to unpack image on snapshotter overlayfs: unexpected media type text/html for sha256:37: not found',
    expected: 'InvalidManifest',
    permanent: true,
  },
  {
    text: 'failed to authorize: failed to fetch oauth token: unexpected status from GET request to https://auth.test.local/token?service=x: 401 Unauthorized',
    expected: 'Unauthorized',
    permanent: true,
  },
  {
    text: 'denied: Your authorization token has expired. Reauthenticate and try again.',
    expected: 'Unauthorized',
    permanent: true,
  },
  {
    text: 'get error in pull response: image "registry.test.local:5000/img/13@sha256:aa": already exists',
    expected: 'PullFailed',
    permanent: false,
  },
  {
    text: `rpc error: code = NotFound desc = failed to resolve reference "${sample}": ${sample}: not found`,
    expected: 'ImageNotFound',
    permanent: true,
  },
]

describe('a text that misleads', () => {
  it.each(MISLEADING)('is $expected: $text', ({ text, expected, permanent }) => {
    expect(classifyPullError(`ErrImagePull: ${text}`)).toBe(expected)
    expect(isPermanent(expected)).toBe(permanent)
  })
})
