import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Program } from './build.ts'
import { GRACE_MS, probeLiveness } from './liveness-probe.ts'
import type { LoopDelay, Question } from './probe.ts'
import { readUsage, resetPeak, type Usage } from './process-usage.ts'

/** Settings of a controller. */
export interface ControllerSettings {
  readonly program: Program
  readonly kubeconfig: string
  /** Port of its metrics and health. */
  readonly port: number
  /** Folder of its log, `controller.log`. */
  readonly folder: string
}

/**
 * Flags of Node.js: those of the controller's image, and the heap limit that Node.js chooses in a container
 * with the memory limit of the Deployment, 512 Mi.
 */
const NODE_FLAGS = ['--max-semi-space-size=2', '--max-old-space-size=256']
/** Waits of a kubelet before it starts a container again, in seconds. The last one repeats. */
const BACKOFF_SECONDS = [0, 10, 20, 40, 80, 160, 300]
const SAMPLE_MS = 1000
const ANSWER_MS = 60_000
const METRICS_MS = 10_000

/**
 * The controller as a process of this machine, treated as a kubelet treats its container: started again
 * with a back-off when it ends, killed when its liveness probe fails.
 */
export class ControllerProcess {
  readonly #settings: ControllerSettings
  readonly #url: string
  /** File to which each process writes its event-loop delay when it ends. */
  readonly #delays: string
  readonly #questions = new Map<number, (answer: unknown) => void>()
  #child: ChildProcess | undefined
  #wanted = false
  #ends = 0
  #backoff = 0
  #asked = 0
  /** CPU seconds of processes that have ended. */
  #cpuBefore = 0
  #last: Usage = { cpuSeconds: 0, peakRss: 0 }
  #peakRss = 0
  #sampling: NodeJS.Timeout | undefined
  #restart: NodeJS.Timeout | undefined
  #stopProbing = () => {}

  constructor(settings: ControllerSettings) {
    this.#settings = settings
    this.#url = `http://127.0.0.1:${settings.port}`
    this.#delays = join(settings.folder, 'delays')
  }

  /** Number of times that the process ended without being told to by `stop` or `kill`. */
  get ends(): number {
    return this.#ends
  }

  /** Starts it. */
  start(): void {
    this.#wanted = true
    this.#backoff = 0
    this.#spawn()
    this.#sampling = setInterval(() => this.#sample(), SAMPLE_MS)
    this.#stopProbing = probeLiveness(`${this.#url}/healthz`, () => this.#child)
  }

  /** Stops it and waits until it has ended. */
  stop(): Promise<void> {
    return this.#end('SIGTERM')
  }

  /** Kills it (SIGKILL). */
  kill(): Promise<void> {
    return this.#end('SIGKILL')
  }

  /** CPU seconds and greatest memory of all its processes since the last `resetPeaks`. */
  usage(): Usage {
    this.#sample()
    return { cpuSeconds: this.#cpuBefore + this.#last.cpuSeconds, peakRss: this.#peakRss }
  }

  /** Starts new measurements of the greatest memory and of the event-loop delay. */
  async resetPeaks(): Promise<void> {
    rmSync(this.#delays, { force: true })
    if (this.#child?.pid !== undefined) resetPeak(this.#child.pid)
    this.#peakRss = 0
    await this.#ask('reset')
  }

  /** Event-loop delay since the last `resetPeaks`: the worst of its processes. */
  async loopDelay(): Promise<LoopDelay> {
    const ended = existsSync(this.#delays) ? readFileSync(this.#delays, 'utf8').trim().split('\n') : []
    const all = ended.map(line => JSON.parse(line) as LoopDelay)
    const now = await this.#ask<LoopDelay>('delay')
    if (now) all.push(now)
    return {
      p99: Math.max(0, ...all.map(({ p99 }) => p99)),
      longest: Math.max(0, ...all.map(({ longest }) => longest)),
    }
  }

  /** Bytes of its heap that are in use after a garbage collection. Undefined while no process answers. */
  heap(): Promise<number | undefined> {
    return this.#ask<number>('heap')
  }

  /** Its metrics page. Undefined while it does not answer. */
  async metrics(): Promise<string | undefined> {
    try {
      const signal = AbortSignal.timeout(METRICS_MS)
      const response = await fetch(`${this.#url}/metrics`, { signal })
      return response.ok ? await response.text() : undefined
    } catch {
      return undefined
    }
  }

  #spawn(): void {
    const { program, kubeconfig, port, folder } = this.#settings
    const log = openSync(join(folder, 'controller.log'), 'a')
    const child = spawn(
      process.execPath,
      [
        ...NODE_FLAGS,
        `--import=${program.probe}`,
        program.main,
        'controller',
        `--kubeconfig=${kubeconfig}`,
        `--metrics-bind-address=127.0.0.1:${port}`,
        // The registry of the images does not exist.
        '--image-cache-refresh-frequency=0s',
      ],
      { stdio: ['ignore', log, log, 'ipc'], env: { ...process.env, SCALE_DELAYS: this.#delays } },
    )
    closeSync(log)
    child.on('message', (message: { id: number; answer: unknown }) => {
      this.#questions.get(message.id)?.(message.answer)
    })
    child.once('exit', () => this.#ended(child))
    this.#child = child
  }

  #ended(child: ChildProcess): void {
    if (this.#child !== child) return
    this.#cpuBefore += this.#last.cpuSeconds
    this.#last = { cpuSeconds: 0, peakRss: 0 }
    this.#child = undefined
    for (const answer of this.#questions.values()) answer(undefined)
    if (!this.#wanted) return
    this.#ends += 1
    const seconds = BACKOFF_SECONDS[Math.min(this.#backoff, BACKOFF_SECONDS.length - 1)] ?? 0
    this.#backoff += 1
    console.log(`  the controller ended by itself; it starts again in ${seconds} s`)
    this.#restart = setTimeout(() => this.#spawn(), seconds * 1000)
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    this.#wanted = false
    clearInterval(this.#sampling)
    clearTimeout(this.#restart)
    this.#stopProbing()
    this.#sample()
    const child = this.#child
    if (!child) return
    const gone = once(child, 'exit')
    child.kill(signal)
    const timer = setTimeout(() => child.kill('SIGKILL'), GRACE_MS)
    await gone
    clearTimeout(timer)
  }

  #sample(): void {
    const usage = this.#child?.pid === undefined ? undefined : readUsage(this.#child.pid)
    if (!usage) return
    this.#last = usage
    this.#peakRss = Math.max(this.#peakRss, usage.peakRss)
  }

  async #ask<T>(question: Question): Promise<T | undefined> {
    if (!this.#child?.connected) return undefined
    const id = this.#asked++
    const { promise, resolve } = Promise.withResolvers<unknown>()
    this.#questions.set(id, resolve)
    // A process that has just ended gives no answer.
    this.#child.send({ id, question }, error => error && resolve(undefined))
    const timer = setTimeout(() => resolve(undefined), ANSWER_MS)
    const answer = await promise
    clearTimeout(timer)
    this.#questions.delete(id)
    return answer as T | undefined
  }
}
