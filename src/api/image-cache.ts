import * as z from 'zod'
import type { KubeObject } from './object.ts'
import { nodeSelector, toleration, imagePullSecret, duration, quantity } from './common.ts'

/** `ImageCache`: which images belong on which nodes. The schema is the one source of the types and of the CRD. */

const cacheList = z.object({
  images: z.array(z.string()).meta({ description: 'References of the images that the nodes shall hold.' }),
  nodeSelector: z
    .record(z.string(), z.string())
    .optional()
    .meta({ description: 'Labels that a node must have, all of them. Absent or empty: every node.' }),
  nodeAffinity: nodeSelector
    .optional()
    .meta({ description: 'As in a Pod: a node must match one of the terms, and nodeSelector as well.' }),
  tolerations: z.array(toleration).optional().meta({
    description:
      'When given, only nodes whose NoSchedule and NoExecute taints these tolerate. Absent: every taint is tolerated.',
  }),
})

const refresh = z.object({
  interval: duration.optional().meta({ description: 'How often, such as 30m; 0s: never.' }),
  schedule: z
    .string()
    .optional()
    .meta({ maxLength: 256, description: 'When, as a cron expression; goes before interval.' }),
  timeZone: z
    .string()
    .optional()
    .meta({ maxLength: 64, description: 'Of the schedule, such as Europe/Berlin; absent: UTC.' }),
  suspend: z.boolean().optional().meta({ description: 'No periodic refresh of this cache.' }),
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
        'Of each container, in place of requests of 1m CPU, 16Mi memory and 1Mi ephemeral-storage and their limits.',
    }),
  priorityClassName: z.string().optional().meta({
    maxLength: 253,
    description: 'Of the Pods. Only where --job-template-allow has it; never a system- class.',
  }),
  serviceAccountName: z.string().optional().meta({
    maxLength: 253,
    description:
      "Of the Pods, in the cache's namespace; its pull secrets count. Only where --job-template-allow has it.",
  }),
  runtimeClassName: z
    .string()
    .optional()
    .meta({ maxLength: 253, description: 'Of the Pods. Only where --job-template-allow has it.' }),
})

const failure = z.object({
  node: z.string().meta({ description: "The node's kubernetes.io/hostname label." }),
  reason: z.string(),
  message: z.string(),
})

const imageStatus = z.object({
  image: z.string(),
  digest: z
    .string()
    .optional()
    .meta({ description: 'What the nodes hold, where that is known and the same on all.' }),
  desired: z.int32().meta({ description: 'Nodes that shall hold it.' }),
  present: z.int32().meta({ description: 'Nodes that hold it.' }),
  pulling: z.int32().optional().meta({ description: 'Nodes that are pulling it.' }),
  failed: z.int32().optional().meta({ description: 'Nodes where the last attempt failed.' }),
})

const keptImages = z.object({
  image: z.string(),
  reason: z.string().meta({ description: 'InUse, WantedByOthers, NotOurs, or why the node gets no work.' }),
  message: z.string().optional().meta({ description: 'Who uses it, on the first of the nodes.' }),
  count: z.int32().meta({ description: 'Nodes.' }),
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
  cacheSpec: z.array(cacheList).meta({ description: 'Lists of images, each with the nodes that it is for.' }),
  imagePullSecrets: z
    .array(imagePullSecret)
    .optional()
    .meta({ description: "Secrets in the cache's namespace that the kubelet pulls with." }),
  pullPolicy: z
    .enum(['IfNotPresent', 'Always'])
    .optional()
    .meta({ description: 'Overrides --image-pull-policy for this cache.' }),
  pullDeadline: duration.optional().meta({
    description: 'Overrides --image-pull-deadline-duration for this cache. Counts per image.',
  }),
  refresh: refresh
    .optional()
    .meta({ description: 'Overrides --image-cache-refresh-frequency for this cache.' }),
  suspend: z.boolean().optional().meta({ description: 'Do nothing for this cache.' }),
  deletionPolicy: z.enum(['Retain', 'Purge']).optional().meta({
    description:
      'What becomes of the images when this object is deleted: Retain (the default) leaves them on the nodes, Purge removes them first.',
  }),
  jobTemplate: jobTemplate
    .optional()
    .meta({ description: 'Additions to the Jobs that pull for this cache.' }),
})

/** `status` of an ImageCache. The first six fields are the old ones; they follow actions only. */
export const imageCacheStatus = z.object({
  status: z
    .string()
    .optional()
    .meta({ description: 'Processing, Succeeded, Failed, NoImagesPulledOrDeleted.' }),
  reason: z.string().optional().meta({ description: 'The action that status speaks of.' }),
  message: z.string().optional(),
  failures: z
    .record(z.string(), z.array(failure))
    .optional()
    .meta({ description: 'By image: where it failed and why, at most 10 nodes each.' }),
  startTime: z.iso.datetime().optional().meta({ description: 'When the last action began.' }),
  completionTime: z.iso.datetime().optional().meta({ description: 'When it ended; absent while it runs.' }),
  moreFailures: z.int32().optional().meta({ description: 'Failures that are not listed for want of room.' }),
  observedGeneration: z.int().optional(),
  refreshRevision: z.int().optional().meta({
    description:
      'Number of refreshes that were asked for by annotation. Each node pulls again for a new number.',
  }),
  refreshAnnotation: z.string().optional().meta({
    description:
      'Short hash of the value of the refresh annotation that the running or last refresh carries out.',
  }),
  purgeRevision: z.int().optional().meta({ description: 'Number of purges that were asked for.' }),
  conditions: z
    .array(condition)
    .optional()
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] }),
  nodes: z
    .object({ desired: z.int32(), ready: z.int32(), skipped: z.int32().optional() })
    .optional()
    .meta({ description: 'Nodes that shall be warm, that are, and that are left out.' }),
  skipped: z
    .array(z.object({ reason: z.string(), count: z.int32(), examples: z.array(z.string()) }))
    .optional()
    .meta({ description: 'Nodes that the selectors match and that get no work, by reason.' }),
  kept: z
    .array(keptImages)
    .optional()
    .meta({ description: 'Images that were to be removed and stay on nodes, by reason.' }),
  moreKept: z.int32().optional().meta({ description: 'Kept images that are not listed for want of room.' }),
  images: z.array(imageStatus).optional(),
  moreImages: z.int32().optional().meta({ description: 'Images that are not listed for want of room.' }),
  summary: z
    .object({ images: z.string(), nodes: z.string() })
    .optional()
    .meta({ description: 'ready/desired, for the columns of kubectl get.' }),
})

/** `spec` of an ImageCache. */
export type ImageCacheSpec = z.infer<typeof imageCacheSpec>
/** `status` of an ImageCache. */
export type ImageCacheStatus = z.infer<typeof imageCacheStatus>
/** One list of images and the nodes that it is for. */
export type CacheList = z.infer<typeof cacheList>
/** One entry of `status.failures`. */
export type Failure = z.infer<typeof failure>
/** One entry of `status.images`. */
export type ImageStatus = z.infer<typeof imageStatus>
/** One entry of `status.kept`. */
export type KeptImages = z.infer<typeof keptImages>
/** One condition, as in core Kubernetes. */
export type Condition = z.infer<typeof condition>

/** The object as the API server gives it. */
export interface ImageCache extends KubeObject {
  readonly spec: ImageCacheSpec
  readonly status?: ImageCacheStatus
}
