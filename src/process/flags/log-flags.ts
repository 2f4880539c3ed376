import { boolean, choice, type Flag, integer, text } from './flag-types.ts'

/** Log flags of every process: our own, and those of glog and klog that kube-fledged accepts. */

/** Minimum level that is logged. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

const IGNORED = 'Accepted and ignored: logs go to standard output as JSON.'

/** The group `logs` of a command's flags. */
export function logFlags() {
  return {
    logLevel: choice(
      ['log-level', 'Minimum level that is logged; overrides --v and --stderrthreshold.'],
      'info',
      ['debug', 'info', 'warn', 'error'],
      { loose: true },
    ),
    stderrthreshold: choice(
      ['stderrthreshold', 'Minimum level that is logged, as a name or number of glog.'],
      'INFO',
      ['INFO', 'WARNING', 'ERROR', 'FATAL', '0', '1', '2', '3'],
      { loose: true },
    ),
    v: integer(['v', 'Verbosity of glog; 4 or more means level debug.'], 0, { min: 0 }),
    ...ignoredFlags(),
  } satisfies Record<string, Flag<unknown>>
}

/** The other flags of glog and klog. They say where and how to write, which has no effect here. */
function ignoredFlags() {
  return {
    logtostderr: boolean(['logtostderr', IGNORED], false),
    alsologtostderr: boolean(['alsologtostderr', IGNORED], false),
    alsologtostderrthreshold: text(['alsologtostderrthreshold', IGNORED], '', 'text'),
    legacy_stderr_threshold_behavior: boolean(['legacy_stderr_threshold_behavior', IGNORED], false),
    vmodule: text(['vmodule', IGNORED], '', 'text'),
    log_dir: text(['log_dir', IGNORED], '', 'path'),
    log_link: text(['log_link', IGNORED], '', 'path'),
    log_file: text(['log_file', IGNORED], '', 'path'),
    log_file_max_size: text(['log_file_max_size', IGNORED], '', 'number'),
    logbuflevel: text(['logbuflevel', IGNORED], '', 'number'),
    log_backtrace_at: text(['log_backtrace_at', IGNORED], '', 'text'),
    add_dir_header: boolean(['add_dir_header', IGNORED], false),
    skip_headers: boolean(['skip_headers', IGNORED], false),
    skip_log_headers: boolean(['skip_log_headers', IGNORED], false),
    one_output: boolean(['one_output', IGNORED], false),
  } satisfies Record<string, Flag<unknown>>
}

/** Our level for each level of glog. */
const LEVELS = {
  INFO: 'info',
  WARNING: 'warn',
  ERROR: 'error',
  FATAL: 'error',
  '0': 'info',
  '1': 'warn',
  '2': 'error',
  '3': 'error',
} as const
/** kube-fledged logs details at -v=4. */
const DEBUG_VERBOSITY = 4

/**
 * The log level that the log flags result in, and warnings about flags without effect.
 *
 * @param given names of the flags on the command line
 */
export function logOptions(
  values: {
    readonly logLevel: LogLevel
    readonly stderrthreshold: keyof typeof LEVELS
    readonly v: number
  },
  given: ReadonlySet<string>,
): { readonly logLevel: LogLevel; readonly warnings: readonly string[] } {
  const byThreshold = values.v >= DEBUG_VERBOSITY ? 'debug' : LEVELS[values.stderrthreshold]
  const ignored = Object.keys(ignoredFlags())
    .filter(name => given.has(name))
    .map(name => `--${name}`)
  return {
    logLevel: given.has('log-level') ? values.logLevel : byThreshold,
    warnings:
      ignored.length === 0
        ? []
        : [`${ignored.join(', ')}: accepted and ignored; logs go to standard output as JSON`],
  }
}
