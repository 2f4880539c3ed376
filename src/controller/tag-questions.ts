import { parseReference, registryHost } from '../image/reference.ts'
import { type RegistryClient, RegistryError, withDeadline } from '../image/registry/index.ts'
import type { HandlerResult, Logger } from '../kube/index.ts'
import type { TagAnswer } from '../plan/index.ts'

/** How long an answer, or that there was none, serves all nodes that are about to pull. */
const LATELY_MS = 60_000
/** Longest time that a pull waits for the answer: nodes can do without, and ask for themselves at the next refresh. */
const PATIENCE_MS = 2_000

/** What questions work with. */
export interface TagQuestionsOptions {
  readonly registry: RegistryClient
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Queues an image for `reconcile`. */
  readonly enqueue: (image: string) => void
  /** Called with a node that has waited for answers and may go on. */
  readonly wake: (nodeName: string) => void
  readonly log: Logger
}

/**
 * Asks registries what moving tags stand for, for all nodes together, and remembers the answers for a minute. What is known
 * before a pull is what the next refresh compares with.
 */
export class TagQuestions {
  readonly #options: TagQuestionsOptions
  readonly #answers = new Map<string, TagAnswer>()
  /** Registries that gave no answer in time, and until when nobody waits for them. */
  readonly #silent = new Map<string, number>()
  /** Names of nodes, by the image that they wait for. */
  readonly #waiting = new Map<string, Set<string>>()

  constructor(options: TagQuestionsOptions) {
    this.#options = options
  }

  /** What came of the questions of the last minute, by image. */
  get answers(): ReadonlyMap<string, TagAnswer> {
    for (const [image, { at }] of this.#answers) if (!this.#isRecent(at)) this.#answers.delete(image)
    return this.#answers
  }

  /** The registry was asked about this image within the last minute, whatever came of it. */
  askedLately(image: string): boolean {
    const answer = this.#answers.get(image)
    return answer !== undefined && this.#isRecent(answer.at)
  }

  /** Has the images asked for, and the node woken when all of them are. */
  ask(nodeName: string, images: readonly string[]): void {
    for (const image of images) {
      const nodes = this.#waiting.get(image) ?? new Set()
      this.#waiting.set(image, nodes.add(nodeName))
    }
    for (const image of images) this.#options.enqueue(image)
  }

  /** Asks about one image that nodes wait for, unless that is known by now, and lets them go on. */
  async reconcile(image: string, signal: AbortSignal): Promise<HandlerResult> {
    if (!this.askedLately(image)) await this.#askInTime(image, signal)
    const nodes = this.#waiting.get(image) ?? []
    this.#waiting.delete(image)
    const others = [...this.#waiting.values()]
    for (const node of nodes) if (!others.some(waiting => waiting.has(node))) this.#options.wake(node)
  }

  /** Asks the registry now. Throws RegistryError, or the reason of the signal. */
  async resolve(image: string, signal: AbortSignal): Promise<TagAnswer> {
    try {
      const { digest } = await this.#options.registry.resolve(parseReference(image), undefined, signal)
      return this.#keep(image, digest)
    } catch (error) {
      if (error instanceof RegistryError) this.#keep(image)
      throw error
    }
  }

  async #askInTime(image: string, signal: AbortSignal): Promise<void> {
    const host = registryHost(parseReference(image))
    if ((this.#silent.get(host) ?? 0) > this.#options.now()) {
      this.#keep(image)
      return
    }
    try {
      await withDeadline(host, PATIENCE_MS, signal, inTime => this.resolve(image, inTime))
      this.#silent.delete(host)
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error
      if (error.code === 'Timeout' || error.code === 'Unavailable') {
        this.#silent.set(host, this.#options.now() + LATELY_MS)
      }
      this.#options.log.debug(
        { image, code: error.code, reason: error.message },
        'pulled without knowing what its tag stands for',
      )
    }
  }

  #keep(image: string, digest?: string): TagAnswer {
    const answer = {
      at: new Date(this.#options.now()).toISOString(),
      ...(digest !== undefined && { digest }),
    }
    this.#answers.set(image, answer)
    return answer
  }

  #isRecent(at: string): boolean {
    return this.#options.now() - Date.parse(at) < LATELY_MS
  }
}
