import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { eventually } from '../../harness/eventually.ts'
import { connect, newNamespace } from '../kube/fixture.ts'
import { chartNamed, serveKind, TestedRelease } from './fixture.ts'
import { HelmByHand, helmAfter } from './helm-by-hand.ts'

/**
 * Tests releases of others, and releases that others are changing, with the real helm and a real API server.
 */

beforeAll(serveKind)

const FOREIGN = ['Irreconcilable=True ForeignRelease', undefined]
const MINUTE = 60_000

async function setUp(spec: Readonly<Record<string, unknown>> = {}) {
  const client = connect()
  const { namespace, configMaps } = await newNamespace(client)
  const release = await TestedRelease.create(client, namespace, spec)
  const name = { namespace, name: 'kf' }
  const value = async () => (await configMaps.get(name)).data?.['value']
  const message = async () => (await release.find())?.status?.conditions?.at(-1)?.message
  return { namespace, release, name, value, message, hand: new HelmByHand(client, namespace) }
}

/** A directory that is removed after the test. */
async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'others-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  return folder
}

describe('a release of another chart', () => {
  it('is not changed, and the status explains what to do', async () => {
    const { namespace, release, value, message, hand } = await setUp({ value: 'ours' })
    await hand.run('install', 'kf', await chartNamed('postgres'), '--set', 'value=theirs')
    const operator = release.operator()
    expect(await operator.reconcile()).toEqual({ requeueAfterMs: expect.any(Number) })
    expect(await release.says()).toEqual(FOREIGN)
    expect(await message()).toBe(
      `the release kf in the namespace ${namespace} is of the chart postgres, not of kube-fledged: it is left alone. ` +
        `Create this object with another name and delete this one, or first run: helm uninstall kf -n ${namespace}`,
    )
    expect(operator.runs).toEqual(['status', 'metadata'])
    expect(await value()).toBe('theirs')

    await hand.run('uninstall', 'kf', '--no-hooks')
    await operator.reconcile()
    expect(await release.says()).toEqual(['Deployed=True InstallSuccessful', 1])
    expect(await value()).toBe('ours')
  })

  it('stays when the object is deleted', async () => {
    const { release, name, value, hand } = await setUp()
    await hand.run('install', 'kf', await chartNamed('postgres'), '--set', 'value=theirs')
    const operator = release.operator()
    await operator.reconcile()
    await release.objects.delete(name)
    await operator.reconcile()
    expect(await release.find()).toBeUndefined()
    expect(await hand.revisions()).toEqual(['deployed'])
    expect(await value()).toBe('theirs')
  })

  it('keeps its pending revision, however old it is', async () => {
    const { release, hand } = await setUp()
    const helm = await hand.hang(await chartNamed('postgres'))
    await hand.age(24 * 60 * MINUTE)
    await release.operator().reconcile()
    expect(await release.says()).toEqual(FOREIGN)
    expect(await hand.revisions()).toEqual(['pending-install'])
    expect(helm.exitCode).toBeNull()
  })

  it('is noticed when it replaces our release, even with the same revision', async () => {
    const { release, value, hand } = await setUp({ value: 'ours' })
    const operator = release.operator()
    await operator.reconcile()
    await hand.run('uninstall', 'kf', '--no-hooks')
    await hand.run('install', 'kf', await chartNamed('postgres'), '--set', 'value=theirs')
    await operator.reconcile()
    expect((await release.says()).at(1)).toBe('Irreconcilable=True ForeignRelease')
    expect(await value()).toBe('theirs')
  })
})

describe('a pending revision', () => {
  it('of another helm is waited for, and removed when it must be abandoned', async () => {
    const { namespace, release, value, message, hand } = await setUp({ value: 'ours' })
    const operator = release.operator()
    await operator.reconcile()
    await release.edit({ value: 'new' })
    const helm = await hand.hang(await chartNamed('small'))
    await hand.age(10 * MINUTE)
    for (const tried of [operator, release.operator()]) {
      expect(await tried.reconcile()).toEqual({ requeueAfterMs: expect.any(Number) })
      expect(await release.says()).toEqual([
        'Deployed=True InstallSuccessful',
        'Irreconcilable=True PendingRelease',
        1,
      ])
    }
    expect(await message()).toMatch(
      /^revision 2 of the release kf is pending-upgrade since 2.*Z: another helm/,
    )
    expect(await message()).toContain(`kubectl delete secret sh.helm.release.v1.kf.v2 -n ${namespace}`)
    expect(helm.exitCode, 'it works on').toBeNull()
    expect(await hand.revisions()).toEqual(['deployed', 'pending-upgrade'])

    helm.kill('SIGKILL')
    await hand.age(6 * MINUTE)
    await operator.reconcile()
    expect(await release.says()).toEqual(['Deployed=True UpgradeSuccessful', 2])
    expect(await value()).toBe('new')
  })

  it('of a killed helm of the operator is removed at once, also by a new operator', async () => {
    const { release, value, hand } = await setUp({ value: 'ours', hangs: true })
    const folder = await newFolder()
    const operator = release.operator(await helmAfter(`echo $$ > ${folder}/pid`))
    const reconciled = operator.reconcile()
    await hand.untilPending()
    process.kill(Number(await readFile(join(folder, 'pid'), 'utf8')), 'SIGKILL')
    await reconciled
    expect(await release.says()).toEqual(['ReleaseFailed=True InstallError', undefined])
    expect(await hand.revisions()).toEqual(['pending-install'])

    await release.edit({ hangs: false })
    await release.operator().reconcile()
    expect(await release.says()).toEqual(['Deployed=True InstallSuccessful', 1])
    expect(await value()).toBe('ours')
    expect((await release.find())?.status).not.toHaveProperty('pendingRevision')
  })

  it('of another helm that was faster is not treated as its own', async () => {
    const { release, hand } = await setUp({ value: 'ours' })
    const folder = await newFolder()
    const shell = `touch ${folder}/begun; until [ -e ${folder}/go ]; do sleep 0.1; done`
    const operator = release.operator(await helmAfter(shell))
    const reconciled = operator.reconcile()
    await eventually('the operator to upgrade', async () => {
      await access(join(folder, 'begun'))
      return true
    })
    const helm = await hand.hang(await chartNamed('small'))
    await writeFile(join(folder, 'go'), '')
    await reconciled
    expect(await release.says()).toEqual(['ReleaseFailed=True InstallError', undefined])
    await operator.reconcile()
    expect(await release.says()).toEqual(['Irreconcilable=True PendingRelease', undefined])
    expect(await hand.revisions()).toEqual(['pending-install'])
    expect(helm.exitCode).toBeNull()
  })
})
