/** Bundles the program: `src/main.ts` and everything it imports → `dist/main.js`. Run by `make build`. */
import { build } from 'esbuild'

/** Packages in CommonJS ask for `require`, which an ES module does not have. */
const banner = `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);`

await build({
  entryPoints: ['src/main.ts'],
  outfile: 'dist/main.js',
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  minify: true,
  keepNames: true,
  banner: { js: banner },
  logLevel: 'warning',
})
