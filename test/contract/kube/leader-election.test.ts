import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type KubeClient, runWithLeaderElection } from '../../../src/kube/index.ts'
import { LEASES, type Lease } from '../../../src/kube/lease.ts'
import { eventually } from '../../harness/eventually.ts'
import { TcpProxy } from '../../harness/tcp-proxy.ts'
import { sharedApiServer } from '../shared-api-server.ts'
import { connect, newLog, newNamespace } from './fixture.ts'
import { LONG, SHORT, startCandidate } from './in-process-candidate.ts'

async function leaseOf(client: KubeClient, namespace: string): Promise<Lease['spec']> {
  return (await client.resource<Lease>(LEASES).get({ namespace, name: 'controller' })).spec
}

/** Starts a candidate as a process and waits until it is elected. */
async function electedProcess(namespace: string, identity: string): Promise<ChildProcess> {
  const script = join(import.meta.dirname, 'candidate.ts')
  const args = [script, sharedApiServer().kubeconfig, namespace, 'controller', identity]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [words] = await once(child.stdout, 'data', { signal: AbortSignal.timeout(30_000) })
  expect(String(words)).toBe('leading\n')
  return child
}

describe('leader election', () => {
  it('elects one of two, and writes a Lease that other clients understand', async () => {
    const client = connect()
    const { namespace } = await newNamespace(client)
    const election = { namespace, name: 'controller', ...SHORT }
    const a = startCandidate(client, { ...election, identity: 'a' })
    await eventually('a to be elected', async () => a.leading())
    const b = startCandidate(client, { ...election, identity: 'b' })
    const first = await leaseOf(client, namespace)
    expect(first).toMatchObject({ holderIdentity: 'a', leaseDurationSeconds: 3, leaseTransitions: 0 })
    await eventually('longer than a lease, with renewals', async () => {
      const lease = await leaseOf(client, namespace)
      return Date.parse(lease?.renewTime ?? '') - Date.parse(first?.renewTime ?? '') > 4000
    })
    expect((await leaseOf(client, namespace))?.acquireTime).toBe(first?.acquireTime)
    expect(a.leading()).toBe(true)
    expect(b.history).toEqual([])
  })

  it('hands over at once when the leader resigns, after its work has ended', async () => {
    const client = connect()
    const { namespace } = await newNamespace(client)
    const election = { namespace, name: 'controller', ...LONG }
    const a = startCandidate(client, { ...election, identity: 'a' }, 500)
    await eventually('a to be elected', async () => a.leading())
    const b = startCandidate(client, { ...election, identity: 'b' })
    const resigned = a.resign()
    expect(await leaseOf(client, namespace), 'held while the work drains').toMatchObject({
      holderIdentity: 'a',
    })
    await resigned
    expect(a.history).toEqual(['elected', 'stopping', 'ended'])
    await eventually('b to be elected', async () => b.leading(), { timeoutMs: 30_000 })
    expect(await leaseOf(client, namespace)).toMatchObject({ holderIdentity: 'b', leaseTransitions: 1 })
  })

  it('takes over from a killed leader when its lease has expired and not before', async () => {
    const client = connect()
    const { namespace } = await newNamespace(client)
    const child = await electedProcess(namespace, 'killed')
    const b = startCandidate(client, { namespace, name: 'controller', ...SHORT, identity: 'b' })
    child.kill('SIGKILL')
    await once(child, 'exit')
    const last = await leaseOf(client, namespace)
    expect(last?.holderIdentity).toBe('killed')
    await eventually('b to be elected', async () => b.leading())
    const lease = await leaseOf(client, namespace)
    expect(lease).toMatchObject({ holderIdentity: 'b', leaseTransitions: 1 })
    const gapMs = Date.parse(lease?.acquireTime ?? '') - Date.parse(last?.renewTime ?? '')
    expect(gapMs).toBeGreaterThanOrEqual(2900)
  })

  it('never has two leaders when one loses the API server, which later becomes a candidate again', async () => {
    const direct = connect()
    const { namespace } = await newNamespace(direct)
    await using proxy = await TcpProxy.start(Number(new URL(sharedApiServer().url).port))
    const cut = connect({ server: `https://127.0.0.1:${proxy.port}` })
    const election = { namespace, name: 'controller', ...SHORT }
    const a = startCandidate(cut, { ...election, identity: 'a' })
    await eventually('a to be elected', async () => a.leading())
    const b = startCandidate(direct, { ...election, identity: 'b' })
    proxy.block()
    let both = false
    await eventually(
      'b to be elected',
      async () => {
        both ||= a.leading() && b.leading()
        return b.leading()
      },
      { everyMs: 5 },
    )
    expect(both).toBe(false)
    expect(a.history).toEqual(['elected', 'stopping', 'ended', 'lost'])
    proxy.allow()
    await b.resign()
    await eventually('a to be elected again', async () => a.leading())
    await a.resign()
  })

  it('judges expiry by how long the lease is unchanged, not by its written time', async () => {
    const client = connect()
    const { namespace } = await newNamespace(client)
    const leases = client.resource<Lease>(LEASES)
    // A leader whose clock is a day slow: its lease seems expired but was just renewed.
    const yesterday = new Date(Date.now() - 86_400_000).toISOString().replace('Z', '000Z')
    const spec = {
      holderIdentity: 'late',
      leaseDurationSeconds: 600,
      acquireTime: yesterday,
      renewTime: yesterday,
    }
    await leases.create({ metadata: { namespace, name: 'controller' }, spec })
    const b = startCandidate(client, { namespace, name: 'controller', ...SHORT, identity: 'b' })
    const { get: before } = client.requestCount
    await eventually('several tries', async () => client.requestCount.get > before + 3)
    expect(b.history).toEqual([])
    await leases.mergePatch({ namespace, name: 'controller' }, { spec: { leaseDurationSeconds: 1 } })
    await eventually('b to be elected', async () => b.leading())
  })

  it('renews while the rate limit is used up', async () => {
    const { namespace } = await newNamespace(connect())
    const client = connect({ qps: 0.001, burst: 1 })
    await client.serverVersion()
    const a = startCandidate(client, { namespace, name: 'controller', ...SHORT, identity: 'a' })
    await eventually('several renewals', async () => client.requestCount.update > 3)
    expect(a.leading()).toBe(true)
  })

  it('releases the lease and rejects when the work fails, and resolves when the work is done', async () => {
    const client = connect()
    const { namespace } = await newNamespace(client)
    const { log } = newLog()
    const election = {
      client,
      namespace,
      name: 'controller',
      ...LONG,
      log,
      signal: AbortSignal.timeout(60_000),
    }
    const failure = new Error('the work')
    const failed = runWithLeaderElection({ ...election, identity: 'a', lead: () => Promise.reject(failure) })
    await expect(failed).rejects.toBe(failure)
    expect(await leaseOf(client, namespace)).toMatchObject({ leaseDurationSeconds: 1 })
    expect((await leaseOf(client, namespace))?.holderIdentity ?? '').toBe('')
    let led = false
    await runWithLeaderElection({ ...election, identity: 'b', lead: async () => void (led = true) })
    expect(led).toBe(true)
  })

  it('rejects times that would allow two leaders', async () => {
    const signal = AbortSignal.abort()
    const wrong = { ...SHORT, renewDeadlineMs: 3000 }
    const election = {
      client: connect(),
      namespace: 'x',
      name: 'x',
      identity: 'x',
      lead: async () => {},
      signal,
    }
    await expect(runWithLeaderElection({ ...election, ...wrong })).rejects.toThrow(RangeError)
  })
})
