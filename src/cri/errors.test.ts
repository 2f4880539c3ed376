import { status } from '@grpc/grpc-js'
import { describe, expect, it } from 'vitest'
import { errorFromStatus } from './errors.ts'

describe('errorFromStatus', () => {
  it.each([
    // Docker 20.10.24 through cri-dockerd 0.4.3
    [status.UNKNOWN, 'Error response from daemon: No such container: c0ffee', 'NotFound'],
    [
      status.UNKNOWN,
      'Error response from daemon: conflict: unable to remove repository reference "r.test/app:1" (must force) - container c0ffee is using its referenced image d1f0bf54dbb3',
      'InUse',
    ],
    [
      status.UNKNOWN,
      'Error response from daemon: conflict: unable to delete d1f0bf54dbb3 (cannot be forced) - image is being used by running container c0ffee',
      'InUse',
    ],
    // Docker 29 with its containerd store
    [
      status.UNKNOWN,
      'Error response from daemon: conflict: unable to delete r.test/app:1 (must be forced) - container c0ffee is using its referenced image 620cc69649cf',
      'InUse',
    ],
    // CRI-O 1.36.3
    [status.NOT_FOUND, 'could not find container "c0ffee": ID does not exist', 'NotFound'],
    [status.UNKNOWN, 'delete image: image used by c0ffee: image is in use by a container', 'InUse'],
    [status.UNKNOWN, 'the image is in use by c0ffee', 'InUse'],
    [
      status.UNKNOWN,
      'short-name "nginx:1" did not resolve to an alias and no unqualified-search registries are defined in "/etc/containers/registries.conf"',
      'UnknownShortName',
    ],
    [
      status.UNKNOWN,
      'short name mode is enforcing, but image name nginx:1 returns ambiguous list',
      'UnknownShortName',
    ],
    [status.UNKNOWN, 'locating manifest for image with ID "aa": file does not exist', 'Internal'],
    [
      status.UNAVAILABLE,
      'No connection established. Last error: connect EACCES /run/r.sock',
      'PermissionDenied',
    ],
  ])('%i %s', (code, details, expected) => {
    const error = errorFromStatus('Call at /run/r.sock', { code, details })
    expect(error).toMatchObject({ code: expected, message: `${details} (Call at /run/r.sock)` })
  })
})
