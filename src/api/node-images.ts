import * as z from 'zod'
import type { KubeObject } from './object.ts'
import { imagePullSecret } from './common.ts'

/**
 * `NodeImages`: one per Node, named after it and owned by it. `spec` is what the node shall hold, `status` the ledger
 * of what happened there. Written by the controller; people read it.
 */

const pullPolicy = z.enum(['IfNotPresent', 'Always'])

const desiredImage = z.object({
  image: z.string(),
  credential: z
    .string()
    .optional()
    .meta({ description: 'Absent: no pull secrets. Else the namespace and a hash of their names.' }),
  pullSecrets: z.array(imagePullSecret).optional(),
  pullPolicy,
  digest: z
    .string()
    .optional()
    .meta({ description: 'What the registry last said the tag stands for, before this was pulled.' }),
  digestAt: z.iso
    .datetime()
    .optional()
    .meta({ description: 'When it first said so; a pull that began earlier may have brought another.' }),
  owners: z.array(z.string()).meta({ description: 'Short hashes of the UIDs of the caches that want it.' }),
  lists: z.array(z.string()).optional().meta({
    description: 'Short hashes of the lists that want it, of caches that have several.',
  }),
  requestedAt: z.iso
    .datetime()
    .meta({ description: 'A verification that answers an older request does not count.' }),
})

const removal = z.object({
  image: z.string(),
  credential: z.string().optional(),
  owners: z
    .array(z.string())
    .meta({ description: 'Short hashes of the UIDs of the caches that want it gone.' }),
  requestedAt: z.iso.datetime().meta({ description: 'An answer to an older request does not count.' }),
  stays: z.enum(['WantedByOthers', 'NotOurs']).optional().meta({ description: 'Why it is not removed.' }),
})

const ledgerEntry = z.object({
  image: z.string(),
  credential: z.string().optional(),
  state: z.enum(['Pending', 'Pulling', 'Present', 'Failed', 'Removing']),
  digest: z.string().optional().meta({ description: 'What the runtime reports, where it does.' }),
  registryDigest: z
    .string()
    .optional()
    .meta({ description: 'What the registry said the tag stands for when the pull was asked for.' }),
  requestedAt: z.iso.datetime().optional().meta({ description: 'The request that this state answers.' }),
  verifiedAt: z.iso.datetime().optional().meta({ description: 'When the image was last proved present.' }),
  listed: z
    .boolean()
    .optional()
    .meta({ description: "The node's own image list has shown it since it was verified." }),
  attempts: z.int32().optional().meta({ description: 'Failed attempts since the last success or request.' }),
  reason: z.string().optional(),
  message: z
    .string()
    .optional()
    .meta({ description: "The registry's or the kubelet's words, 256 bytes at most." }),
  job: z.string().optional().meta({ description: 'Last part of the name of the Job that this came from.' }),
  startedAt: z.iso.datetime().optional(),
  finishedAt: z.iso.datetime().optional(),
  owners: z
    .array(z.string())
    .optional()
    .meta({ description: 'Caches that want the image, or the last that did: as in spec.' }),
  lists: z
    .array(z.string())
    .optional()
    .meta({ description: 'Lists that want the image, or the last that did: as in spec.' }),
  pulledByUs: z
    .boolean()
    .optional()
    .meta({ description: 'False only where the image is known to have been there before.' }),
})

/** `spec` of a NodeImages. */
export const nodeImagesSpec = z.object({
  images: z.array(desiredImage).optional(),
  crowdedOut: z.array(z.string()).optional().meta({
    description: 'Short hashes of the UIDs of caches with images that this object has no room for.',
  }),
  remove: z.array(removal).optional().meta({ description: 'Images that caches want removed from the node.' }),
})

/** `status` of a NodeImages. */
export const nodeImagesStatus = z.object({
  observedGeneration: z.int().optional(),
  nodeUid: z
    .string()
    .optional()
    .meta({ description: 'The Node that this ledger speaks of; another one starts empty.' }),
  machineId: z.string().optional(),
  images: z.array(ledgerEntry).optional(),
})

/** One image that a node shall hold. */
export type DesiredImage = z.infer<typeof desiredImage>
/** One image that is to be removed from a node. */
export type Removal = z.infer<typeof removal>
/** What happened to one image on a node. */
export type LedgerEntry = z.infer<typeof ledgerEntry>
/** `IfNotPresent` or `Always`. */
export type PullPolicy = z.infer<typeof pullPolicy>
/** `status` of a NodeImages. */
export type NodeImagesStatus = z.infer<typeof nodeImagesStatus>
/** `spec` of a NodeImages. */
export type NodeImagesSpec = z.infer<typeof nodeImagesSpec>

/** The object as the API server gives it. */
export interface NodeImages extends KubeObject {
  readonly spec?: NodeImagesSpec
  readonly status?: NodeImagesStatus
}

/** Key of an entry within one node: the image and what it is pulled with. */
export function entryKey(entry: {
  readonly image: string
  readonly credential?: string | undefined
}): string {
  return entry.credential ? `${entry.image} ${entry.credential}` : entry.image
}
