import { type Flag, boolean, text } from '../../process/flags/flag-types.ts'
import { type LogLevel, logFlags, logOptions } from '../../process/flags/log-flags.ts'
import { parseFlags } from '../../process/flags/parse-flags.ts'
import { UsageError } from '../../base/usage-error.ts'
import { socketCandidates } from '../../cri/index.ts'
import { REQUEST_FILE } from '../../cri/removal/index.ts'

/** The parsed command line of the CRI client. */
export interface CriClientOptions {
  /** Paths of sockets, in the order of the attempts. */
  readonly sockets: readonly string[]
  readonly requestFile: string
  readonly terminationLog: string
  /** Print the node's images, remove nothing. */
  readonly list: boolean
  readonly logLevel: LogLevel
}

/**
 * Parses the arguments after the program's name. `{ help }` is the text to print when help was requested.
 * Throws `UsageError`.
 */
export function parseCriClientOptions(argv: readonly string[]): CriClientOptions | { readonly help: string } {
  const parsed = parseFlags(PROGRAM, FLAGS, argv)
  if ('help' in parsed) return parsed
  return { ...parsed.values.node, ...logOptions(parsed.values.logs, parsed.given) }
}

const PROGRAM = {
  name: 'kubefledged-cri-client',
  description: "Removes images from a node through its container runtime's socket.",
}

const FLAGS = {
  node: {
    sockets: sockets('cri-socket-path', "The runtime's socket; several, by commas, are tried in turn."),
    requestFile: text(['request-file', 'File with what is to be removed, as JSON.'], REQUEST_FILE, 'path'),
    terminationLog: text(
      ['termination-log', 'File that the result is written to, as JSON of 4096 bytes at most.'],
      '/dev/termination-log',
      'path',
    ),
    list: boolean(['list', "Print the node's images as JSON and remove nothing."], false),
  },
  logs: logFlags(),
}

function sockets(name: string, doc: string): Flag<readonly string[]> {
  const value = socketCandidates('')
  const parse = (given: string): readonly string[] => {
    const paths = given.split(',')
    if (!paths.every(path => path.startsWith('/'))) {
      throw new UsageError(
        'InvalidValue',
        `--${name}: ${JSON.stringify(given.slice(0, 80))} is not accepted; it takes absolute paths`,
      )
    }
    return paths
  }
  return { name, doc, placeholder: 'paths', value, shown: value.join(','), parse }
}
