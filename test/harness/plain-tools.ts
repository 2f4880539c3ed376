import { existsSync } from 'node:fs'
import { symlink } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Programs that an installation may need besides kubectl or helm. macOS and every Linux have them, with the
 * same options.
 */
const TOOLS =
  'awk bash cat cut date dirname env grep head make mktemp rm sed sh sleep sort tail tr uname wc'.split(' ')

/**
 * Fills a directory that becomes the whole PATH: links to these tools and to further programs. Directories in
 * `more` are searched first.
 */
export async function linkPlainTools(
  folder: string,
  programs: readonly string[] = [],
  more: readonly string[] = [],
): Promise<void> {
  const places = [...more, ...(process.env.PATH ?? '').split(':')]
  const find = (name: string) => {
    const path = places.map(place => join(place, name)).find(existsSync)
    if (path === undefined) throw new Error(`${name} is not in PATH`)
    return path
  }
  for (const name of [...TOOLS, ...programs]) await symlink(find(name), join(folder, name))
}
