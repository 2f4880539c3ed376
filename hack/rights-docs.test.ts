import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ROOT } from './chart-docs.ts'
import { listedManifests, withRights } from './rights-docs.ts'

const ROLE = `# In one namespace.
kind: Role
metadata: {name: x}
rules:
  # to see them
  - apiGroups: [""]
    resources: [pods]
    verbs: [list, watch]
  - apiGroups: [apps]
    resources: [deployments]
    resourceNames: [a]
    verbs: [get]
`

describe('rights in documents', () => {
  it('are those of the manifests, with their comments', () => {
    const text = 'before\n<!-- rights: a.yaml -->\nold\n<!-- end of rights -->\nafter\n'
    expect(withRights(text, new Map([['a.yaml', ROLE]]))).toBe(`before
<!-- rights: a.yaml -->

\`Role\` \`x\`: In one namespace.

| API group | resources | verbs | for |
| --- | --- | --- | --- |
| \`core\` | \`pods\` | list, watch | to see them |
| \`apps\` | \`deployments\` \`a\` only | get |  |

<!-- end of rights -->
after
`)
  })

  it('are refused for a manifest that is not there', () => {
    expect(() => withRights('<!-- rights: b.yaml -->\n<!-- end of rights -->', new Map())).toThrow(
      'there is no manifest b.yaml',
    )
  })

  it('are listed of every role of deploy/', async () => {
    const files = await readdir(join(ROOT, 'deploy'), { recursive: true })
    const listed = listedManifests(await readFile(join(ROOT, 'docs/security.md'), 'utf8'))
    // What the operator grants are the controller's rights once more.
    const roles = files.filter(file =>
      /^([a-z-]+\/deploy\/|kubefledged-)(cluster)?role[-.](?!granted)/.test(file),
    )
    expect(roles.length).toBeGreaterThan(3)
    expect([...listed].sort()).toEqual(roles.map(file => `deploy/${file}`).sort())
  })
})
