/**
 * `make test`: runs all checks and all tests, on clusters of its own that it starts and stops.
 * The last line has the totals of all tests. A failed step without a failed test counts as one failure.
 * The exit code is 0 only if tests ran and nothing failed.
 */
import { spawn } from 'node:child_process'
import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '..')
const REPORTS = join(ROOT, '.cache/test')
/** A cluster of its own, because the cluster of `make cluster-up` may be in use. */
const CLUSTER_DIR = process.env.CLUSTER_DIR ?? join(ROOT, '.cache/test-cluster')
/**
 * End-to-end tests mostly wait, so two files run at the same time.
 * Each has its own cluster (about 1.5 GB of memory).
 */
const CLUSTER_DIRS = [CLUSTER_DIR, `${CLUSTER_DIR}-2`]

interface Totals {
  passed: number
  failed: number
}

const totals: Totals = { passed: 0, failed: 0 }
const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort())

/**
 * Runs a command and prints its duration. True where the command succeeded.
 * A failure adds to the totals, unless the caller counts.
 */
async function step(
  name: string,
  command: readonly string[],
  count: 'count' | 'caller counts' = 'count',
): Promise<boolean> {
  if (interrupted.signal.aborted) return false
  console.log(`\n==> ${name}`)
  const began = performance.now()
  const ok = await succeeds(command, interrupted.signal)
  console.log(`<== ${name}: ${ok ? 'ok' : 'FAILED'}, ${((performance.now() - began) / 1000).toFixed(1)} s`)
  if (!ok && count === 'count') totals.failed++
  return ok
}

function succeeds(command: readonly string[], signal?: AbortSignal): Promise<boolean> {
  const [program = '', ...args] = command
  return new Promise(resolve => {
    const env = { ...process.env, CLUSTER_DIR, E2E_CLUSTER_DIRS: CLUSTER_DIRS.join(':') }
    const child = spawn(program, args, { cwd: ROOT, stdio: 'inherit', env })
    const end = (): boolean => child.kill('SIGTERM')
    signal?.addEventListener('abort', end, { once: true })
    child.on('error', error => {
      console.error(`${program}: ${error.message}`)
      resolve(false)
    })
    child.on('close', code => {
      signal?.removeEventListener('abort', end)
      resolve(code === 0)
    })
  })
}

/**
 * Runs a vitest project and adds its tests to the totals.
 * A run without tests counts as a failure, and so does a failed run without a failed test.
 */
async function tests(project: string): Promise<boolean> {
  const report = join(REPORTS, `${project}.json`)
  const command = [
    'vitest',
    'run',
    '--project',
    project,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  ]
  const ok = await step(`${project} tests`, command, 'caller counts')
  const { passed, failed } = await readReport(report)
  totals.passed += passed
  totals.failed += failed
  if (failed === 0 && (!ok || passed === 0)) totals.failed++
  return ok && passed > 0
}

async function readReport(path: string): Promise<Totals> {
  try {
    const report: unknown = JSON.parse(await readFile(path, 'utf8'))
    return { passed: numberOf(report, 'numPassedTests'), failed: numberOf(report, 'numFailedTests') }
  } catch (error) {
    console.error(`No report of the tests: ${String(error)}`)
    return { passed: 0, failed: 0 }
  }
}

function numberOf(report: unknown, key: string): number {
  const value = typeof report === 'object' && report !== null ? Reflect.get(report, key) : undefined
  if (typeof value !== 'number') throw new TypeError(`${key} is not a number`)
  return value
}

async function endToEnd(): Promise<void> {
  // With E2E_KUBECONFIG the tests use an existing cluster. This script neither starts nor stops it.
  if (process.env.E2E_KUBECONFIG) {
    await tests('e2e')
    return
  }
  try {
    if (
      (await onEveryCluster('cluster-up')) &&
      (await onEveryCluster('cluster-images')) &&
      (await step('old release', ['hack/old-release/build.sh']))
    )
      await tests('e2e')
  } finally {
    for (const folder of CLUSTER_DIRS) {
      console.log(`\n==> cluster-down of ${folder}`)
      if (!(await succeeds(['make', 'cluster-down', `CLUSTER_DIR=${folder}`]))) totals.failed++
    }
  }
}

/** Runs a make target for one cluster after the other. Stops at the first failure. */
async function onEveryCluster(target: string): Promise<boolean> {
  for (const folder of CLUSTER_DIRS) {
    if (!(await step(`${target} of ${folder}`, ['make', target, `CLUSTER_DIR=${folder}`]))) return false
  }
  return true
}

async function main(): Promise<void> {
  const began = performance.now()
  await rm(REPORTS, { recursive: true, force: true })
  await mkdir(REPORTS, { recursive: true })

  await step('format', ['npm', 'run', '--silent', 'format:check'])
  await step('lint', ['npm', 'run', '--silent', 'lint'])
  await step('types', ['npm', 'run', '--silent', 'typecheck'])
  await step('dead code', ['npm', 'run', '--silent', 'deadcode'])
  await step('generated files', ['npm', 'run', '--silent', 'generate', '--', '--check'])
  await tests('unit')
  const built = await step('build', ['make', 'build'])
  if (await step('cluster-build', ['make', 'cluster-build'])) {
    await tests('contract')
    if (built) await endToEnd()
  }

  if (interrupted.signal.aborted) {
    console.log('\nInterrupted.')
    totals.failed++
  }
  console.log(`\nmake test took ${((performance.now() - began) / 1000).toFixed(0)} s`)
  console.log(`${totals.passed} passed, ${totals.failed} failed`)
  process.exitCode = totals.failed === 0 && totals.passed > 0 ? 0 : 1
}

await main()
