import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { KubeClient, loadConfig } from '../kube/index.ts'

/** A request that came, its body parsed. */
export interface ApiRequest {
  readonly method: string
  /** Without query. */
  readonly path: string
  readonly body: unknown
}

/** An answer of the API server: an object, or a Status with its code. */
export interface ApiAnswer {
  readonly status?: number
  readonly body: object
}

/** The other end of a client in tests: remembers what was asked and answers by a function. */
export async function apiServer(answer: (request: ApiRequest) => ApiAnswer): Promise<{
  readonly client: KubeClient
  readonly requests: readonly ApiRequest[]
  readonly close: () => void
}> {
  const requests: ApiRequest[] = []
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      const text = Buffer.concat(chunks).toString()
      const request = {
        method: incoming.method ?? '',
        path: (incoming.url ?? '').split('?')[0] ?? '',
        body: text === '' ? undefined : (JSON.parse(text) as unknown),
      }
      requests.push(request)
      const { status = 200, body } = answer(request)
      // Tests that turn the clock want no other one beside it.
      response.sendDate = false
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const client = new KubeClient(loadConfig({ master: `http://127.0.0.1:${port}` }))
  return {
    client,
    requests,
    close: () => {
      client.close()
      server.close().closeAllConnections()
    },
  }
}
