import type { ChildProcess } from 'node:child_process'

/** The liveness probe of the Deployment, as a kubelet carries it out. */

const PERIOD_MS = 10_000
const TIMEOUT_MS = 1000
const FAILURES = 6
/** Time to stop after SIGTERM. */
export const GRACE_MS = 30_000

/**
 * Probes until the returned function is called. A process that fails six times in a row is killed.
 *
 * @param child the present process. Undefined while none runs
 */
export function probeLiveness(url: string, child: () => ChildProcess | undefined): () => void {
  let failures = 0
  const probe = async () => {
    const probed = child()
    failures = probed === undefined || (await isHealthy(url)) ? 0 : failures + 1
    if (failures < FAILURES) return
    failures = 0
    console.log('  the liveness probe failed: the controller is killed')
    probed?.kill('SIGTERM')
    setTimeout(() => probed?.kill('SIGKILL'), GRACE_MS).unref()
  }
  const timer = setInterval(() => void probe(), PERIOD_MS)
  return () => clearInterval(timer)
}

async function isHealthy(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) })).ok
  } catch {
    return false
  }
}
