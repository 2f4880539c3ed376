import { execFile } from 'node:child_process'
import { HelmError } from './helm-error.ts'
import { parseChartName, parseRelease, type Release } from './release.ts'

/** Which release, and where. */
export interface ReleaseName {
  readonly name: string
  readonly namespace: string
}

/** How helm is called. */
export interface HelmOptions {
  /** Path of the program, or its name on the PATH. */
  readonly program: string
  /** Directory for what helm caches; made by helm. */
  readonly home: string
  /** Path of a kubeconfig file; empty: the service account of the Pod. */
  readonly kubeconfig: string
  /** URL of the API server; empty: as the kubeconfig says. */
  readonly master: string
  /** Called after every run of helm. */
  readonly onRun?: (command: HelmCommand, succeeded: boolean) => void
}

/** What helm is asked to do. */
export type HelmCommand = 'status' | 'metadata' | 'plan' | 'upgrade' | 'uninstall'

/** How long helm waits for a hook of an upgrade, and for objects to be gone. */
const HOOK_TIMEOUT = '5m'
/** When helm is ended. A hook's wait fits in. */
const DEADLINE_MS: Readonly<Record<HelmCommand, number>> = {
  status: 60_000,
  metadata: 60_000,
  plan: 60_000,
  upgrade: 330_000,
  uninstall: 330_000,
}
/** What helm has, from SIGTERM on, to write down that a release was cut off. */
const KILL_AFTER_MS = 5_000
/** A release has the chart in it. */
const MAX_OUTPUT_BYTES = 32 * 1024 * 1024

/**
 * The real helm, as a process for each call: arguments as a list and values on standard input, so that nothing of an object is ever read by
 * a shell. All throw HelmError; a signal that fires has helm end in order (`Aborted`).
 */
export class Helm {
  readonly #options: HelmOptions

  constructor(options: HelmOptions) {
    this.#options = options
  }

  /** The release as it is stored; undefined where there is none. */
  async status(release: ReleaseName, signal: AbortSignal): Promise<Release | undefined> {
    try {
      const args = ['status', release.name, `--namespace=${release.namespace}`, '--output=json']
      return parseRelease(await this.#run('status', args, signal))
    } catch (error) {
      if (error instanceof HelmError && error.code === 'NotFound') return undefined
      throw error
    }
  }

  /** Name of the chart that the newest revision is of. Throws HelmError `NotFound` where there is no release. */
  async chartName(release: ReleaseName, signal: AbortSignal): Promise<string> {
    const args = ['get', 'metadata', release.name, `--namespace=${release.namespace}`, '--output=json']
    return parseChartName(await this.#run('metadata', args, signal))
  }

  /** What `upgrade` would make of the release; changes nothing. */
  async plan(release: ReleaseName, chart: string, values: unknown, signal: AbortSignal): Promise<Release> {
    const args = [...upgradeArguments(release, chart), '--dry-run=server']
    return parseRelease(await this.#run('plan', args, signal, JSON.stringify(values)))
  }

  /** Installs the release or upgrades it, to the chart with these values alone. */
  async upgrade(release: ReleaseName, chart: string, values: unknown, signal: AbortSignal): Promise<Release> {
    const args = upgradeArguments(release, chart)
    return parseRelease(await this.#run('upgrade', args, signal, JSON.stringify(values)))
  }

  /**
   * Uninstalls the release without its hooks and resolves when its objects are gone; nothing where there is none. A hook of a release that
   * never worked cannot work either, and helm forgets a release of which it has failed.
   */
  async uninstall({ name, namespace }: ReleaseName, signal: AbortSignal): Promise<void> {
    const args = ['uninstall', name, '--namespace', namespace, '--no-hooks', '--ignore-not-found', '--wait']
    await this.#run('uninstall', [...args, '--timeout', HOOK_TIMEOUT], signal)
  }

  async #run(
    command: HelmCommand,
    args: readonly string[],
    signal: AbortSignal,
    input = '',
  ): Promise<string> {
    try {
      const output = await this.#execute(command, args, signal, input)
      this.#options.onRun?.(command, true)
      return output
    } catch (error) {
      const isAnswer = error instanceof HelmError && error.code === 'NotFound'
      this.#options.onRun?.(command, isAnswer)
      throw error
    }
  }

  #execute(
    command: HelmCommand,
    args: readonly string[],
    signal: AbortSignal,
    input: string,
  ): Promise<string> {
    const { program, home, kubeconfig, master } = this.#options
    const cluster = [
      ...(kubeconfig === '' ? [] : [`--kubeconfig=${kubeconfig}`]),
      ...(master === '' ? [] : [`--kube-apiserver=${master}`]),
    ]
    if (signal.aborted) return Promise.reject(new HelmError('Aborted', `helm ${command} was called off`))
    return new Promise((resolve, reject) => {
      let ended: 'called off' | 'out of time' | undefined
      const child = execFile(
        program,
        [...args, ...cluster],
        { maxBuffer: MAX_OUTPUT_BYTES, env: { ...process.env, HOME: home } },
        (error, stdout, stderr) => {
          clearTimeout(deadline)
          clearTimeout(kill)
          signal.removeEventListener('abort', onAbort)
          if (!error) resolve(stdout)
          else if (ended === 'called off')
            reject(new HelmError('Aborted', `helm ${command} was called off`, { cause: error }))
          else if (ended === 'out of time')
            reject(new HelmError('Failed', `helm ${command} did not end in time`, { cause: error }))
          else reject(HelmError.of(error, stderr))
        },
      )
      let kill: NodeJS.Timeout | undefined
      const end = (why: 'called off' | 'out of time') => {
        ended ??= why
        child.kill('SIGTERM')
        kill ??= setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS)
      }
      const onAbort = () => end('called off')
      const deadline = setTimeout(() => end('out of time'), DEADLINE_MS[command])
      signal.addEventListener('abort', onAbort, { once: true })
      // helm that cannot be started, or that ends before it reads, is told by the callback
      child.stdin?.on('error', () => {})
      child.stdin?.end(input)
    })
  }
}

function upgradeArguments({ name, namespace }: ReleaseName, chart: string): string[] {
  return [
    'upgrade',
    name,
    chart,
    '--install',
    `--namespace=${namespace}`,
    // without it, empty values would mean those of the release before
    '--reset-values',
    '--values=-',
    `--timeout=${HOOK_TIMEOUT}`,
    '--output=json',
  ]
}
