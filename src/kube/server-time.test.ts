import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { KubeClient } from './client.ts'
import { loadConfig } from './config.ts'

/** A client after one answer of a server whose clock has this offset. */
async function clientOf(offsetMs: number): Promise<number> {
  const server = createServer((_, response) => {
    response.setHeader('date', new Date(Date.now() + offsetMs).toUTCString())
    response.setHeader('content-type', 'application/json')
    response.end('{}')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const client = new KubeClient(loadConfig({ master: `http://127.0.0.1:${port}` }))
  try {
    await client.request({ verb: 'get', path: '/version' })
    return client.now() - Date.now()
  } finally {
    client.close()
    server.close().closeAllConnections()
  }
}

describe('the time of the API server', () => {
  it.each([600_000, -600_000, 31_000])('is used when it differs by %i ms', async offset => {
    const seen = await clientOf(offset)
    expect(Math.abs(seen - offset)).toBeLessThan(5_000)
  })

  it('is our own when both are almost equal', async () => {
    expect(Math.abs(await clientOf(0))).toBeLessThan(5)
  })
})
