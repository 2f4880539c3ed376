import { existsSync } from 'node:fs'
import { symlink } from 'node:fs/promises'
import { join } from 'node:path'

/** The programs that an installation may need besides kubectl or helm: macOS and every Linux have them, with the same options. */
const TOOLS = [
  ...['awk', 'bash', 'cat', 'cut', 'date', 'dirname', 'env', 'grep', 'head', 'make', 'mktemp', 'rm', 'sed'],
  ...['sh', 'sleep', 'sort', 'tail', 'tr', 'uname', 'wc'],
]

/** Fills a folder that is to be the whole of a PATH: links to these tools, and to further programs by their path. */
export async function linkPlainTools(folder: string, ...programs: readonly string[]): Promise<void> {
  const places = (process.env.PATH ?? '').split(':')
  const find = (name: string) => {
    const path = places.map(place => join(place, name)).find(existsSync)
    if (path === undefined) throw new Error(`${name} is not in PATH`)
    return path
  }
  for (const path of [...TOOLS.map(find), ...programs]) {
    await symlink(path, join(folder, path.split('/').at(-1) ?? ''))
  }
}
