import { parseControllerOptions } from './options.ts'

/** Runs the controller until it is told to stop. Resolves to the exit code; throws `UsageError`. */
export async function runController(argv: readonly string[]): Promise<number> {
  const options = parseControllerOptions(argv, process.env)
  if ('help' in options) process.stdout.write(options.help)
  return 0
}
