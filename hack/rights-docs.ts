import { isMap, isScalar, isSeq, parseAllDocuments, type Document, type Node } from 'yaml'
import * as z from 'zod'

/** Tables of rights for docs/security.md, generated from the manifests of roles and their comments. */

const Rule = z.object({
  apiGroups: z.array(z.string()),
  resources: z.array(z.string()),
  resourceNames: z.array(z.string()).optional(),
  verbs: z.array(z.string()),
})

/**
 * A generated section: from `<!-- rights: PATH -->` to `<!-- end of rights -->`.
 * PATH is the manifest of the roles.
 */
const SECTION = /<!-- rights: (\S+) -->\n[^]*?<!-- end of rights -->/g

/** Paths of the manifests in the sections of a text. */
export function listedManifests(text: string): readonly string[] {
  return [...text.matchAll(SECTION)].map(([, path = '']) => path)
}

/**
 * The text with all its sections generated again.
 * Throws TypeError where a manifest is missing or has no roles.
 *
 * @param manifests contents of manifests, by path
 */
export function withRights(text: string, manifests: ReadonlyMap<string, string>): string {
  return text.replace(SECTION, (_, path: string) => {
    const manifest = manifests.get(path)
    if (manifest === undefined) throw new TypeError(`there is no manifest ${path}`)
    const tables = parseAllDocuments(manifest).map(rightsTable)
    return `<!-- rights: ${path} -->\n\n${tables.join('\n\n')}\n\n<!-- end of rights -->`
  })
}

function rightsTable(role: Document): string {
  const rules = role.get('rules')
  if (!isSeq(rules)) throw new TypeError('a role has no rules')
  const rows = rules.items.map((item, index) => {
    if (!isMap(item)) throw new TypeError('a rule is not a map')
    const { apiGroups, resources, resourceNames = [], verbs } = Rule.parse(item.toJSON())
    // The YAML parser gives the comment of a list's first item to the list.
    const why = commentOf(item) || (index === 0 ? commentOf(rules) : '')
    const names = resourceNames.length > 0 ? ` ${code(resourceNames)} only` : ''
    return `| ${code(apiGroups.map(group => group || 'core'))} | ${code(resources)}${names} | ${verbs.join(', ')} | ${why} |`
  })
  const kind = `\`${String(role.get('kind'))}\` \`${String(role.getIn(['metadata', 'name']))}\``
  const head = [kind, introductionOf(role)].filter(Boolean).join(': ')
  return `${head}\n\n| API group | resources | verbs | for |\n| --- | --- | --- | --- |\n${rows.join('\n')}`
}

/** The comment at the start of a manifest. The YAML parser gives it to the first key. */
function introductionOf({ contents }: Document): string {
  const key = isMap(contents) ? contents.items[0]?.key : undefined
  return commentOf(isScalar(key) ? key : contents)
}

function commentOf(node: Node | null): string {
  return (node?.commentBefore ?? '').replaceAll(/\s+/g, ' ').trim()
}

function code(names: readonly string[]): string {
  return names.map(name => `\`${name}\``).join(', ')
}
