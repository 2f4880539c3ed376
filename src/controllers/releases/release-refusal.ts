import type { ReleaseName } from './helm.ts'
import { type Release, storedAs } from './release.ts'

/**
 * The operator leaves a release alone because somebody else manages it. The message says who, and what to do.
 */
export class ReleaseRefusal extends Error {
  override readonly name = 'ReleaseRefusal'
  readonly code: 'ForeignRelease' | 'PendingRelease'

  private constructor(code: ReleaseRefusal['code'], message: string) {
    super(message)
    this.code = code
  }

  /** The release is of another chart. */
  static foreign({ name, namespace }: ReleaseName, chart: string): ReleaseRefusal {
    const message =
      `the release ${name} in the namespace ${namespace} is of the chart ${chart}, not of kube-fledged: it is left alone. ` +
      `Create this object with another name and delete this one, or first run: helm uninstall ${name} -n ${namespace}`
    return new ReleaseRefusal('ForeignRelease', message)
  }

  /** Another helm works on the release, or was killed while it did. */
  static pending(release: Release, abandonedAfterMs: number): ReleaseRefusal {
    const { name, namespace, version, info } = release
    const message =
      `revision ${version} of the release ${name} is ${info.status} since ${info.last_deployed}: another helm works on it. ` +
      `The operator waits until that ends, ${abandonedAfterMs / 60_000} minutes at most. ` +
      `If no helm runs any more: kubectl delete secret ${storedAs(release)} -n ${namespace}`
    return new ReleaseRefusal('PendingRelease', message)
  }
}
