import * as z from 'zod'

/** Schemas of core Kubernetes types that our schemas use. */

const requirement = z.object({
  key: z.string(),
  operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt']),
  values: z.array(z.string()).optional(),
})

const term = z.object({
  matchExpressions: z.array(requirement).optional(),
  matchFields: z.array(requirement).optional(),
})

/** core/v1 NodeSelector: at least one of the terms must match. */
export const nodeSelector = z
  .object({ nodeSelectorTerms: z.array(term) })
  .meta({ 'x-kubernetes-map-type': 'atomic' })

/** core/v1 Toleration. */
export const toleration = z.object({
  key: z.string().optional(),
  operator: z.enum(['Exists', 'Equal']).optional(),
  value: z.string().optional(),
  effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']).optional(),
  tolerationSeconds: z.int().optional(),
})

/** core/v1 LocalObjectReference. */
export const imagePullSecret = z
  .object({ name: z.string().optional() })
  .meta({ 'x-kubernetes-map-type': 'atomic' })

/** A Go duration: `90s`, `5m`, `1h30m`. */
export const duration = z.string().meta({
  'x-kubernetes-validations': [
    {
      rule: "self == '' || self.matches('^([0-9]+([.][0-9]+)?(ns|us|µs|ms|s|m|h))+$')",
      message: 'must be a duration such as 90s, 5m or 1h30m',
    },
  ],
  maxLength: 64,
})

/** A resource.Quantity: `100m`, `64Mi`, `2`. */
export const quantity = z.union([z.int(), z.string()]).meta({
  'x-kubernetes-int-or-string': true,
  pattern: '^[+]?([0-9]+([.][0-9]*)?|[.][0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$',
  maxLength: 32,
})

/** core/v1 NodeSelector. */
export type NodeSelector = z.infer<typeof nodeSelector>
/** One term of a NodeSelector. */
export type NodeSelectorTerm = z.infer<typeof term>
/** One requirement of a term. */
export type NodeSelectorRequirement = z.infer<typeof requirement>
/** core/v1 Toleration. */
export type Toleration = z.infer<typeof toleration>
