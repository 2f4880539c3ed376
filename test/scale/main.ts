/**
 * `make scale`: what the controller takes in a large cluster, against its budgets. The API server, etcd and
 * the Job controller are real; the nodes are objects that nothing runs on.
 */
import { availableParallelism, loadavg } from 'node:os'
import { join } from 'node:path'
import { freePorts } from '../harness/api-server.ts'
import { ROOT } from '../harness/cluster-env.ts'
import { buildProgram } from './build.ts'
import { ControlPlane } from './control-plane.ts'
import { ControllerProcess } from './controller-process.ts'
import { Kubelets } from './kubelets.ts'
import { parseOptions, type ScaleOptions, USAGE } from './options.ts'
import { print, type Result } from './report.ts'
import { idle } from './scenarios/idle.ts'
import { caches100, pools300 } from './scenarios/many-caches.ts'
import { edit, present } from './scenarios/one-cache.ts'
import { pull } from './scenarios/pull.ts'
import { tenant } from './scenarios/tenant.ts'
import { annotation, restart } from './scenarios/with-many-caches.ts'
import { World } from './world.ts'

/** In the order in which they run: those that follow each other use the same caches. */
const SCENARIOS: Readonly<Record<string, { about: string; run: (world: World) => Promise<Result> }>> = {
  pull: { about: '1 000 nodes pull 50 images by simulated kubelets', run: pull },
  present: { about: 'one cache of 40 images that all nodes have', run: present },
  edit: { about: 'that cache loses one image', run: edit },
  idle: { about: '17 heartbeats of nodes a second for a minute', run: idle },
  caches100: { about: '100 caches of one image on all nodes', run: caches100 },
  pools300: { about: 'beside them 300 caches on pools of nodes', run: pools300 },
  annotation: { about: 'with these 400, a refresh by annotation', run: annotation },
  restart: { about: 'with these 400, the controller is killed and started again', run: restart },
  tenant: { about: "20 caches of 150 KB, and another tenant's cache", run: tenant },
}

/** Folder of the logs of this run. */
const FOLDER = join(ROOT, '.cache/scale', new Date().toISOString().replaceAll(':', '-').slice(0, 19))

process.exitCode = await main(process.argv.slice(2))

async function main(argv: readonly string[]): Promise<number> {
  const options = parseOptions(argv)
  if (!options) {
    console.log(`${USAGE}\nScenarios (default: all):\n`)
    for (const [name, { about }] of Object.entries(SCENARIOS)) console.log(`  ${name.padEnd(16)} ${about}`)
    return 0
  }
  const unknown = options.scenarios.find(name => !Object.hasOwn(SCENARIOS, name))
  if (unknown !== undefined) {
    console.error(`unknown scenario "${unknown}"; known: ${Object.keys(SCENARIOS).join(', ')}`)
    return 2
  }
  const chosen = Object.entries(SCENARIOS).filter(
    ([name]) => options.scenarios.length === 0 || options.scenarios.includes(name),
  )
  const results: Result[] = []
  await inCluster(options, async world => {
    for (const [name, { about, run }] of chosen) {
      console.log(`\n== ${name}`)
      const result = await run(world).catch((error: unknown) => ({
        title: about,
        figures: [],
        wrong: error instanceof Error ? error.message : String(error),
      }))
      print(result)
      results.push(result)
    }
  })
  const load = loadavg()[0] ?? 0
  console.log(`\n\n== all figures (${availableParallelism()} cores, load ${load.toFixed(1)} at the end)`)
  for (const result of results) print(result)
  return results.some(({ wrong }) => wrong !== undefined) ? 1 : 0
}

/** Starts everything, and ends it afterwards, also when the run is interrupted. */
async function inCluster(options: ScaleOptions, work: (world: World) => Promise<void>): Promise<void> {
  console.log(`starting etcd, the API server and the controller; logs are in ${FOLDER}`)
  const interruption = new Promise<'interrupted'>(resolve => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve('interrupted'))
  })
  const stop = new AbortController()
  await using stack = new AsyncDisposableStack()
  const plane = stack.use(await ControlPlane.start(FOLDER, options.checkout))
  const kubeconfig = join(FOLDER, 'controller.kubeconfig')
  await plane.writeControllerKubeconfig(kubeconfig)
  const program = await buildProgram(options.checkout, FOLDER)
  const [port = 0] = await freePorts(1)
  const controller = new ControllerProcess({ program, kubeconfig, port, folder: FOLDER })
  stack.defer(() => controller.kill())
  const kubelets = new Kubelets(plane.client, options.pullMs).run(stop.signal)
  stack.defer(async () => {
    stop.abort()
    await kubelets
  })
  const world = new World(options, plane, controller)
  const running = world.prepare().then(() => work(world))
  if ((await Promise.race([running, interruption])) === 'interrupted') {
    await stack.disposeAsync()
    // The scenario goes on in vain.
    process.exit(130)
  }
}
