import { chooseSubcommand, helpText, type Subcommand } from './process/subcommand.ts'
import { USAGE_EXIT_CODE, UsageError } from './base/usage-error.ts'
import { VERSION } from './base/version.ts'

/**
 * The entry point: one bundle, one subcommand per process. A process loads only the code of its subcommand.
 */

const RUN: Readonly<Record<Subcommand, (argv: readonly string[]) => Promise<number>>> = {
  controller: async argv => (await import('./programs/controller/main.ts')).runController(argv),
  'webhook-server': async argv => (await import('./programs/webhook/main.ts')).runWebhookServer(argv),
  'cri-client': async argv => (await import('./programs/purge-job/main.ts')).runCriClient(argv),
  operator: async argv => (await import('./programs/operator/main.ts')).runOperator(argv),
  crds: async argv => (await import('./programs/crds/main.ts')).runCrds(argv),
  'release-caches': async argv => (await import('./programs/release-caches/main.ts')).runReleaseCaches(argv),
}

async function main(processArgv: readonly string[]): Promise<number> {
  try {
    const choice = chooseSubcommand(processArgv)
    switch (choice.kind) {
      case 'help':
        process.stdout.write(helpText())
        return 0
      case 'version':
        process.stdout.write(`${VERSION}\n`)
        return 0
      case 'run':
        return await RUN[choice.subcommand](choice.argv)
    }
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    process.stderr.write(`${error.message}\n`)
    return USAGE_EXIT_CODE
  }
}

process.exitCode = await main(process.argv)
