import { afterEach, describe, expect, it } from 'vitest'
import { silentLogger } from '../kube/index.ts'
import { ClusterAddresses } from './cluster-addresses.ts'
import { type ApiAnswer, apiServer } from './testing.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

function cidrs(...ranges: string[]): ApiAnswer {
  const items = ranges.map((cidr, index) => ({
    metadata: { name: `range-${index}` },
    spec: { cidrs: [cidr] },
  }))
  return { body: { metadata: {}, items } }
}

async function addresses(answer: () => ApiAnswer): Promise<ClusterAddresses> {
  const { client, close } = await apiServer(answer)
  closers.push(close)
  return new ClusterAddresses(client, '[fd00::1]', silentLogger)
}

const { signal } = new AbortController()

describe('ClusterAddresses', () => {
  it('follows the ranges of Services', async () => {
    let answer = cidrs('10.96.0.0/16')
    const made = await addresses(() => answer)
    await made.read(signal)
    const known = () => ['10.96.3.4', '10.97.0.1', 'fd00:1::5', 'fd00::1'].map(address => made.has(address))
    expect(known()).toEqual([true, false, false, true])
    answer = cidrs('10.96.0.0/16', '10.97.0.0/24', 'fd00:1::/112')
    expect((await made.reconcile('', signal)).requeueAfterMs).toBeGreaterThan(0)
    expect(known()).toEqual([true, true, true, true])
  })

  it('holds on to what it knows where the API server cannot be asked', async () => {
    let answer = cidrs('10.96.0.0/16')
    const made = await addresses(() => answer)
    await made.read(signal)
    answer = { status: 409, body: { kind: 'Status', code: 409 } }
    await expect(made.read(signal)).rejects.toThrow()
    expect(made.has('10.96.3.4')).toBe(true)
  })

  it('goes by the API server’s own address alone where nobody tells more', async () => {
    const made = await addresses(() => ({ status: 404, body: { kind: 'Status', code: 404 } }))
    await made.read(signal)
    expect([made.has('10.96.3.4'), made.has('fd00::1')]).toEqual([false, true])
  })
})
