import type { CriErrorCode, StayReason } from '../index.ts'

/** What a purge did on a node: JSON in the Pod's termination message, which the kubelet cuts at 4096 bytes. */

/** What became of one reference. */
export type PurgeOutcome =
  /** It is gone; where its image has no other name, so is the image. */
  | 'Removed'
  | StayReason
  /** The runtime refused or failed; its words are the detail. */
  | 'Failed'

/** The answer for one reference of the request. */
export interface PurgeAnswer {
  readonly outcome: PurgeOutcome
  /** Who uses it, what it shares its image with, the runtime's words; empty where there is nothing to say or no room. */
  readonly detail: string
}

/** What a purge came to. */
export type PurgeResult =
  | {
      readonly kind: 'Done'
      /** `containerd v2.3.7` */
      readonly runtime: string
      /** Of the images that are gone, as the runtime counted them. */
      readonly removedBytes: number
      /** One for each reference of `remove`, in its order. */
      readonly answers: readonly PurgeAnswer[]
    }
  | {
      /** Nothing is known of any reference. */
      readonly kind: 'Error'
      readonly code: CriErrorCode | 'InvalidRequest'
      readonly message: string
    }

/** The kubelet's limit for a container's termination message. */
export const MAX_RESULT_BYTES = 4096
const MAX_MESSAGE_CHARACTERS = 1000
const MAX_DETAIL_CHARACTERS = 256

/** One letter for each outcome, so that a thousand fit. */
const LETTERS = {
  Removed: 'R',
  NotFound: 'N',
  InUse: 'U',
  WantedByOthers: 'W',
  SharedId: 'S',
  Pinned: 'P',
  InvalidReference: 'I',
  Failed: 'F',
} as const satisfies Record<PurgeOutcome, string>

const OUTCOMES = new Map(
  Object.entries(LETTERS).map(([outcome, letter]) => [letter as string, outcome as PurgeOutcome]),
)

/** The text of a result: all outcomes, and as many details as fit, those of failures first. */
export function encodeResult(result: PurgeResult): string {
  if (result.kind === 'Error') {
    const { code, message } = result
    return JSON.stringify({ v: 1, error: code, message: message.slice(0, MAX_MESSAGE_CHARACTERS) })
  }
  const { runtime, removedBytes, answers } = result
  const outcomes = answers.map(({ outcome }) => LETTERS[outcome]).join('')
  const details: Record<string, string> = {}
  const text = () => JSON.stringify({ v: 1, runtime: runtime.slice(0, 100), removedBytes, outcomes, details })
  let room = MAX_RESULT_BYTES - Buffer.byteLength(text())
  const byWeight = [...answers.entries()].sort(
    ([, a], [, b]) => Number(b.outcome === 'Failed') - Number(a.outcome === 'Failed'),
  )
  for (const [index, answer] of byWeight) {
    if (answer.detail === '') continue
    const detail = answer.detail.slice(0, MAX_DETAIL_CHARACTERS)
    const cost = Buffer.byteLength(JSON.stringify({ [index]: detail })) // its braces pay for the comma
    if (cost > room) continue
    details[index] = detail
    room -= cost
  }
  return text()
}

/** Reads a termination message; undefined for a text that no purge wrote, as that of a container that was killed. */
export function parseResult(text: string): PurgeResult | undefined {
  const value = parseJson(text)
  if (value === undefined || value['v'] !== 1) return undefined
  const { error, message, runtime, removedBytes, outcomes, details } = value
  if (typeof error === 'string' && typeof message === 'string') {
    return { kind: 'Error', code: error as CriErrorCode | 'InvalidRequest', message }
  }
  if (typeof runtime !== 'string' || typeof removedBytes !== 'number' || typeof outcomes !== 'string') {
    return undefined
  }
  const detailOf = new Map(Object.entries(details ?? {}))
  const answers = outcomes.split('').map((letter, index): PurgeAnswer => {
    const detail: unknown = detailOf.get(String(index))
    // A letter of a newer release is no success.
    return { outcome: OUTCOMES.get(letter) ?? 'Failed', detail: typeof detail === 'string' ? detail : '' }
  })
  return { kind: 'Done', runtime, removedBytes, answers }
}

function parseJson(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : undefined
  } catch {
    return undefined
  }
}
