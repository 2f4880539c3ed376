import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** Path of a cluster binary. When it is missing, throws an error that explains how to build it. */
export function binary(name: string): string {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  const directory = process.env['KUBEFLEDGED_BIN'] ?? join(cache, 'kubefledged', 'bin')
  const path = join(directory, name)
  if (!existsSync(path)) {
    throw new Error(
      `${path} is missing: run "make cluster-build", or set KUBEFLEDGED_BIN to where the binaries are`,
    )
  }
  return path
}
