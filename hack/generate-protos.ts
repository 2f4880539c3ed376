import { execFile } from 'node:child_process'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

/**
 * Generates the codecs of `*.proto` into their `generated` folders.
 * With `--check` it writes nothing and fails if a file is not up to date.
 */

const ROOT = join(import.meta.dirname, '..')
const BIN = join(ROOT, 'node_modules', '.bin')
const PROTOS = [
  { from: 'src/cri/protos', to: 'src/cri/generated' },
  { from: 'test/contract/cri/protos', to: 'test/contract/cri/generated' },
] as const

const OPTIONS = [
  'outputServices=generic-definitions',
  'outputJsonMethods=false',
  'outputPartialMethods=false',
  'outputTypeAnnotations=false',
  'enumsAsLiterals=true',
  'useTypeImports=true',
  'esModuleInterop=true',
  'importSuffix=.ts',
  'forceLong=number',
  'env=node',
]

const check = process.argv.includes('--check')
const directory = await mkdtemp(join(tmpdir(), 'protos-'))
try {
  for (const { from, to } of PROTOS) {
    const protos = (await readdir(join(ROOT, from))).filter(name => name.endsWith('.proto'))
    await promisify(execFile)(join(BIN, 'protoc'), [
      `--plugin=protoc-gen-ts_proto=${join(BIN, 'protoc-gen-ts_proto')}`,
      `--ts_proto_out=${directory}`,
      `--ts_proto_opt=${OPTIONS.join(',')}`,
      `-I${join(ROOT, from)}`,
      ...protos,
    ])
    for (const name of protos.map(proto => proto.replace(/\.proto$/, '.ts'))) {
      const content = await readFile(join(directory, name), 'utf8')
      const target = join(ROOT, to, name)
      if (!check) await writeFile(target, content)
      else if ((await readFile(target, 'utf8')) !== content) {
        console.error(`${to}/${name} is not up to date. Run: npm run generate:protos`)
        process.exitCode = 1
      }
    }
  }
} finally {
  await rm(directory, { recursive: true })
}
