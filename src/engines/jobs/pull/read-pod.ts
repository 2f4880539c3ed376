import { classifyPullError } from '../../../api/failure-reasons.ts'
import { normalizedName, tryParseReference } from '../../../oci/reference.ts'
import { pullContainer, pullVolume } from './container-names.ts'
import type { PullJob } from './pull-job.ts'
import type { ContainerState, PullContainer, PullPod } from './pull-pod.ts'
import type { PullVerdict } from '../../../core/ledger/index.ts'
import { type JobReading, all } from './job-reading.ts'

/**
 * Reads what a Pod proves about the images of its Job.
 * Only container statuses count.
 * Events prove nothing, and the end of the Job does not prove that all images were pulled.
 */

/**
 * `state.waiting.reason` while the kubelet cannot pull an image
 * (k8s.io/kubernetes pkg/kubelet/images/types.go).
 */
const PULL_ERRORS = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'ErrImageNeverPull',
  'ImageInspectError',
  'RegistryUnavailable',
  'SignatureValidationFailed',
])

/**
 * Waiting reasons that prove that all images of the container are pulled, unless the message says that the
 * node's image store failed (pkg/kubelet/container/sync_result.go).
 */
const AFTER_PULL = new Set([
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
  'PreCreateHookError',
  'PreStartHookError',
  'PostStartHookError',
])

/**
 * The kubelet writes this reason for every container of a Pod that ends, even if its image was never pulled
 * (pkg/kubelet/status/status_manager.go, TerminatePod). It proves nothing.
 */
const STATUS_UNKNOWN = 'ContainerStatusUnknown'

/**
 * Reads a Pod of a pull Job.
 *
 * @param helperImage reference of the helper image as the manifest has it
 */
export function readPod(job: PullJob, pod: PullPod, helperImage: string): JobReading {
  const refused = refusal(pod)
  if (refused) return { done: true, verdicts: all(job.images, refused) }
  const verdicts = job.method === 'containers' ? readContainers(job, pod) : readVolumes(job, pod, helperImage)
  if (!verdicts) {
    const message = 'the API server, or a policy, does not keep image volumes'
    return { done: true, verdicts: all(job.images, { kind: 'unknown', message }), volumesDropped: true }
  }
  const done = [...verdicts.values()].every(verdict => verdict.kind !== 'pulling')
  if (done || (pod.phase !== 'Failed' && !pod.metadata.deletionTimestamp)) return { done, verdicts }
  return { done: true, verdicts: finalVerdicts(verdicts, pod) }
}

/**
 * The verdict of a Pod that the kubelet refused (pkg/kubelet/lifecycle/predicate.go, eviction).
 * Undefined where the kubelet did not refuse it.
 */
function refusal(pod: PullPod): PullVerdict | undefined {
  const own = [pod.copyContainer, ...pod.containers]
  const started = own.some(container => container && container.state.phase !== 'none')
  if (pod.phase !== 'Failed' || started || !pod.reason) return undefined
  return { kind: 'failed', reason: 'NodeRefused', message: `${pod.reason}: ${pod.message}` }
}

/** The verdicts of a Pod that has ended: no image stays `pulling`. */
function finalVerdicts(verdicts: ReadonlyMap<string, PullVerdict>, pod: PullPod): Map<string, PullVerdict> {
  const evicted = pod.reason === 'Evicted' || pod.reason === 'Preempting'
  const rest: PullVerdict = evicted
    ? { kind: 'failed', reason: 'NodeRefused', message: `${pod.reason}: ${pod.message}` }
    : { kind: 'unknown', message: `the Pod went away${pod.reason ? `: ${pod.reason}` : ''}` }
  return new Map(
    [...verdicts].map(([image, verdict]) => [image, verdict.kind === 'pulling' ? rest : verdict]),
  )
}

/** The verdict for an image that the stored Pod lacks. Another Job would be changed in the same way. */
const CHANGED: PullVerdict = {
  kind: 'failed',
  reason: 'PullFailed',
  message: 'the Pod does not ask for this image: an admission webhook or a policy changed it',
}

/** Reads a Pod with image volumes. Undefined where the stored Pod has no image volume at all. */
function readVolumes(job: PullJob, pod: PullPod, helperImage: string): Map<string, PullVerdict> | undefined {
  const { images, method } = job
  if (images.length > 0 && Object.keys(pod.imageVolumes).length === 0) return undefined
  const mounting = new Map<string, PullContainer>()
  for (const [index, image] of images.entries()) {
    const volume = pullVolume(index)
    const container = containerOf(pod, pullContainer(method, index, images.length))
    if (container?.mounts.includes(volume) && pod.imageVolumes[volume] === image) {
      mounting.set(image, container)
    }
  }
  const [container] = mounting.values()
  if (mounting.size < images.length || !container) {
    return new Map(images.map(image => [image, mounting.has(image) ? { kind: 'unproven' } : CHANGED]))
  }
  if (method === 'batch' && images.length > 1) return readBatch(images, container, helperImage)
  return new Map(
    [...mounting].map(([image, { state, image: runs }]) => [image, readOne(state, [helperImage, runs])]),
  )
}

function containerOf(pod: PullPod, name: string): PullContainer | undefined {
  return pod.containers.find(container => container.name === name)
}

function readBatch(
  images: readonly string[],
  container: PullContainer,
  helperImage: string,
): Map<string, PullVerdict> {
  const verdict = readOne(container.state, [helperImage, container.image])
  if (verdict.kind !== 'failed' || verdict.reason === 'HelperImageUnavailable') return all(images, verdict)
  const named = images.filter(image => names(verdict.message, image))
  return new Map(
    images.map(image => [
      image,
      named.length === 1 && named[0] === image ? verdict : ({ kind: 'unproven' } as const),
    ]),
  )
}

/** Reads a Pod of the method `containers`. */
function readContainers(job: PullJob, pod: PullPod): Map<string, PullVerdict> {
  const init = pod.copyContainer?.state
  if (init && init.phase === 'waiting' && PULL_ERRORS.has(init.reason)) {
    const verdict = readOne(init, [])
    return all(
      job.images,
      verdict.kind === 'failed' ? { ...verdict, reason: 'HelperImageUnavailable' } : verdict,
    )
  }
  if (init && init.phase === 'terminated' && init.reason !== 'Completed' && init.reason !== STATUS_UNKNOWN) {
    const message = `the helper container ended with ${init.reason} ${init.message}`.trim()
    return all(job.images, { kind: 'failed', reason: 'HelperImageUnavailable', message })
  }
  return new Map(
    job.images.map((image, index) => {
      const container = containerOf(pod, pullContainer('containers', index, job.images.length))
      if (container?.image !== image) return [image, CHANGED]
      const verdict = readOne(container.state, [])
      const digest = digestOf(container.imageId)
      return [image, verdict.kind === 'present' && digest ? { kind: 'present', digest } : verdict]
    }),
  )
}

/**
 * Reads the state of one container.
 *
 * @param helpers references of the helper image that the container runs.
 *   Admission may have changed the reference.
 *   An error that names one of them is about the helper image.
 *   Empty where the container runs the pulled image.
 */
function readOne(state: ContainerState, helpers: readonly string[]): PullVerdict {
  if (state.phase === 'terminated' && state.reason === STATUS_UNKNOWN) return { kind: 'pulling' }
  if (state.phase === 'running' || state.phase === 'terminated') return { kind: 'present' }
  if (state.phase !== 'waiting') return { kind: 'pulling' }
  const message = state.message || state.reason
  if (AFTER_PULL.has(state.reason)) {
    const isStored = classifyPullError(message) !== 'NodeStoreFailed'
    return isStored ? { kind: 'present' } : { kind: 'failed', reason: 'NodeStoreFailed', message }
  }
  if (!PULL_ERRORS.has(state.reason)) return { kind: 'pulling' }
  if (helpers.some(helper => names(message, helper))) {
    return { kind: 'failed', reason: 'HelperImageUnavailable', message }
  }
  const reason = classifyPullError(`${state.reason}: ${message}`)
  return reason === 'PullThrottled' ? { kind: 'unknown', message } : { kind: 'failed', reason, message }
}

/** True where the text names the image as a whole word, as in the spec or as the runtime writes it. */
function names(text: string, image: string): boolean {
  const reference = tryParseReference(image)
  const spellings = reference ? [image, normalizedName(reference)] : [image]
  return spellings.some(spelling => {
    for (let at = text.indexOf(spelling); at >= 0; at = text.indexOf(spelling, at + 1)) {
      const around = `${text[at - 1] ?? ' '}${text[at + spelling.length] ?? ' '}`
      if (/^[\s"'(]["'\s:),;]$/.test(around) && !/^:[\w@]/.test(text.slice(at + spelling.length))) return true
    }
    return false
  })
}

function digestOf(imageId: string): string | undefined {
  return /@(sha256:[0-9a-f]{64})$/.exec(imageId)?.[1]
}
