import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { KubeClient } from '../../../src/kube/index.ts'
import { LEASES, type Lease } from '../../../src/kube/lease.ts'
import { eventually } from '../../harness/eventually.ts'
import { connect, newNamespace, startFront, uniqueName } from './fixture.ts'
import { type Candidate, LONG, SHORT, startCandidate } from './in-process-candidate.ts'

/** Candidates in several namespaces compete for one lock: the oldest Lease of a name. */

/** A unique Lease name, and a function that starts a candidate in a new namespace. */
function newElection(times: typeof SHORT = SHORT) {
  // A client that has led may write no more when its term is over.
  const client = connect()
  const name = uniqueName('controller')
  const join = async (namespace?: string, by = connect()): Promise<Candidate & { namespace: string }> => {
    const own = namespace ?? (await newNamespace(client)).namespace
    const election = {
      ...times,
      name,
      namespace: own,
      identity: uniqueName('pod'),
      scope: 'cluster' as const,
    }
    return { ...startCandidate(by, election), namespace: own }
  }
  return { client, name, leases: client.resource<Lease>(LEASES), join }
}

async function leasesOf(client: KubeClient, name: string): Promise<Lease[]> {
  const { items } = await client.resource<Lease>(LEASES).list({ fieldSelector: `metadata.name=${name}` })
  return items
}

async function namespacesOf(client: KubeClient, name: string): Promise<(string | undefined)[]> {
  return (await leasesOf(client, name)).map(({ metadata }) => metadata.namespace)
}

/** Namespaces of the Leases that have a holder. */
function holdingNamespaces(leases: readonly Lease[]): (string | undefined)[] {
  return leases.filter(({ spec }) => spec?.holderIdentity).map(({ metadata }) => metadata.namespace)
}

/** Checks until the end of the test that at most one candidate leads. */
function watchForTwo(candidates: readonly Candidate[]): void {
  let most = 0
  const timer = setInterval(() => {
    most = Math.max(most, candidates.filter(candidate => candidate.leading()).length)
  }, 5)
  onTestFinished(() => {
    clearInterval(timer)
    expect(most, 'leaders at one time').toBe(1)
  })
}

const elected = (candidate: Candidate, who: string) =>
  eventually(`${who} to be elected`, async () => candidate.leading(), { timeoutMs: 30_000 })

describe('the lock of a cluster', () => {
  it('lets one of two namespaces lead; the other creates nothing, knows the leader, and takes over at once', async () => {
    const { client, name, join } = newElection(LONG)
    const a = await join()
    await elected(a, 'a')
    const b = await join()
    await eventually('b to be told of a renewal', async () => b.leaders.length > 2)
    expect(b.leaders[0]).toEqual({ identity: expect.stringMatching(/^pod-/), namespace: a.namespace })
    expect(b.history).toEqual([])
    expect(await namespacesOf(client, name)).toEqual([a.namespace])
    await a.resign()
    await elected(b, 'b')
    expect(await namespacesOf(client, name), 'what a left behind is the lock').toEqual([a.namespace])
  })

  it('takes the Lease of a killed leader, and reports no leader', async () => {
    const { client, name, leases, join } = newElection()
    const { namespace } = await newNamespace(client)
    const spec = { holderIdentity: 'killed', leaseDurationSeconds: 2 }
    await leases.create({ metadata: { namespace, name }, spec })
    const b = await join()
    const joinedAt = performance.now()
    await elected(b, 'b')
    expect(performance.now() - joinedAt).toBeGreaterThan(1900)
    expect(b.leaders).toEqual([])
    expect(await namespacesOf(client, name)).toEqual([namespace])
  })

  it('creates a new Lease when the first installation is removed', async () => {
    const { client, name, leases, join } = newElection()
    const a = await join()
    await elected(a, 'a')
    const b = await join()
    await eventually('b to be told of a', async () => b.leaders.length > 0)
    await a.resign()
    // Delete it before b takes it, as when the whole namespace is deleted.
    await leases.delete({ name, namespace: a.namespace })
    await elected(b, 'b')
    expect(await namespacesOf(client, name)).toEqual([b.namespace])
  })

  it('never has two leaders when the Lease of a leader is deleted, which ends its leadership', async () => {
    const { client, name, leases, join } = newElection()
    const a = await join()
    await elected(a, 'a')
    const b = await join()
    watchForTwo([a, b])
    await eventually('b to be told of a', async () => b.leaders.length > 0)
    await leases.delete({ name, namespace: a.namespace })
    await eventually('a to know', async () => a.history.includes('lost'))
    expect(a.history.slice(0, 4)).toEqual(['elected', 'stopping', 'ended', 'lost'])
    await eventually('a leader', async () => a.leading() || b.leading(), { timeoutMs: 30_000 })
    expect(await leasesOf(client, name)).toHaveLength(1)
  })

  it('is not a younger Lease, even when that one has a holder', async () => {
    const { client, name, leases, join } = newElection()
    const a = await join()
    await elected(a, 'a')
    const { namespace } = await newNamespace(client)
    const spec = { holderIdentity: 'somebody', leaseDurationSeconds: 86_400 }
    await leases.create({ metadata: { namespace, name }, spec })
    const b = await join()
    await eventually('b to be told of a', async () => b.leaders.length > 0)
    expect(a.history).toEqual(['elected'])
    await a.resign()
    await elected(b, 'b')
  })

  it('has one leader when an older Lease appears after a younger one was found', async () => {
    const { client, name, join } = newElection()
    const namespaces = [await newNamespace(client), await newNamespace(client)].map(
      ({ namespace }) => namespace,
    )
    // Of two Leases of the same second, the one whose namespace sorts first is the older one.
    const [first, second] = namespaces.toSorted()
    const front = await startFront()
    let lists = 0
    const empty = { status: 200, body: '{"items": []}' }
    front.rule = ({ query }) => (query.has('fieldSelector') && lists++ === 0 ? empty : undefined)
    await sleep(1000 - (Date.now() % 1000))
    const a = await join(second)
    await eventually('the Lease of a', async () => (await leasesOf(client, name)).length === 1, {
      everyMs: 20,
    })
    const finder = await join()
    await sleep(150)
    const b = await join(first, connect({ server: front.url }))
    const all = [a, b, finder]
    watchForTwo(all)
    await eventually('a leader', async () => all.some(one => one.leading()))
    await eventually('the others to be told', async () =>
      all.every(one => one.leading() || one.leaders.length > 0),
    )
    expect(holdingNamespaces(await leasesOf(client, name))).toHaveLength(1)
  })

  it.each([1, 2, 3])('has one leader where many start at the same moment (round %i)', async () => {
    const { client, name, join } = newElection()
    const namespaces = await Promise.all(Array.from({ length: 6 }, () => newNamespace(client)))
    const candidates = await Promise.all(
      namespaces.map(async ({ namespace }, index) => {
        // A pair every 300 ms: some candidates find a new Lease of another that is not old enough yet.
        await sleep(Math.floor(index / 2) * 300)
        return join(namespace)
      }),
    )
    watchForTwo(candidates)
    await eventually('one to lead', async () => candidates.some(one => one.leading()))
    const leader = candidates.find(one => one.leading())
    await eventually('the others to be told', async () =>
      candidates.every(one => one === leader || one.leaders.length > 0),
    )
    const told = candidates.flatMap(one => one.leaders.map(({ namespace }) => namespace))
    expect(new Set(told).size, 'all wait for one Lease').toBe(1)
    expect(holdingNamespaces(await leasesOf(client, name))).toEqual([told[0]])
  })
})
