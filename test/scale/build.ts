import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'

/** Programs of the controller's process. */
export interface Program {
  /** The bundle that the image of the controller has. */
  readonly main: string
  /** `probe.ts` as JavaScript: Node's own loader of TypeScript would add to the measured memory. */
  readonly probe: string
}

/** Bundles the product of a checkout, and the probe into a folder. */
export async function buildProgram(checkout: string, folder: string): Promise<Program> {
  await promisify(execFile)(process.execPath, ['hack/build.ts'], { cwd: checkout })
  const probe = join(folder, 'probe.mjs')
  await build({
    entryPoints: [join(import.meta.dirname, 'probe.ts')],
    outfile: probe,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    logLevel: 'warning',
  })
  return { main: join(checkout, 'dist/program/main.js'), probe }
}
