import * as z from 'zod'
import type { KubeObject } from './object.ts'
import { nodeSelector, toleration, imagePullSecret, duration, quantity } from './common.ts'

/** `ImageCache`: which images belong on which nodes. The types and the CRD are generated from this schema. */

const cacheList = z.object({
  images: z.array(z.string()).meta({ description: 'References of the images that the nodes must have.' }),
  nodeSelector: z
    .record(z.string(), z.string())
    .optional()
    .meta({ description: 'A node must have all these labels. Absent or empty: every node.' }),
  nodeAffinity: nodeSelector.optional().meta({
    description: 'As in a Pod: a node must match one of the terms. It must match nodeSelector as well.',
  }),
  tolerations: z.array(toleration).optional().meta({
    description:
      'Selects only nodes whose NoSchedule and NoExecute taints are all tolerated. Absent: every taint is tolerated.',
  }),
})

const refresh = z.object({
  interval: duration.optional().meta({ description: 'Time between two refreshes, such as 30m. 0s: never.' }),
  schedule: z
    .string()
    .optional()
    .meta({ maxLength: 256, description: 'Times of refreshes, as a cron expression. Overrides interval.' }),
  timeZone: z
    .string()
    .optional()
    .meta({ maxLength: 64, description: 'Time zone of schedule, such as Europe/Berlin. Absent: UTC.' }),
  suspend: z.boolean().optional().meta({ description: 'If true, this cache has no periodic refresh.' }),
})

const jobTemplate = z.object({
  labels: z.record(z.string(), z.string()).optional().meta({ description: 'Labels added to Jobs and Pods.' }),
  annotations: z
    .record(z.string(), z.string())
    .optional()
    .meta({ description: 'Annotations added to Jobs and Pods.' }),
  resources: z
    .object({
      requests: z.record(z.string(), quantity).optional(),
      limits: z.record(z.string(), quantity).optional(),
    })
    .optional()
    .meta({
      description:
        'Resources of each container. Replaces the default requests (1m CPU, 16Mi memory, 1Mi ephemeral-storage) and limits.',
    }),
  priorityClassName: z.string().optional().meta({
    maxLength: 253,
    description:
      'Priority class of the Pods. Only if --job-template-allow names this field. Never a class that begins with system-.',
  }),
  serviceAccountName: z.string().optional().meta({
    maxLength: 253,
    description:
      "Service account of the Pods, in the cache's namespace. Its pull secrets are used too. Only if --job-template-allow names this field.",
  }),
  runtimeClassName: z.string().optional().meta({
    maxLength: 253,
    description: 'Runtime class of the Pods. Only if --job-template-allow names this field.',
  }),
})

const failure = z.object({
  node: z.string().meta({ description: "The node's kubernetes.io/hostname label." }),
  reason: z.string(),
  message: z.string(),
})

const imageStatus = z.object({
  image: z.string(),
  digest: z.string().optional().meta({
    description: 'Digest of the image on the nodes. Absent if it is unknown or differs between nodes.',
  }),
  desired: z.int32().meta({ description: 'Number of nodes that must have the image.' }),
  present: z.int32().meta({ description: 'Number of nodes that have the image.' }),
  pulling: z.int32().optional().meta({ description: 'Number of nodes that are pulling the image.' }),
  failed: z.int32().optional().meta({ description: 'Number of nodes where the last pull failed.' }),
})

const keptImages = z.object({
  image: z.string(),
  reason: z
    .string()
    .meta({ description: 'InUse, WantedByOthers, NotOurs, or the reason why the node gets no work.' }),
  message: z.string().optional().meta({ description: 'What uses the image on the first of the nodes.' }),
  count: z.int32().meta({ description: 'Number of nodes.' }),
  examples: z.array(z.string()),
})

const condition = z.object({
  type: z.string(),
  status: z.enum(['True', 'False', 'Unknown']),
  reason: z.string(),
  message: z.string(),
  lastTransitionTime: z.iso.datetime(),
  observedGeneration: z.int().optional(),
})

/** `spec` of an ImageCache. */
export const imageCacheSpec = z.object({
  cacheSpec: z.array(cacheList).meta({ description: 'Lists of images, each with a selection of nodes.' }),
  imagePullSecrets: z
    .array(imagePullSecret)
    .optional()
    .meta({ description: "Pull secrets in the cache's namespace." }),
  pullPolicy: z
    .enum(['IfNotPresent', 'Always'])
    .optional()
    .meta({ description: 'Overrides --image-pull-policy for this cache.' }),
  pullDeadline: duration.optional().meta({
    description:
      'Maximum time for the pull of one image on one node. Overrides --image-pull-deadline-duration for this cache.',
  }),
  refresh: refresh
    .optional()
    .meta({ description: 'Overrides --image-cache-refresh-frequency for this cache.' }),
  suspend: z
    .boolean()
    .optional()
    .meta({ description: 'If true, the controller does nothing for this cache.' }),
  deletionPolicy: z.enum(['Retain', 'Purge']).optional().meta({
    description:
      'What happens to the images when this object is deleted. Retain (the default): they stay on the nodes. Purge: they are removed first.',
  }),
  jobTemplate: jobTemplate
    .optional()
    .meta({ description: 'Additions to the Jobs that pull for this cache.' }),
})

/**
 * `status` of an ImageCache. The first six fields are those of kube-fledged 0.11.
 * They change only with actions.
 */
export const imageCacheStatus = z.object({
  status: z
    .string()
    .optional()
    .meta({ description: 'Processing, Succeeded, Failed or NoImagesPulledOrDeleted.' }),
  reason: z.string().optional().meta({ description: 'The action that status is about.' }),
  message: z.string().optional(),
  failures: z
    .record(z.string(), z.array(failure))
    .optional()
    .meta({ description: 'Failures by image: the node and the reason. At most 10 nodes per image.' }),
  startTime: z.iso.datetime().optional().meta({ description: 'When the last action started.' }),
  completionTime: z.iso
    .datetime()
    .optional()
    .meta({ description: 'When the last action ended. Absent while it runs.' }),
  moreFailures: z
    .int32()
    .optional()
    .meta({ description: 'Number of failures that are not listed because the object would be too large.' }),
  observedGeneration: z.int().optional(),
  refreshRevision: z.int().optional().meta({
    description:
      'Number of refreshes that were requested by annotation. Each node pulls again when it grows.',
  }),
  refreshAnnotation: z.string().optional().meta({
    description:
      'Short hash of the value of the refresh annotation that the running or last refresh answers.',
  }),
  purgeRevision: z
    .int()
    .optional()
    .meta({ description: 'Number of purges that were requested by annotation.' }),
  purgeAnnotation: z.string().optional().meta({
    description: 'Short hash of the value of the purge annotation that the running or last purge answers.',
  }),
  conditions: z
    .array(condition)
    .optional()
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] }),
  nodes: z.object({ desired: z.int32(), ready: z.int32(), skipped: z.int32().optional() }).optional().meta({
    description: 'Number of nodes that must have images, that have all of them, and that are skipped.',
  }),
  skipped: z
    .array(z.object({ reason: z.string(), count: z.int32(), examples: z.array(z.string()) }))
    .optional()
    .meta({ description: 'Nodes that match the selectors but get no work, by reason.' }),
  kept: z
    .array(keptImages)
    .optional()
    .meta({ description: 'Images that a removal kept on nodes, by reason.' }),
  moreKept: z.int32().optional().meta({
    description: 'Number of kept images that are not listed because the object would be too large.',
  }),
  images: z.array(imageStatus).optional(),
  moreImages: z
    .int32()
    .optional()
    .meta({ description: 'Number of images that are not listed because the object would be too large.' }),
  summary: z
    .object({ images: z.string(), nodes: z.string() })
    .optional()
    .meta({ description: 'ready/desired, for the columns of kubectl get.' }),
})

/** `spec` of an ImageCache. */
export type ImageCacheSpec = z.infer<typeof imageCacheSpec>
/** `status` of an ImageCache. */
export type ImageCacheStatus = z.infer<typeof imageCacheStatus>
/** One list of images with its selection of nodes. */
export type CacheList = z.infer<typeof cacheList>
/** One entry of `status.failures`. */
export type Failure = z.infer<typeof failure>
/** One entry of `status.images`. */
export type ImageStatus = z.infer<typeof imageStatus>
/** One entry of `status.kept`. */
export type KeptImages = z.infer<typeof keptImages>
/** One condition, as in core Kubernetes. */
export type Condition = z.infer<typeof condition>

/** An ImageCache as the API server returns it. */
export interface ImageCache extends KubeObject {
  readonly spec: ImageCacheSpec
  readonly status?: ImageCacheStatus
}
