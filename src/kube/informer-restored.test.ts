import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { eventually } from '../../test/harness/eventually.ts'
import { KubeClient } from './client.ts'
import { loadConfig } from './config.ts'
import { Informer } from './informer.ts'

const CONFIG_MAPS = { group: '', version: 'v1', plural: 'configmaps', kind: 'ConfigMap', namespaced: true }

/** An API server without watch-list whose collection a test can set back to an older state. */
async function server() {
  const state = { version: '1000', objects: { a: '900', b: '950' } as Record<string, string> }
  const made = createServer((request, response) => {
    const query = new URL(request.url ?? '', 'http://host').searchParams
    const json = (status: number, body: object) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    if (query.get('sendInitialEvents')) return json(400, { kind: 'Status', reason: 'BadRequest', code: 400 })
    if (query.get('watch')) {
      if (Number(query.get('resourceVersion')) <= Number(state.version))
        return response.writeHead(200).flushHeaders()
      const message = 'Timeout: Too large resource version: 1000, current: 500'
      return json(504, { kind: 'Status', reason: 'Timeout', code: 504, message })
    }
    const items = Object.entries(state.objects).map(([name, resourceVersion]) => ({
      metadata: { name, namespace: 'default', uid: name, resourceVersion },
    }))
    return json(200, { metadata: { resourceVersion: state.version }, items })
  })
  await new Promise<void>(resolve => made.listen(0, '127.0.0.1', resolve))
  const client = new KubeClient(
    loadConfig({ master: `http://127.0.0.1:${(made.address() as AddressInfo).port}` }),
  )
  onTestFinished(() => {
    client.close()
    made.close().closeAllConnections()
  })
  return { state, made, informer: new Informer(client.resource(CONFIG_MAPS)) }
}

it('takes the list of a restored API server for the truth, although its versions are older', async () => {
  const { state, made, informer } = await server()
  const stop = new AbortController()
  const running = informer.run(stop.signal)
  onTestFinished(async () => {
    stop.abort()
    await running
  })
  await informer.waitForSync(stop.signal)
  const versions = () =>
    [...informer.list()].map(({ metadata }) => `${metadata.name} ${metadata.resourceVersion}`)
  expect(versions()).toEqual(['a 900', 'b 950'])
  state.version = '500'
  state.objects = { a: '400', c: '450' }
  made.closeAllConnections()
  await eventually('the older state to be known', async () => versions().join() === 'a 400,c 450', {
    timeoutMs: 20_000,
  })
})
