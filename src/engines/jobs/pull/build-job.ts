import { API_VERSION, CACHE_LABEL, JOB_ANNOTATIONS, JOB_LABELS } from '../../../api/constants.ts'
import type { ImageCacheSpec } from '../../../api/image-cache.ts'
import type { DesiredImage } from '../../../api/node-images.ts'
import type { KubeObject } from '../../../api/object.ts'
import type { NodeFacts } from '../../../core/node/index.ts'
import { shortHash } from '../../../core/demand/index.ts'
import type { JobRequest } from './choose-job.ts'
import { COPY_CONTAINER, pullContainer, pullVolume } from './container-names.ts'
import type { JobSettings } from './job-settings.ts'

/** A batch/v1 Job to be created. */
export interface JobManifest extends KubeObject {
  readonly spec: Record<string, unknown>
}

/** Annotations of a Job's Pod: no sidecars, and the cluster autoscaler may evict it. */
const POD_ANNOTATIONS = {
  'sidecar.istio.io/inject': 'false',
  'linkerd.io/inject': 'disabled',
  'kuma.io/sidecar-injection': 'disabled',
  'cluster-autoscaler.kubernetes.io/safe-to-evict': 'true',
}
const POD_LABELS = { 'sidecar.istio.io/inject': 'false' }

/** Time after which Kubernetes deletes a finished Job, if the controller has not. */
const TTL_S = 600
const MAX_LABEL_LENGTH = 63
/** Directory of the injected static binary. */
const BIN = '/tmp/bin'

/** The fields of core/v1 ResourceRequirements that a template may set. */
type Resources = NonNullable<NonNullable<ImageCacheSpec['jobTemplate']>['resources']>

const RESOURCES: Resources = {
  requests: { cpu: '1m', memory: '16Mi', 'ephemeral-storage': '1Mi' },
  limits: { cpu: '100m', memory: '32Mi', 'ephemeral-storage': '16Mi' },
}

const SECURITY_CONTEXT = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
}

/** The manifest of a pull Job. Its Pods run under the restricted Pod Security level. */
export function buildJob(request: JobRequest, node: NodeFacts, settings: JobSettings): JobManifest {
  const { cache } = request.cache
  const template = cache.spec.jobTemplate ?? {}
  const labels = {
    ...template.labels,
    ...POD_LABELS,
    ...JOB_LABELS,
    [CACHE_LABEL]: cacheLabel(cache.metadata.name),
  }
  const [first] = request.images
  // A cache whose template sets a forbidden field has no images in the plan, so no check is needed here.
  const serviceAccountName = template.serviceAccountName || settings.serviceAccountName
  // The kubelet tries the secrets in this order: those of the cache are first.
  const secrets = new Set([
    ...(first?.pullSecrets ?? []).flatMap(({ name }) => name ?? []),
    ...settings.helperPullSecrets,
  ])
  const priorityClassName = template.priorityClassName || settings.priorityClassName
  const resources = template.resources ?? RESOURCES
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: request.name,
      namespace: cache.metadata.namespace ?? '',
      labels,
      annotations: {
        ...template.annotations,
        [JOB_ANNOTATIONS.cache]: request.cache.key,
        [JOB_ANNOTATIONS.nodeUid]: node.metadata.uid ?? '',
        [JOB_ANNOTATIONS.method]: request.method,
        [JOB_ANNOTATIONS.revision]: String(request.revision),
        [JOB_ANNOTATIONS.startedAt]: request.startedAt,
        [JOB_ANNOTATIONS.images]: request.images.map(image => image.image).join('\n'),
        ...(first?.credential !== undefined && { [JOB_ANNOTATIONS.credential]: first.credential }),
      },
      ownerReferences: [
        {
          apiVersion: API_VERSION,
          kind: 'ImageCache',
          name: cache.metadata.name,
          uid: cache.metadata.uid ?? '',
          controller: true,
        },
      ],
    },
    spec: {
      backoffLimit: 0,
      podReplacementPolicy: 'Failed',
      activeDeadlineSeconds: request.activeDeadlineSeconds,
      ...(!settings.retainJobs && { ttlSecondsAfterFinished: TTL_S }),
      template: {
        metadata: { labels, annotations: { ...template.annotations, ...POD_ANNOTATIONS } },
        spec: {
          nodeName: node.metadata.name,
          restartPolicy: 'Never',
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          terminationGracePeriodSeconds: 1,
          dnsPolicy: 'Default',
          tolerations: [{ operator: 'Exists' }],
          ...(serviceAccountName && { serviceAccountName }),
          ...(priorityClassName && { priorityClassName }),
          ...(template.runtimeClassName && { runtimeClassName: template.runtimeClassName }),
          ...(secrets.size > 0 && { imagePullSecrets: [...secrets].map(name => ({ name })) }),
          securityContext: {
            runAsNonRoot: true,
            runAsUser: 65532,
            runAsGroup: 65532,
            seccompProfile: { type: 'RuntimeDefault' },
          },
          ...(request.method === 'containers'
            ? byContainers(request.images, settings.helperImage, resources)
            : byVolumes(request.images, settings.helperImage, resources, request.method)),
        },
      },
    },
  }
}

/** Pull by image volumes: helper containers mount the images. Nothing in the images is executed. */
function byVolumes(
  images: readonly DesiredImage[],
  helperImage: string,
  resources: Resources,
  method: 'batch' | 'single',
): Record<string, unknown> {
  const mount = (index: number) => ({
    name: pullVolume(index),
    mountPath: `/images/${index}`,
    readOnly: true,
  })
  const container = (name: string, volumeMounts: unknown[]) => ({
    name,
    image: helperImage,
    imagePullPolicy: 'IfNotPresent',
    command: ['/bin/echo', 'Image pulled successfully!'],
    resources,
    securityContext: SECURITY_CONTEXT,
    volumeMounts,
  })
  return {
    volumes: images.map((image, index) => ({
      name: pullVolume(index),
      image: { reference: image.image, pullPolicy: image.pullPolicy },
    })),
    containers:
      method === 'single'
        ? images.map((_, index) => container(pullContainer(method, index, images.length), [mount(index)]))
        : [
            container(
              pullContainer(method, 0, images.length),
              images.map((_, index) => mount(index)),
            ),
          ],
  }
}

/**
 * Pull by containers: each image's container runs the injected static binary.
 * Nothing in the image is executed.
 */
function byContainers(
  images: readonly DesiredImage[],
  helperImage: string,
  resources: Resources,
): Record<string, unknown> {
  const common = { resources, securityContext: SECURITY_CONTEXT }
  const mount = { name: 'tmp-bin', mountPath: BIN }
  return {
    volumes: [{ name: 'tmp-bin', emptyDir: { sizeLimit: '16Mi' } }],
    initContainers: [
      {
        name: COPY_CONTAINER,
        image: helperImage,
        imagePullPolicy: 'IfNotPresent',
        command: ['/bin/cp', '/bin/echo', BIN],
        ...common,
        volumeMounts: [mount],
      },
    ],
    containers: images.map((image, index) => ({
      name: pullContainer('containers', index, images.length),
      image: image.image,
      imagePullPolicy: image.pullPolicy,
      command: [`${BIN}/echo`, 'Image pulled successfully!'],
      ...common,
      volumeMounts: [{ ...mount, readOnly: true }],
    })),
  }
}

/** A valid label value for a cache name of up to 253 characters. An annotation has the whole name. */
function cacheLabel(name: string): string {
  if (name.length <= MAX_LABEL_LENGTH) return name
  return `${name.slice(0, MAX_LABEL_LENGTH - 9)}-${shortHash(name)}`
}
