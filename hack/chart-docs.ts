/**
 * Generates files of the chart, the manifests and the documentation:
 *
 * - docs/helm-parameters.md, from the comments in the chart's values.yaml
 * - the rules of the controller's roles for the chart, from the manifests of deploy/
 * - the same rules for the operator, because it must hold every right that it grants
 * - the tables of roles in docs/security.md
 * - the tables of flags in docs/flags.md
 *
 * With `--check` it writes nothing and fails if a file is not up to date.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Document, isMap, isScalar, type Node, parseDocument, type YAMLMap } from 'yaml'
import { controllerFlags } from '../src/programs/controller/flags.ts'
import { operatorFlags } from '../src/programs/operator/flags.ts'
import { webhookFlags } from '../src/programs/webhook/flags.ts'
import { flagsDocument } from './flags-docs.ts'
import { listedManifests, withRights } from './rights-docs.ts'

/** Root of the repository. */
export const ROOT = join(import.meta.dirname, '..')
const CHART = 'charts/kube-fledged'

/** A value of the chart. */
export interface ChartValue {
  /** Keys joined by dots. */
  readonly path: string
  readonly value: unknown
  /** Description. Empty where values.yaml has none. */
  readonly doc: string
}

/** All values in the order of the file. A map of values is not a value itself. */
export function chartValues(yaml: string): readonly ChartValue[] {
  const { contents } = parseDocument(yaml)
  if (!isMap(contents)) throw new TypeError('values.yaml is not a map')
  return leaves(contents, [])
}

function leaves(map: YAMLMap, parents: readonly string[]): ChartValue[] {
  return map.items.flatMap(({ key, value }) => {
    if (!isScalar(key)) throw new TypeError(`a key below ${parents.join('.')} is not a scalar`)
    const path = [...parents, String(key.value)]
    if (isMap(value) && value.items.length > 0) return leaves(value, path)
    // The YAML parser gives the comment of a map's first key to the map.
    const comment = key.commentBefore ?? (map.items[0]?.key === key ? map.commentBefore : undefined)
    return [
      { path: path.join('.'), value: (value as Node | null)?.toJSON() ?? null, doc: docOf(comment ?? '') },
    ]
  })
}

/** The text after ` -- `, as one line. */
function docOf(comment: string): string {
  const [, doc = ''] = / -- ([^]*)$/.exec(comment) ?? []
  return doc
    .split('\n')
    .map(line => line.trim())
    .join(' ')
}

/** The content of docs/helm-parameters.md. */
export function parametersDocument(values: readonly ChartValue[]): string {
  const rows = values.map(
    ({ path, value, doc }) => `| \`${path}\` | ${shown(value)} | ${doc.replaceAll('|', String.raw`\|`)} |`,
  )
  return `<!-- Generated from ${CHART}/values.yaml by \`node hack/chart-docs.ts\`. Do not edit. -->
# Parameters of the Helm chart

Set them with \`--set\` or in a file given with \`--values\`.
The chart refuses an unknown value and a value of the wrong type. The error names the value.

| Parameter | Default | Description |
| --- | --- | --- |
${rows.join('\n')}
`
}

function shown(value: unknown): string {
  return value === null
    ? ''
    : `\`${typeof value === 'string' && value !== '' ? value : JSON.stringify(value)}\``
}

/** Content of every generated file, by its path from the root. */
export async function generatedFiles(): Promise<Readonly<Record<string, string>>> {
  const read = (path: string) => readFile(join(ROOT, path), 'utf8')
  const clusterRole = rules(await read('deploy/kubefledged-clusterrole-controller.yaml'))
  const role = rules(await read('deploy/kubefledged-role-controller.yaml'))
  return {
    'docs/helm-parameters.md': parametersDocument(chartValues(await read(`${CHART}/values.yaml`))),
    [`${CHART}/files/clusterrole-controller.yaml`]: clusterRole,
    [`${CHART}/files/role-controller.yaml`]: role,
    'deploy/kubefledged-operator/deploy/clusterrole_granted.yaml': `# Generated from deploy/kubefledged-clusterrole-controller.yaml and -role-controller.yaml by \`node hack/chart-docs.ts\`. Do not edit.
# The controller's rights. The operator grants them to the controller, so it must hold them itself.
${granted('kubefledged-operator-granted', clusterRole)}---
${granted('kubefledged-operator-releases-granted', role)}`,
    'docs/security.md': await securityDocument(read),
    'docs/flags.md': flagsDocument({
      'kubefledged-controller': controllerFlags({}),
      'kubefledged-webhook-server': webhookFlags({}),
      'kubefledged-operator': operatorFlags({}),
    }),
  }
}

function granted(name: string, ruleList: string): string {
  return `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: ${name}
  labels:
    app: kubefledged
    kubefledged: kubefledged-operator
rules:
${ruleList.replaceAll(/^(?=.)/gm, '  ')}`
}

async function securityDocument(read: (path: string) => Promise<string>): Promise<string> {
  const text = await read('docs/security.md')
  const manifests = listedManifests(text).map(async path => [path, await read(path)] as const)
  return withRights(text, new Map(await Promise.all(manifests)))
}

function rules(role: string): string {
  return new Document(parseDocument(role).get('rules', true)).toString({
    lineWidth: 0,
    flowCollectionPadding: false,
  })
}

/** Paths of generated files that are missing or not up to date. */
export async function staleFiles(): Promise<readonly string[]> {
  const stale = []
  for (const [path, content] of Object.entries(await generatedFiles())) {
    if ((await readIfThere(join(ROOT, path))) !== content) stale.push(path)
  }
  return stale
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

async function main(args: readonly string[]): Promise<number> {
  if (args.length > 1 || (args.length === 1 && args[0] !== '--check')) {
    console.error(`chart-docs: unknown arguments: ${args.join(' ')}; only --check is known`)
    return 2
  }
  if (args[0] === '--check') {
    const stale = await staleFiles()
    if (stale.length === 0) return 0
    console.error(
      `chart-docs: not up to date: ${stale.join(', ')}. Run \`node hack/chart-docs.ts\` and commit the result.`,
    )
    return 1
  }
  for (const [path, content] of Object.entries(await generatedFiles())) {
    await mkdir(dirname(join(ROOT, path)), { recursive: true })
    await writeFile(join(ROOT, path), content)
  }
  return 0
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2))
