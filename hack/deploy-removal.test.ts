import { describe, expect, it } from 'vitest'
import { type ScriptOptions, runDeployScript } from '../test/harness/deploy-script.ts'

/** What a removal says and asks before it removes, and what it refuses. */

const yaml = (options?: ScriptOptions) => runDeployScript(['hack/deploy/yaml.sh', 'remove'], options)
const operator = (options?: ScriptOptions) => runDeployScript(['hack/deploy/operator.sh', 'remove'], options)

/** kubectl's answers, by what it is asked. */
const CONTEXT = { '"config view"*': 'production (https://203.0.113.7:6443)' }
const CRDS = { '"get crd imagecaches"*': 'crd/a', '"get crd nodeimages"*': 'crd/b' }
const OBJECTS = {
  '"get imagecaches.kubefledged.io --all-namespaces"*': 'imagecache/a\nimagecache/b\nimagecache/c',
  '"get nodeimages.kubefledged.io --all-namespaces"*': 'nodeimages/a',
}
const OUR_NAMESPACE = { '"get namespaces --field-selector metadata.name="*': 'namespace/kube-fledged' }
const YAML = { '"get clusterrolebindings"*': 'kube-fledged' }
const OPERATOR = { '*metadata.name=kubefledged-operator*': 'ops' }
const KUBEFLEDGED = {
  '"get crd kubefledgeds"*': 'crd/c',
  '"get kubefledgeds.charts.helm.kubefledged.io --all-namespaces -o jsonpath"*': 'apps kube-fledged',
}
const release = (chart: string, namespace: string, name: string) => ({
  '*managed-by=Helm*': `${chart} ${namespace} ${name}`,
})

const changes = (calls: readonly string[]) => calls.filter(call => !/^(get|config) /.test(call))

describe.each([
  ['make remove-kubefledged', yaml],
  ['make remove-kubefledged-and-operator', operator],
])('%s', (_, remove) => {
  const answers = { ...CONTEXT, ...CRDS, ...OBJECTS, ...OUR_NAMESPACE }
  const shown = [
    "kubectl's context: production (https://203.0.113.7:6443)",
    'This removes:',
    '  the CRD imagecaches.kubefledged.io and its objects in all namespaces: 3',
    '  the CRD nodeimages.kubefledged.io and its objects in all namespaces: 1',
    '  the namespace kube-fledged, with everything in it',
  ].join('\n')

  it('shows what goes, and does not ask without a terminal', async () => {
    const { code, stdout, stderr, calls } = await remove({ answers })
    expect(stdout).toContain(`${shown}\n`)
    expect(stderr).toBe('')
    expect(code).toBe(0)
    expect(changes(calls)[0]).toMatch(/ delete |^delete /)
  })

  it.each(['n\n', '\n', 'no\n', 'yess\n', ''])(
    'removes nothing where the answer at a terminal is %j',
    async typed => {
      const { code, stdout, calls } = await remove({ answers, typed })
      expect(stdout.replaceAll('\r', '')).toContain(`${shown}\nRemove all of this? [y/N] `)
      expect(stdout).toContain('Nothing was removed.')
      expect(code).not.toBe(0)
      expect(changes(calls)).toEqual([])
    },
  )

  it.each(['y\n', 'yes\n'])('removes where the answer at a terminal is %j', async typed => {
    const { code, calls } = await remove({ answers, typed })
    expect(code).toBe(0)
    expect(changes(calls)).not.toEqual([])
  })

  it('does not ask with YES=1', async () => {
    const { code, stdout, calls } = await remove({ answers, typed: '', env: { YES: '1' } })
    expect(stdout.replaceAll('\r', '')).toContain(shown)
    expect(stdout).not.toContain('[y/N]')
    expect(code).toBe(0)
    expect(changes(calls)).not.toEqual([])
  })

  it('says which namespace stays, and leaves it', async () => {
    const { stdout } = await remove({ answers: { ...CONTEXT, ...CRDS } })
    expect(stdout).toContain('  kube-fledged in the namespace kube-fledged, which stays\n')
  })

  it.each(['"get crd imagecaches"*', '"get namespaces"*', '*managed-by=Helm*', '"get clusterrolebindings"*'])(
    'removes nothing where kubectl has no answer to %s',
    async question => {
      const others = Object.entries(answers).filter(([pattern]) => pattern !== question)
      const { code, stderr, calls } = await remove({
        answers: { [question]: '!', ...Object.fromEntries(others) },
      })
      expect(code).not.toBe(0)
      expect(stderr).toContain('refused')
      expect(changes(calls)).toEqual([])
    },
  )

  it('refuses where Helm has installed, of any version of the chart', async () => {
    for (const chart of ['kube-fledged-v0.11.0', 'kube-fledged-0.12.0']) {
      const { code, stderr, calls } = await remove({
        answers: { ...answers, ...release(chart, 'apps', 'fledged') },
      })
      expect(stderr).toBe(
        'Helm has installed kube-fledged: the release fledged in the namespace apps. Nothing was removed. ' +
          'To remove that, type: helm uninstall fledged -n apps\n',
      )
      expect(code).not.toBe(0)
      expect(changes(calls)).toEqual([])
    }
  })

  it('does not mind releases of other charts', async () => {
    const { code } = await remove({
      answers: { ...answers, ...release('nginx-1.0.0', 'apps', 'kube-fledged') },
    })
    expect(code).toBe(0)
  })
})

describe('make remove-kubefledged', () => {
  it('refuses where the operator has installed, and names the command with its namespaces', async () => {
    const answers = { ...KUBEFLEDGED, ...OPERATOR, ...release('kube-fledged-0.12.0', 'apps', 'kube-fledged') }
    const { code, stderr, calls } = await yaml({ answers })
    expect(stderr).toBe(
      'The operator has installed kube-fledged: the KubeFledged kube-fledged in the namespace apps. Nothing was removed. ' +
        'To remove it, type: make remove-kubefledged-and-operator KUBEFLEDGED_NAMESPACE=apps OPERATOR_NAMESPACE=ops\n',
    )
    expect(code).not.toBe(0)
    expect(changes(calls)).toEqual([])
  })
})

describe('make remove-kubefledged-and-operator', () => {
  const env = { KUBEFLEDGED_NAMESPACE: 'apps', OPERATOR_NAMESPACE: 'ops' }

  it('removes the release that the operator made', async () => {
    const answers = { ...KUBEFLEDGED, ...OPERATOR, ...release('kube-fledged-0.12.0', 'apps', 'kube-fledged') }
    const { code, stderr } = await operator({ answers, env })
    expect(stderr).toBe('')
    expect(code).toBe(0)
  })

  it('refuses a namespace in which the operator is not', async () => {
    const { code, stderr, calls } = await operator({ answers: { ...KUBEFLEDGED, ...OPERATOR } })
    expect(stderr).toMatch(
      /^The operator is in the namespace ops, not in kube-fledged\. .*OPERATOR_NAMESPACE=/,
    )
    expect(code).not.toBe(0)
    expect(changes(calls)).toEqual([])
  })

  it('refuses where there is no operator, but an installation by manifests', async () => {
    const { code, stderr, calls } = await operator({ answers: YAML })
    expect(stderr).toBe(
      'There is no operator: make deploy-using-yaml has installed kube-fledged in the namespace kube-fledged. ' +
        'Nothing was removed. To remove it, type: make remove-kubefledged KUBEFLEDGED_NAMESPACE=kube-fledged\n',
    )
    expect(code).not.toBe(0)
    expect(changes(calls)).toEqual([])
  })
})
