/**
 * Bundles the program into `dist/program`: `main.js`, and chunks with the code of each subcommand.
 * A process loads only the code of its own subcommand. `make build` runs this script.
 */
import { rm } from 'node:fs/promises'
import { build } from 'esbuild'

/** CommonJS packages need `require`, which ES modules do not have. */
const banner = `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);`
const OUT = 'dist/program'

await rm(OUT, { recursive: true, force: true })
await build({
  entryPoints: ['src/main.ts'],
  outdir: OUT,
  chunkNames: 'chunks/[name]-[hash]',
  bundle: true,
  splitting: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  minify: true,
  keepNames: true,
  banner: { js: banner },
  logLevel: 'warning',
})
