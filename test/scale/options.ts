import { parseArgs } from 'node:util'
import { ROOT } from '../harness/cluster-env.ts'
import { resolve } from 'node:path'

/** Settings of a run. */
export interface ScaleOptions {
  /** Names of the scenarios. Empty: all. */
  readonly scenarios: readonly string[]
  /** Number of Node objects that list 40 images each. */
  readonly nodes: number
  /** Number of Node objects of the scenario `pull`, and images that each pulls. */
  readonly pullNodes: number
  readonly pullImages: number
  /** Milliseconds that a simulated kubelet takes for one image. */
  readonly pullMs: number
  /** Longest wait of one scenario, in seconds. */
  readonly limit: number
  /** Folder of the source that is measured. */
  readonly checkout: string
}

/** Default of each flag. The environment variable of the same name in capitals replaces it. */
const DEFAULTS = {
  nodes: '5000',
  'pull-nodes': '1000',
  'pull-images': '50',
  'pull-ms': '100',
  limit: '600',
  checkout: ROOT,
}

type Flag = keyof typeof DEFAULTS

/** Text of `--help`, without the scenarios. */
export const USAGE = `Usage: node test/scale/main.ts [SCENARIO...] [flags]

  --nodes N        Node objects that list 40 images each (default ${DEFAULTS.nodes})
  --pull-nodes N   Node objects of the scenario "pull" (default ${DEFAULTS['pull-nodes']})
  --pull-images N  images that each of them pulls (default ${DEFAULTS['pull-images']})
  --pull-ms N      time of a simulated kubelet for one image, in ms (default ${DEFAULTS['pull-ms']})
  --limit S        longest wait of one scenario, in seconds (default ${DEFAULTS.limit})
  --checkout DIR   the source to build and measure (default: this one); it needs its node_modules

Each flag is also an environment variable: NODES, PULL_NODES, ….
`

/**
 * Parses the command line. Undefined for `--help`.
 *
 * @throws Error for an unknown flag or a value that is no number
 */
export function parseOptions(
  argv: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): ScaleOptions | undefined {
  const names = Object.keys(DEFAULTS) as Flag[]
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h' },
      ...(Object.fromEntries(names.map(name => [name, { type: 'string' }])) as Record<
        Flag,
        { type: 'string' }
      >),
    },
  })
  if (values['help']) return undefined
  const text = (name: Flag): string => values[name] ?? env[variableOf(name)] ?? DEFAULTS[name]
  const number = (name: Flag): number => {
    const value = Number(text(name))
    if (Number.isInteger(value) && value > 0) return value
    throw new Error(`--${name} must be a whole number above 0, not "${text(name)}"`)
  }
  return {
    scenarios: positionals,
    nodes: number('nodes'),
    pullNodes: number('pull-nodes'),
    pullImages: number('pull-images'),
    pullMs: number('pull-ms'),
    limit: number('limit'),
    checkout: resolve(text('checkout')),
  }
}

function variableOf(flag: string): string {
  return flag.replaceAll('-', '_').toUpperCase()
}
