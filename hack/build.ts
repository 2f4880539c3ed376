/**
 * Bundles the program into `dist/program`: `main.js`, and beside it a file for what each subcommand alone needs, so that
 * a process does not load the others' code. Run by `make build`.
 */
import { rm } from 'node:fs/promises'
import { build } from 'esbuild'

/** Packages in CommonJS ask for `require`, which an ES module does not have. */
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
