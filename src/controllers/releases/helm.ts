import { execFile } from 'node:child_process'
import { HelmError } from './helm-error.ts'
import { parseChartName, parseRelease, type Release } from './release.ts'

/** Name and namespace of a release. */
export interface ReleaseName {
  readonly name: string
  readonly namespace: string
}

/** How helm is called. */
export interface HelmOptions {
  /** Path of the program, or its name on the PATH. */
  readonly program: string
  /** Home directory of helm, for its caches. Helm creates it. */
  readonly home: string
  /** Path of a kubeconfig file. Empty: the service account of the Pod. */
  readonly kubeconfig: string
  /** URL of the API server. Empty: the kubeconfig's. */
  readonly master: string
  /** Called after every run of helm. */
  readonly onRun?: (command: HelmCommand, succeeded: boolean) => void
}

/** One task of helm, as metrics and errors name it. */
export type HelmCommand = 'status' | 'metadata' | 'plan' | 'upgrade' | 'uninstall'

/** Helm's own timeout for hooks and for the deletion of objects. */
const HOOK_TIMEOUT = '5m'
/** Deadline of a run of helm, in milliseconds. The hook timeout fits in. */
const DEADLINE_MS: Readonly<Record<HelmCommand, number>> = {
  status: 60_000,
  metadata: 60_000,
  plan: 60_000,
  upgrade: 330_000,
  uninstall: 330_000,
}
/** Time between SIGTERM and SIGKILL. Helm needs it to record that a release was interrupted. */
const KILL_AFTER_MS = 5_000
/** Greatest size of helm's output. A release contains the chart. */
const MAX_OUTPUT_BYTES = 32 * 1024 * 1024

/**
 * Runs helm, one process for each call.
 * Arguments are a list and values go to standard input, so no shell reads any part of an object.
 * All methods throw HelmError. If the signal fires, helm gets SIGTERM and the method throws `Aborted`.
 */
export class Helm {
  readonly #options: HelmOptions

  constructor(options: HelmOptions) {
    this.#options = options
  }

  /** The newest revision of the release as helm stores it. Undefined where the release does not exist. */
  async status(release: ReleaseName, signal: AbortSignal): Promise<Release | undefined> {
    try {
      const args = ['status', release.name, `--namespace=${release.namespace}`, '--output=json']
      return parseRelease(await this.#run('status', args, signal))
    } catch (error) {
      if (error instanceof HelmError && error.code === 'NotFound') return undefined
      throw error
    }
  }

  /**
   * Name of the chart of the newest revision. Throws HelmError `NotFound` where the release does not exist.
   */
  async chartName(release: ReleaseName, signal: AbortSignal): Promise<string> {
    const args = ['get', 'metadata', release.name, `--namespace=${release.namespace}`, '--output=json']
    return parseChartName(await this.#run('metadata', args, signal))
  }

  /** The release that `upgrade` would create. Changes nothing. */
  async plan(release: ReleaseName, chart: string, values: unknown, signal: AbortSignal): Promise<Release> {
    const args = [...upgradeArguments(release, chart), '--dry-run=server']
    return parseRelease(await this.#run('plan', args, signal, JSON.stringify(values)))
  }

  /** Installs or upgrades the release. Values of earlier revisions are not reused. */
  async upgrade(release: ReleaseName, chart: string, values: unknown, signal: AbortSignal): Promise<Release> {
    const args = upgradeArguments(release, chart)
    return parseRelease(await this.#run('upgrade', args, signal, JSON.stringify(values)))
  }

  /**
   * Uninstalls the release without its hooks, and resolves when its objects are deleted.
   * Does nothing where the release does not exist.
   * Hooks are skipped: those of a release that never worked would fail too, and helm then forgets the
   * release.
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
      // If helm cannot be started, or ends before it reads its input, the callback reports it.
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
    // Without this flag, helm reuses the values of the previous revision if the values are empty.
    '--reset-values',
    '--values=-',
    `--timeout=${HOOK_TIMEOUT}`,
    '--output=json',
  ]
}
