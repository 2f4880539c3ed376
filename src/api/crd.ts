import { GROUP, VERSION } from './constants.ts'
import { imageCacheSpec, imageCacheStatus } from './image-cache.ts'
import { nodeImagesSpec, nodeImagesStatus } from './node-images.ts'
import { structural, type StructuralSchema } from './structural.ts'

/** The CustomResourceDefinitions, created from the schemas of `ImageCache` and `NodeImages`. */

/** A column of `kubectl get`. A column with a priority is shown only with `-o wide`. */
interface PrinterColumn {
  readonly name: string
  readonly type: 'string' | 'date' | 'integer'
  readonly jsonPath: string
  readonly description?: string
  readonly priority?: number
}

/** apiextensions.k8s.io/v1 CustomResourceDefinition, with the fields of ours. */
export interface CustomResourceDefinition {
  readonly apiVersion: 'apiextensions.k8s.io/v1'
  readonly kind: 'CustomResourceDefinition'
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> }
  readonly spec: {
    readonly group: string
    readonly scope: 'Namespaced' | 'Cluster'
    readonly names: Names
    readonly versions: readonly {
      readonly name: string
      readonly served: boolean
      readonly storage: boolean
      readonly subresources?: { readonly status: Readonly<Record<string, never>> }
      readonly additionalPrinterColumns: readonly PrinterColumn[]
      readonly schema: { readonly openAPIV3Schema: StructuralSchema }
    }[]
  }
}

interface Names {
  readonly kind: string
  readonly listKind: string
  readonly plural: string
  readonly singular: string
  readonly shortNames: readonly string[]
}

interface Resource {
  readonly scope: 'Namespaced' | 'Cluster'
  /** True where `status` is written apart from the rest. False: one write can change both. */
  readonly hasStatusSubresource: boolean
  readonly names: Names
  readonly columns: readonly PrinterColumn[]
  readonly schema: StructuralSchema
}

const AGE: PrinterColumn = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' }

/** `imagecaches.kubefledged.io`. */
export const imageCacheCrd: CustomResourceDefinition = definition({
  scope: 'Namespaced',
  hasStatusSubresource: true,
  names: {
    kind: 'ImageCache',
    listKind: 'ImageCacheList',
    plural: 'imagecaches',
    singular: 'imagecache',
    shortNames: ['ic'],
  },
  columns: [
    { name: 'Status', type: 'string', jsonPath: '.status.status' },
    {
      name: 'Images',
      type: 'string',
      jsonPath: '.status.summary.images',
      description: 'Images that are on all of their nodes, of those wanted',
    },
    {
      name: 'Nodes',
      type: 'string',
      jsonPath: '.status.summary.nodes',
      description: 'Nodes that have all their images, of the nodes that must have images',
    },
    { name: 'Reason', type: 'string', jsonPath: '.status.reason', priority: 1 },
    { name: 'Message', type: 'string', jsonPath: '.status.message', priority: 1 },
    AGE,
  ],
  schema: object({
    description: 'ImageCache says which images the nodes must have.',
    spec: { ...structural(imageCacheSpec), description: 'Which images the nodes must have.' },
    status: { ...structural(imageCacheStatus), description: 'What they hold. Written by the controller.' },
    required: ['spec'],
  }),
})

/** `nodeimages.kubefledged.io`. */
export const nodeImagesCrd: CustomResourceDefinition = definition({
  scope: 'Cluster',
  hasStatusSubresource: false,
  names: {
    kind: 'NodeImages',
    listKind: 'NodeImagesList',
    plural: 'nodeimages',
    singular: 'nodeimages',
    shortNames: ['ni'],
  },
  columns: [
    {
      name: 'Desired',
      type: 'integer',
      jsonPath: '.status.counts.desired',
      description: 'Images that the node is to hold',
    },
    {
      name: 'Present',
      type: 'integer',
      jsonPath: '.status.counts.present',
      description: 'Of these, images that are on the node',
    },
    {
      name: 'Failed',
      type: 'integer',
      jsonPath: '.status.counts.failed',
      description: 'Images whose last pull or removal failed',
    },
    {
      name: 'Removing',
      type: 'integer',
      jsonPath: '.status.counts.removing',
      description: 'Images that are being removed',
      priority: 1,
    },
    { name: 'Node UID', type: 'string', jsonPath: '.status.nodeUid', priority: 1 },
    AGE,
  ],
  schema: object({
    description:
      'NodeImages is the ledger of one node: the images that it must have and what happened to them.',
    spec: {
      ...structural(nodeImagesSpec),
      description: 'Which images the node must have. Written by the controller.',
    },
    status: { ...structural(nodeImagesStatus), description: 'What happened to each image on the node.' },
    required: [],
  }),
})

function definition({
  scope,
  hasStatusSubresource,
  names,
  columns,
  schema,
}: Resource): CustomResourceDefinition {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `${names.plural}.${GROUP}`,
      labels: { app: 'kubefledged', kubefledged: 'kubefledged-controller' },
    },
    spec: {
      group: GROUP,
      scope,
      names,
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          ...(hasStatusSubresource && { subresources: { status: {} } }),
          additionalPrinterColumns: columns,
          schema: { openAPIV3Schema: schema },
        },
      ],
    },
  }
}

function object(parts: {
  readonly description: string
  readonly spec: StructuralSchema
  readonly status: StructuralSchema
  readonly required: string[]
}): StructuralSchema {
  return {
    description: parts.description,
    type: 'object',
    properties: {
      apiVersion: { type: 'string', description: 'Group and version of this object.' },
      kind: { type: 'string', description: 'Kind of this object.' },
      metadata: { type: 'object' },
      spec: parts.spec,
      status: parts.status,
    },
    ...(parts.required.length > 0 && { required: parts.required }),
  }
}
