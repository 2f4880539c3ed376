import type { CriErrorCode, KeepReason } from '../index.ts'

/** The result of a removal Job: JSON in the Pod's termination message. The kubelet cuts it at 4096 bytes. */

/** The outcome for one reference. */
export type RemovalOutcome =
  /** The name is removed. If the image has no other name, the image is removed too. */
  | 'Removed'
  | KeepReason
  /** The runtime refused or failed. The detail has its text. */
  | 'Failed'

/** The answer for one reference of the request. */
export interface RemovalAnswer {
  readonly outcome: RemovalOutcome
  /**
   * The user, the other name of the image, or the runtime's text. Empty when there is nothing to add or no
   * room.
   */
  readonly detail: string
}

/** The result of a removal. */
export type RemovalResult =
  | {
      readonly kind: 'Done'
      /** `containerd v2.3.7` */
      readonly runtime: string
      /** Total size of the removed images, as the runtime reported it. */
      readonly removedBytes: number
      /** One answer for each reference of `remove`, in the same order. */
      readonly answers: readonly RemovalAnswer[]
    }
  | {
      /** The removal did not start, so no outcome is known. */
      readonly kind: 'Error'
      readonly code: CriErrorCode | 'InvalidRequest'
      readonly message: string
    }

/** The kubelet's limit for a container's termination message. */
export const MAX_RESULT_BYTES = 4096
const MAX_MESSAGE_CHARACTERS = 1000
const MAX_DETAIL_CHARACTERS = 256

/** One letter for each outcome, so that a thousand outcomes fit. */
const LETTERS = {
  Removed: 'R',
  NotFound: 'N',
  InUse: 'U',
  WantedByOthers: 'W',
  SharedId: 'S',
  Pinned: 'P',
  InvalidReference: 'I',
  Failed: 'F',
} as const satisfies Record<RemovalOutcome, string>

const OUTCOMES = new Map(
  Object.entries(LETTERS).map(([outcome, letter]) => [letter as string, outcome as RemovalOutcome]),
)

/** Formats a result: all outcomes, and as many details as fit. Details of failures come first. */
export function encodeResult(result: RemovalResult): string {
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
    const cost = Buffer.byteLength(JSON.stringify({ [index]: detail })) // the braces count for the comma
    if (cost > room) continue
    details[index] = detail
    room -= cost
  }
  return text()
}

/**
 * Parses a termination message. Undefined for a text of another origin, such as the message of a killed
 * container.
 */
export function parseResult(text: string): RemovalResult | undefined {
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
  const answers = outcomes.split('').map((letter, index): RemovalAnswer => {
    const detail: unknown = detailOf.get(String(index))
    // An unknown letter, of a newer release, counts as a failure.
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
