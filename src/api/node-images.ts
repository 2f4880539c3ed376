import * as z from 'zod'
import { imagePullSecret } from './common.ts'
import type { KubeObject } from './object.ts'

/**
 * `NodeImages`: one object per Node, named after it and owned by it.
 * `spec` is the plan: which images the node holds and which are removed from it.
 * `status` is the ledger: what is known of each of these images.
 * Only the controller writes it. People read it.
 */

const pullPolicy = z.enum(['IfNotPresent', 'Always'])

const revision = z.int().meta({
  description: 'Number of the request. A newer request has a greater number. An answer repeats the number.',
})

const owners = z.array(z.string()).meta({
  description: 'Short hashes of the UIDs of the caches that ask for this. spec.owners has their names.',
})

const planOwner = z.object({
  cache: z.string().meta({ description: 'namespace/name of the ImageCache.' }),
  generation: z.int().optional().meta({ description: 'Generation of its spec that this plan follows.' }),
  refresh: z.int().optional().meta({ description: 'Number of its last refresh that this plan follows.' }),
  purge: z.int().optional().meta({
    description: 'Number of its last purge that this plan follows. -1: the purge of its deletion.',
  }),
})

const desiredImage = z.object({
  image: z.string(),
  credential: z.string().optional().meta({
    description: 'Absent: no pull secrets. Else the namespace and a hash of their names.',
  }),
  pullSecrets: z.array(imagePullSecret).optional(),
  pullPolicy,
  revision,
  registryDigest: z.string().optional().meta({
    description: 'Digest that the registry gave for the tag when this revision was made.',
  }),
  refreshRound: z.string().optional().meta({
    description: 'Round of the periodic refresh that asked for this image last.',
  }),
  owners,
  lists: z.array(z.string()).optional().meta({
    description: 'Short hashes of the lists that ask for it, for caches that have several lists.',
  }),
})

const removal = z.object({
  image: z.string(),
  credential: z.string().optional(),
  revision,
  owners,
  stays: z.enum(['WantedByOthers', 'NotOurs']).optional().meta({ description: 'Why it is not removed.' }),
})

const presence = z.object({
  state: z.enum(['Present', 'Absent']),
  since: z.iso.datetime().meta({ description: 'When this was last proved.' }),
  by: z.enum(['Job', 'NodeList']).meta({
    description: 'What proved it: a Job, or the image list in the status of the Node.',
  }),
  revision: z
    .int()
    .optional()
    .meta({ description: 'Newest request for which the image is known to be there.' }),
  digest: z.string().optional().meta({ description: 'Digest that the runtime reports.' }),
  registryDigest: z.string().optional().meta({
    description: 'Digest that the registry gave for the tag when the pull was asked for.',
  }),
  diskPressureAt: z.string().optional().meta({
    description: 'When the last DiskPressure of the node had ended at that moment, by the clock of the node.',
  }),
  pulls: z.int32().optional().meta({
    description: 'Pulls since the registry gave this digest, where there were several: a mirror may lag.',
  }),
  unlisted: z.boolean().optional().meta({
    description:
      'A Job proved the image although no list of the Node has shown it: the list leaves images out.',
  }),
  listed: z.boolean().optional().meta({
    description: 'The image list of the Node has shown the image since it was proved.',
  }),
})

const outcome = {
  revision,
  count: z.int32().optional().meta({
    description: 'Attempts without success since the last success or the last request.',
  }),
  reason: z.string().optional(),
  message: z.string().optional().meta({
    description: 'Words of the registry, the kubelet or the runtime, at most 256 bytes.',
  }),
  id: z.string().optional().meta({ description: 'Name of the attempt at its engine: end of the Job name.' }),
  startedAt: z.iso.datetime().optional(),
  finishedAt: z.iso.datetime().optional(),
}

const ownerFailure = z.object({
  owner: z.string(),
  revision,
  count: z.int32(),
  reason: z.string().optional(),
  message: z.string().optional(),
  finishedAt: z.iso.datetime().optional(),
})

const attempt = z.object({
  state: z.enum(['Pulling', 'Succeeded', 'Failed', 'Unproven', 'Unknown']).meta({
    description:
      'Unproven: it shared a Job that failed, and gets a container of its own. Unknown: nothing was learned.',
  }),
  ...outcome,
  owner: z.string().optional().meta({
    description:
      'Short hash of the UID of the cache whose Job this was, where several caches want the image. A failure with it counts for that cache alone.',
  }),
  otherFailures: z.array(ownerFailure).optional().meta({
    description: 'Failures that count for one of the other caches alone.',
  }),
})

const removalState = z.object({
  state: z.enum(['Waiting', 'Removing', 'Removed', 'Kept', 'Failed']),
  ...outcome,
})

const ledgerEntry = z.object({
  image: z.string(),
  credential: z.string().optional(),
  presence: presence.optional().meta({ description: 'Whether the image is on the node.' }),
  attempt: attempt.optional().meta({ description: 'The last attempt to pull it.' }),
  removal: removalState.optional().meta({ description: 'The last request to remove it.' }),
  owners: z.array(z.string()).optional().meta({
    description: 'Caches that want the image, or the last that wanted it: as in spec.',
  }),
  lists: z.array(z.string()).optional().meta({
    description: 'Lists that want the image, or the last that wanted it: as in spec.',
  }),
  pulledByUs: z.boolean().optional().meta({
    description: 'False where the image is known to have been there before the operator asked for it.',
  }),
})

/** `spec` of a NodeImages. */
export const nodeImagesSpec = z.object({
  revision: z.int().optional().meta({ description: 'Greatest number that a request of this node has.' }),
  owners: z.record(z.string(), planOwner).optional().meta({
    description: 'The caches behind the short hashes, and which of their requests the plan follows.',
  }),
  images: z.array(desiredImage).optional(),
  crowdedOut: z.array(z.string()).optional().meta({
    description: 'Short hashes of the UIDs of caches with images that this object has no room for.',
  }),
  remove: z.array(removal).optional().meta({ description: 'Images that are to be removed from the node.' }),
})

/** `status` of a NodeImages. */
export const nodeImagesStatus = z.object({
  nodeUid: z.string().optional().meta({
    description: 'UID of the Node that this ledger is about. For another Node the ledger starts empty.',
  }),
  machineId: z.string().optional(),
  counts: z
    .object({
      desired: z.int32(),
      present: z.int32(),
      failed: z.int32(),
      removing: z.int32(),
    })
    .optional()
    .meta({ description: 'Number of images, for the columns of kubectl get.' }),
  images: z.array(ledgerEntry).optional(),
})

/** One image that a node is to hold. */
export type DesiredImage = z.infer<typeof desiredImage>
/** One image that is to be removed from a node. */
export type Removal = z.infer<typeof removal>
/** A cache that a plan follows. */
export type PlanOwner = z.infer<typeof planOwner>
/** What is known of one image on a node. */
export type LedgerEntry = z.infer<typeof ledgerEntry>
/** Whether an image is on a node. */
export type Presence = z.infer<typeof presence>
/** The last attempt to pull an image. */
export type Attempt = z.infer<typeof attempt>
/** The last request to remove an image. */
export type RemovalState = z.infer<typeof removalState>
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

/** Key of an entry within one node: the image and the credential that it is pulled with. */
export function entryKey(entry: {
  readonly image: string
  readonly credential?: string | undefined
}): string {
  return entry.credential ? `${entry.image} ${entry.credential}` : entry.image
}
