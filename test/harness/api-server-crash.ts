import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { LocalCluster } from './cluster-env.ts'
import { HarnessError } from './errors.ts'
import { eventually } from './eventually.ts'

/**
 * Kills the API server of `hack/cluster`. The returned function starts it again with the same flags, as the
 * same service of the cluster.
 */
export async function killApiServer(cluster: LocalCluster): Promise<() => Promise<void>> {
  const pidFile = join(cluster.data, 'run/kube-apiserver.pid')
  const [pid = '', since = ''] = (await readFile(pidFile, 'utf8')).trim().split(' ')
  if (since === '' || (await startTime(pid)) !== since) {
    throw new HarnessError('NotAvailable', 'the API server is not running')
  }
  const argv = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0').slice(0, -1)
  process.kill(Number(pid), 'SIGKILL')
  await eventually('the API server to end', async () => (await startTime(pid)) !== since, { everyMs: 20 })

  return async () => {
    const log = openSync(join(cluster.data, 'log/kube-apiserver.log'), 'a')
    const child = spawn('nsenter', [`--net=/run/netns/${cluster.prefix}`, '--', ...argv], {
      env: { PATH: `${cluster.bin}:${process.env.PATH}` },
      stdio: ['ignore', log, log],
      detached: true,
    })
    closeSync(log)
    child.unref()
    await writeFile(pidFile, `${child.pid} ${await startTime(String(child.pid))}\n`)
  }
}

/**
 * Start time of a process in clock ticks since boot (field 22 of proc(5)'s stat). Empty when the process is
 * gone or a zombie.
 */
async function startTime(pid: string): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields[0] === 'Z' ? '' : (fields[19] ?? '')
}
