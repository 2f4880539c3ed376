import { type DesiredImage, entryKey } from '../api/node-images.ts'
import { LruMap } from '../base/lru-map.ts'
import { parseReference } from '../oci/reference.ts'
import { hostOf } from '../oci/registry-host.ts'
import { type Credentials, type RegistryClient, RegistryError, withDeadline } from '../oci/registry/index.ts'
import { type HandlerResult, type Logger, isKubeError } from '../kube/index.ts'
import type { TagAnswer } from '../core/plan/index.ts'
import type { CircuitBreaker } from './circuit-breaker.ts'
import type { PullSecrets } from './pull-secrets.ts'

/** Time for which an answer, or a missing answer, is used for all nodes that are about to pull. */
const LATELY_MS = 60_000
/** Registries whose open questions can be ended together. */
const MAX_HOSTS = 1_000
/**
 * Longest time that a pull waits for an answer. Without one, nodes ask for themselves at the next refresh.
 */
const PATIENCE_MS = 2_000

/** An image and its pull secrets. */
export type AskedImage = Pick<DesiredImage, 'image' | 'credential' | 'pullSecrets'>

/** Failures after which the kubelet tries the next credentials. */
const DENIALS = new Set<string>(['Unauthorized', 'Forbidden', 'NotFound'])

/** What the resolver works with. */
export interface TagResolverOptions {
  readonly registry: RegistryClient
  readonly breaker: CircuitBreaker
  /** Absent where the controller reads no Secrets. Then it asks about public images only. */
  readonly pullSecrets?: PullSecrets
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Queues the key of an image for `reconcile`. */
  readonly enqueue: (key: string) => void
  /** Called for a node when all answers that it waited for are known. */
  readonly wake: (nodeName: string) => void
  readonly log: Logger
}

/**
 * Asks registries for the digests behind moving tags, once for all nodes, and remembers the answers for a
 * minute.
 * The next refresh compares with the digest that was known before the pull.
 */
export class TagResolver {
  readonly #options: TagResolverOptions
  readonly #answers = new Map<string, TagAnswer>()
  /** Ends the open questions to a registry, by host. */
  readonly #open = new LruMap<string, AbortController>(MAX_HOSTS)
  /** Images that nodes wait for, by entry key, with the names of the nodes. */
  readonly #waiting = new Map<string, { readonly asked: AskedImage; readonly nodes: Set<string> }>()

  constructor(options: TagResolverOptions) {
    this.#options = options
  }

  /** Answers of the last minute, by entry key. */
  get answers(): ReadonlyMap<string, TagAnswer> {
    for (const [key, { at }] of this.#answers) if (!this.#isRecent(at)) this.#answers.delete(key)
    return this.#answers
  }

  /** True where the controller may ask the registry about the image. False: only nodes may. */
  mayAsk({ credential }: AskedImage): boolean {
    return credential === undefined || this.#options.pullSecrets !== undefined
  }

  /** True where the registry was asked about this image within the last minute, with or without an answer. */
  askedLately(asked: AskedImage): boolean {
    const answer = this.#answers.get(entryKey(asked))
    return answer !== undefined && this.#isRecent(answer.at)
  }

  /** Enqueues the images. The node is woken when all of them are answered. */
  ask(nodeName: string, images: readonly AskedImage[]): void {
    for (const asked of images) {
      const key = entryKey(asked)
      const nodes = this.#waiting.get(key)?.nodes ?? new Set()
      this.#waiting.set(key, { asked, nodes: nodes.add(nodeName) })
    }
    for (const asked of images) this.#options.enqueue(entryKey(asked))
  }

  /**
   * Asks about one image that nodes wait for, by its key, where the answer is not known yet. Then wakes the
   * nodes.
   */
  async reconcile(key: string, signal: AbortSignal): Promise<HandlerResult> {
    const waiting = this.#waiting.get(key)
    if (!waiting) return
    if (!this.askedLately(waiting.asked)) await this.#askInTime(waiting.asked, signal)
    this.#waiting.delete(key)
    const others = [...this.#waiting.values()]
    for (const node of waiting.nodes) {
      if (!others.some(({ nodes }) => nodes.has(node))) this.#options.wake(node)
    }
  }

  /** True where the registry of the image has answered the controller since it started. */
  hasAnswered({ image }: AskedImage): boolean {
    return this.#options.breaker.hasAnsweredController(hostOf(image))
  }

  /**
   * Asks the registry now. A registry that gave no answer within the last minute is not asked: its askers
   * must not wait one after the other.
   * Throws RegistryError; KubeError where a pull secret cannot be read; the reason of the signal.
   */
  async resolve(asked: AskedImage, signal: AbortSignal): Promise<TagAnswer> {
    const { breaker, now } = this.#options
    const host = hostOf(asked.image)
    try {
      if (breaker.isSilentForController(host, now())) throw noAnswerLately(host)
      const digest = await this.#whileItAnswers(host, signal, inTime => this.#digestOf(asked, inTime))
      breaker.answeredController(host)
      return this.#keep(asked, digest)
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error
      if (isSilence(error)) {
        breaker.silenceForController(host, now() + LATELY_MS)
        this.#open.get(host)?.abort(noAnswerLately(host))
        this.#open.delete(host)
      }
      this.#keep(asked)
      throw error
    }
  }

  /**
   * One question without an answer ends all questions to that registry, also those that wait for their
   * turn.
   */
  async #whileItAnswers<T>(
    host: string,
    signal: AbortSignal,
    ask: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const open = this.#open.get(host) ?? new AbortController()
    this.#open.set(host, open)
    return ask(AbortSignal.any([signal, open.signal]))
  }

  async #digestOf(asked: AskedImage, signal: AbortSignal): Promise<string> {
    const reference = parseReference(asked.image)
    const others = [...(await this.#credentialsFor(asked, signal))]
    for (;;) {
      try {
        return (await this.#options.registry.resolve(reference, others.shift(), signal)).digest
      } catch (error) {
        const isDenied = error instanceof RegistryError && DENIALS.has(error.code)
        if (!isDenied || others.length === 0) throw error
      }
    }
  }

  /** The credentials to try. Empty for a public image. */
  async #credentialsFor(
    { image, credential, pullSecrets = [] }: AskedImage,
    signal: AbortSignal,
  ): Promise<readonly Credentials[]> {
    if (credential === undefined) return []
    const [namespace = ''] = credential.split(':')
    const names = pullSecrets.flatMap(({ name }) => name ?? [])
    const known = await this.#options.pullSecrets?.credentialsFor(
      parseReference(image),
      namespace,
      names,
      signal,
    )
    if (!known) throw new RegistryError('Unauthorized', `the pull secrets of ${namespace} cannot be read`)
    return known
  }

  /** Always records an answer, possibly empty, so that a pull never waits longer than PATIENCE_MS. */
  async #askInTime(asked: AskedImage, signal: AbortSignal): Promise<void> {
    const host = hostOf(asked.image)
    try {
      await withDeadline(host, PATIENCE_MS, signal, inTime => this.resolve(asked, inTime))
    } catch (error) {
      if (signal.aborted || !(error instanceof RegistryError || isKubeError(error))) throw error
      if (error instanceof RegistryError && isSilence(error)) {
        this.#options.breaker.silenceForController(host, this.#options.now() + LATELY_MS)
      }
      this.#keep(asked)
      this.#options.log.debug(
        { image: asked.image, code: error.code, reason: error.message },
        'pulled without knowing what its tag stands for',
      )
    }
  }

  #keep(asked: AskedImage, digest?: string): TagAnswer {
    const answer = {
      at: new Date(this.#options.now()).toISOString(),
      ...(digest !== undefined && { digest }),
    }
    this.#answers.set(entryKey(asked), answer)
    return answer
  }

  #isRecent(at: string): boolean {
    return this.#options.now() - Date.parse(at) < LATELY_MS
  }
}

function noAnswerLately(host: string): RegistryError {
  return new RegistryError('Unavailable', `${host} gave no answer within the last minute`)
}

/** True where no answer came. An error status is an answer. */
function isSilence({ code, cause }: RegistryError): boolean {
  return code === 'Timeout' || (code === 'Unavailable' && cause !== undefined)
}
