import { type Server, createServer } from 'node:http'
import type { BindAddress } from './flags/flag-types.ts'

/** The endpoints of a process. */
export interface HttpEndpoints {
  /** `/healthz`: why the process is stuck. Undefined when it is not stuck. */
  readonly problem: () => string | undefined
  /** `/readyz`: true when the process has a full view of the cluster. */
  readonly isReady: () => boolean
  /** `/metrics`: Prometheus text. */
  readonly metrics: () => Promise<{ contentType: string; body: string }>
}

/**
 * Serves `/healthz`, `/readyz` and `/metrics` until the signal fires. Rejects when the address is not
 * available.
 */
export async function serveHttp(
  { host, port }: BindAddress,
  endpoints: HttpEndpoints,
  signal: AbortSignal,
): Promise<Server> {
  const server = createServer((request, response) => {
    const path = (request.url ?? '').split('?')[0]
    answer(path ?? '', endpoints).then(
      ({ status, contentType, body }) =>
        response.writeHead(status, { 'content-type': contentType }).end(body),
      (error: unknown) => response.writeHead(500, { 'content-type': 'text/plain' }).end(String(error)),
    )
  })
  const failed = Promise.withResolvers<never>()
  server.once('error', failed.reject)
  const listening = new Promise<void>(resolve => server.listen({ port, ...(host && { host }) }, resolve))
  await Promise.race([listening, failed.promise])
  signal.addEventListener('abort', () => server.close().closeAllConnections(), { once: true })
  return server
}

async function answer(
  path: string,
  endpoints: HttpEndpoints,
): Promise<{ status: number; contentType: string; body: string }> {
  const text = (status: number, body: string) => ({ status, contentType: 'text/plain; charset=utf-8', body })
  switch (path) {
    case '/healthz': {
      const problem = endpoints.problem()
      return problem === undefined ? text(200, 'ok') : text(503, `not healthy: ${problem}`)
    }
    case '/readyz':
      return endpoints.isReady()
        ? text(200, 'ok')
        : text(503, 'not ready: the cluster has not been seen whole yet')
    case '/metrics':
      return { status: 200, ...(await endpoints.metrics()) }
    default:
      return text(404, 'not found: try /healthz, /readyz or /metrics')
  }
}
