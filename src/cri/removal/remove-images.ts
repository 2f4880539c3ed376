import { setTimeout as delay } from 'node:timers/promises'
import {
  type CriClient,
  CriError,
  type RemovalPlan,
  type RemovalStep,
  type RuntimeVersion,
  type RemovalDecision,
  type ShortNames,
  isCriError,
  resolveShortNames,
  planRemoval,
  traitsOf,
} from '../index.ts'
import type { Logger } from '../../base/logger.ts'
import type { RemovalRequest } from './request.ts'
import type { RemovalAnswer, RemovalResult } from './result.ts'

/**
 * Images that are removed at the same time, after one check of what is in use. containerd runs a garbage
 * collection after each removal, which parallel removals share: 50 images take 0.6 s instead of 3.7 s.
 */
const BATCH = 10
/** How long a runtime may still list a removed image, and the interval of the checks. */
const SETTLE_MS = 5_000
const SETTLE_STEP_MS = 50

/** The parameters of a removal. */
interface Removal {
  readonly client: CriClient
  readonly runtime: RuntimeVersion
  readonly request: RemovalRequest
  readonly log: Logger
  readonly signal: AbortSignal
}

/** A removal with its short names resolved. */
interface ResolvedRemoval extends Removal {
  readonly shortNames: ReadonlyMap<string, string>
}

/** Resolves the short names of a request. Throws `CriError`: one that must stay may be any image. */
async function resolveAll({ client, request, runtime }: Removal): Promise<ShortNames> {
  const { names, errors } = await resolveShortNames(client, traitsOf(runtime), [
    ...request.remove,
    ...request.keep,
  ])
  const unknown = request.keep.find(text => errors.has(text))
  if (unknown === undefined) return { names, errors }
  throw new CriError('Internal', `${unknown} must stay and cannot be looked up: ${errors.get(unknown)}`)
}

/**
 * Removes the images that may be removed, and checks the result in the runtime's list. It lists images and
 * containers again before each batch. When the runtime fails for one image, the others are still removed.
 * Throws `CriError` when the runtime cannot list its content.
 */
export async function removeImages(given: Removal): Promise<Extract<RemovalResult, { kind: 'Done' }>> {
  const { client, request, runtime, log } = given
  const { names: shortNames, errors } = await resolveAll(given)
  const removal = { ...given, shortNames }
  const all = [...request.remove.keys()].filter(index => !errors.has(request.remove[index] ?? ''))
  const first = await planFor(removal, all)
  const answers = new Map(
    request.remove.map((text, index): [number, RemovalAnswer] => [
      index,
      { outcome: 'Failed', detail: errors.get(text) ?? '' },
    ]),
  )
  for (const [position, index] of all.entries()) answers.set(index, answerOf(first.decisions[position]))
  const refused = new Set<number>()
  let removedBytes = 0
  for (const positions of batchesOf(first)) {
    const indexes = positions.flatMap(position => all[position] ?? [])
    const { steps, decisions } = await planFor(removal, indexes)
    for (const [position, index] of indexes.entries()) answers.set(index, answerOf(decisions[position]))
    await removeLeftovers(removal, steps)
    const attempts = steps.map(async (step, number) => {
      const indexesOfStep = indexes.filter((_, position) => isRemovedBy(decisions[position], number))
      const fields = { ...step, references: indexesOfStep.map(index => request.remove[index]) }
      try {
        await perform(client, step)
        log.info(fields, 'removed')
        if (step.kind === 'RemoveImage') removedBytes += step.sizeBytes
      } catch (error) {
        if (!isCriError(error) || error.code === 'Aborted') throw error
        log.error({ ...fields, err: error }, 'the runtime could not remove an image')
        const outcome = error.code === 'InUse' ? 'InUse' : 'Failed'
        for (const index of indexesOfStep) {
          answers.set(index, { outcome, detail: error.message })
          refused.add(index)
        }
      }
    })
    await Promise.all(attempts)
  }
  await verify(removal, answers, refused)
  return {
    kind: 'Done',
    runtime: `${runtime.name} ${runtime.version}`,
    removedBytes,
    answers: [...answers.values()],
  }
}

/** Plans the removal of some references of the request, from the current content of the node. */
async function planFor(
  { client, runtime, request, shortNames }: ResolvedRemoval,
  indexes: readonly number[],
): Promise<RemovalPlan> {
  // List images first: then the images of containers created in between are in the list.
  const images = await client.listImages()
  const containers = await client.listContainers()
  return planRemoval({
    images,
    containers,
    remove: indexes.map(index => request.remove[index] ?? ''),
    keep: request.keep,
    keepRepositories: request.keepRepositories,
    traits: traitsOf(runtime),
    shortNames,
  })
}

/**
 * Groups the positions of the references that can be removed into batches. References of one image are in the
 * same batch.
 */
function batchesOf({ steps, decisions }: RemovalPlan): readonly (readonly number[])[] {
  const indexes = steps.map((_, step) =>
    [...decisions.keys()].filter(index => isRemovedBy(decisions[index], step)),
  )
  const count = Math.ceil(indexes.length / BATCH)
  return Array.from({ length: count }, (_, number) =>
    indexes.slice(number * BATCH, (number + 1) * BATCH).flat(),
  )
}

function isRemovedBy(decision: RemovalDecision | undefined, step: number): boolean {
  return decision?.kind === 'Remove' && decision.step === step
}

function answerOf(decision: RemovalDecision | undefined): RemovalAnswer {
  return decision?.kind === 'Keep'
    ? { outcome: decision.reason, detail: decision.detail }
    : { outcome: 'Removed', detail: '' }
}

/**
 * CRI-O and Docker do not remove an image before its leftover containers. containerd frees the space only
 * after that.
 */
async function removeLeftovers({ client, log }: Removal, steps: readonly RemovalStep[]): Promise<void> {
  const ids = new Set(steps.flatMap(step => (step.kind === 'RemoveImage' ? step.leftovers : [])))
  const attempts = [...ids].map(async id => {
    try {
      await client.removeContainer(id)
    } catch (error) {
      if (!isCriError(error) || error.code === 'Aborted') throw error
      log.warn({ container: id, err: error }, 'a container of an ended pull could not be removed')
    }
  })
  await Promise.all(attempts)
}

async function perform(client: CriClient, step: RemovalStep): Promise<void> {
  if (step.kind === 'RemoveNames') {
    for (const name of step.names) await client.removeName(name)
    return
  }
  await client.removeImage(step.id)
  // CRI-O removes an artifact only by its names. For its ID it answers that it is already gone.
  for (const name of step.names) {
    if ((await client.imageStatus(name))?.id !== step.id) break
    await client.removeImage(name)
  }
}

/**
 * Corrects the answers by the runtime's list. A reference that counts as removed but is still listed after
 * `SETTLE_MS` failed. A reference that failed but is not listed any more is removed. Reasons: containerd's
 * CRI learns of a removed name by a later event, and Docker removes the names of an image before it refuses
 * to remove the image.
 */
async function verify(
  removal: ResolvedRemoval,
  answers: Map<number, RemovalAnswer>,
  refused: ReadonlySet<number>,
): Promise<void> {
  const removed = [...answers].filter(([, { outcome }]) => outcome === 'Removed').map(([index]) => index)
  const deadline = Date.now() + SETTLE_MS
  let left = await stillListed(removal, removed)
  while (left.length > 0 && Date.now() < deadline && !removal.signal.aborted) {
    await delay(SETTLE_STEP_MS)
    left = await stillListed(removal, removed)
  }
  for (const index of left) answers.set(index, { outcome: 'Failed', detail: 'the runtime still lists it' })
  const there = await stillListed(removal, [...refused])
  for (const index of refused) {
    if (!there.includes(index)) answers.set(index, { outcome: 'Removed', detail: '' })
  }
}

async function stillListed(removal: ResolvedRemoval, indexes: readonly number[]): Promise<readonly number[]> {
  if (indexes.length === 0) return []
  const { decisions } = await planFor(removal, indexes)
  return indexes.filter((_, position) => {
    const decision = decisions[position]
    return decision?.kind !== 'Keep' || decision.reason !== 'NotFound'
  })
}
