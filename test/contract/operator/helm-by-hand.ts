import { type ChildProcess, spawn } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { onTestFinished } from 'vitest'
import type { KubeObject } from '../../../src/api/object.ts'
import type { KubeClient } from '../../../src/kube/index.ts'
import { sharedApiServer } from '../shared-api-server.ts'
import { binary } from '../../harness/binaries.ts'
import { run } from '../../harness/command.ts'
import { eventually } from '../../harness/eventually.ts'

/** An administrator's helm commands on the release `kf` of a namespace, beside the operator. */
export class HelmByHand {
  readonly #namespace: string
  readonly #client: KubeClient

  constructor(client: KubeClient, namespace: string) {
    this.#client = client
    this.#namespace = namespace
  }

  get #flags(): string[] {
    return ['--namespace', this.#namespace, '--kubeconfig', sharedApiServer().kubeconfig]
  }

  /** Runs helm. Throws HarnessError with helm's error text. */
  run(...args: string[]): Promise<string> {
    return run([binary('helm'), ...args, ...this.#flags])
  }

  /** Statuses of the revisions, oldest first. Empty when there is no release. */
  async revisions(): Promise<string[]> {
    const list = JSON.parse(await this.run('list', '--all', '--output', 'json')) as unknown[]
    if (list.length === 0) return []
    const history = JSON.parse(await this.run('history', 'kf', '--output', 'json')) as { status: string }[]
    return history.map(({ status }) => status)
  }

  /** Starts an upgrade to this chart with a hook that never ends. Resolves when helm waits for the hook. */
  async hang(chart: string): Promise<ChildProcess> {
    const args = ['upgrade', 'kf', chart, '--install', '--set', 'hangs=true', ...this.#flags]
    const child = spawn(binary('helm'), args, { stdio: 'ignore' })
    onTestFinished(() => {
      child.kill('SIGKILL')
    })
    await this.untilPending()
    return child
  }

  /** Waits until a revision is pending. */
  async untilPending(): Promise<void> {
    await eventually('a pending revision', async () =>
      (await this.revisions()).at(-1)?.startsWith('pending-'),
    )
  }

  /** Moves the stored start time of the newest revision into the past. */
  async age(ms: number): Promise<void> {
    const def = { group: '', version: 'v1', plural: 'secrets', kind: 'Secret', namespaced: true }
    const secrets = this.#client.resource<KubeObject & { data: { release: string } }>(def)
    const name = `sh.helm.release.v1.kf.v${(await this.revisions()).length}`
    const { data } = await secrets.get({ namespace: this.#namespace, name })
    const text = Buffer.from(Buffer.from(data.release, 'base64').toString(), 'base64')
    const release = JSON.parse(gunzipSync(text).toString()) as { info: { last_deployed: string } }
    release.info.last_deployed = new Date(Date.parse(release.info.last_deployed) - ms).toISOString()
    const packed = gzipSync(JSON.stringify(release)).toString('base64')
    const patch = { data: { release: Buffer.from(packed).toString('base64') } }
    await secrets.mergePatch({ namespace: this.#namespace, name }, patch)
  }
}

/** A helm that runs a shell line before each change of a release. Returns the path of the program. */
export async function helmAfter(shell: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'helm-after-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const program = join(folder, 'helm')
  const script = `#!/bin/sh
case "$*" in
  *--dry-run*) ;;
  upgrade*) ${shell} ;;
esac
exec ${binary('helm')} "$@"
`
  await writeFile(program, script)
  await chmod(program, 0o755)
  return program
}
