import https from 'node:https'
import { onTestFinished, describe, expect, it } from 'vitest'
import { silentLogger } from '../../kube/index.ts'
import type { AdmissionRequest, AdmissionResponse } from './admission.ts'
import { LIFETIMES, rotate } from './certificate/rotation.ts'
import { AdmissionServer } from './server.ts'

const NAMES = { dns: ['localhost'], ip: ['127.0.0.1'] }
const newMaterial = async () => (await rotate(undefined, NAMES, Date.now(), LIFETIMES)).material
const REVIEW = JSON.stringify({
  apiVersion: 'admission.k8s.io/v1',
  kind: 'AdmissionReview',
  request: { uid: 'u', kind: { group: 'g', version: 'v', kind: 'K' }, operation: 'CREATE' },
})

async function start(decide: (request: AdmissionRequest) => AdmissionResponse = () => ({ allowed: true })) {
  const material = await newMaterial()
  const server = new AdmissionServer({ '/review': decide }, silentLogger)
  server.use(material)
  await server.listen(0)
  let closed: Promise<void> | undefined
  const close = (lingerMs: number) => (closed ??= server.close({ lingerMs, deadlineMs: 5000 }))
  onTestFinished(() => close(0))
  return { server, ca: material.bundle, close }
}

interface Sent {
  readonly path?: string
  readonly method?: string
  readonly type?: string
  readonly body?: string
  readonly headers?: Record<string, string>
  readonly agent?: https.Agent
}

function send(
  port: number,
  ca: string,
  sent: Sent = {},
): Promise<{ status: number; body: string; close: boolean }> {
  const {
    path = '/review',
    method = 'POST',
    type = 'application/json',
    body = REVIEW,
    headers = {},
    agent,
  } = sent
  return new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      port,
      path,
      method,
      ca,
      headers: { 'content-type': type, ...headers },
    }
    const request = https.request({ ...options, agent: agent ?? new https.Agent() }, response => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.on('end', () => {
        const close = response.headers.connection === 'close'
        resolve({ status: response.statusCode ?? 0, body: text, close })
      })
    })
    request.on('error', reject).end(method === 'GET' ? undefined : body)
  })
}

describe('AdmissionServer', () => {
  it('answers reviews and health checks', async () => {
    const { server, ca } = await start()
    const answer = await send(server.port, ca)
    expect(answer).toMatchObject({ status: 200 })
    expect(JSON.parse(answer.body).response).toEqual({ uid: 'u', allowed: true })
    for (const path of ['/readyz', '/healthz']) {
      expect(await send(server.port, ca, { path, method: 'GET' })).toMatchObject({ status: 200, body: 'ok' })
    }
  })

  it.each<[string, Sent, number, string]>([
    ['another path', { path: '/x' }, 404, 'not found: try /review or /readyz'],
    ['a name of Object', { path: '/constructor' }, 404, 'not found'],
    ['GET', { method: 'GET' }, 405, 'only POST is answered here'],
    ['another type', { type: 'application/yaml' }, 415, 'only application/json is read'],
    ['no review', { body: '{}' }, 400, 'Request could not be decoded: '],
    ['no JSON', { body: '!' }, 400, 'Request could not be decoded: '],
    ['a large body', { body: ' '.repeat(8 * 1024 * 1024 + 1) }, 413, 'the body is larger than 8388608 bytes'],
    [
      'a large body in pieces',
      { body: ' '.repeat(9 * 1024 * 1024), headers: { 'transfer-encoding': 'chunked' } },
      413,
      'the body is larger',
    ],
  ])('refuses %s', async (_, sent, status, words) => {
    const { server, ca } = await start()
    const answer = await send(server.port, ca, sent)
    expect(answer.status).toBe(status)
    expect(answer.body).toContain(words)
  })

  it('accepts a character set in the content type', async () => {
    const { server, ca } = await start()
    expect(await send(server.port, ca, { type: 'Application/JSON; charset=utf-8' })).toMatchObject({
      status: 200,
    })
  })

  it('answers 500 when the reviewer fails', async () => {
    const { server, ca } = await start(() => {
      throw new TypeError('broken')
    })
    expect(await send(server.port, ca)).toMatchObject({ status: 500, body: 'broken' })
  })

  it('uses a new certificate for new connections, and keeps the old one when the new one is invalid', async () => {
    const { server, ca } = await start()
    const agent = new https.Agent({ keepAlive: true })
    onTestFinished(() => agent.destroy())
    await send(server.port, ca, { agent })
    const other = await newMaterial()
    server.use(other)
    expect(await send(server.port, other.bundle)).toMatchObject({ status: 200 })
    await expect(send(server.port, ca)).rejects.toThrow(/certificate/)
    expect(await send(server.port, ca, { agent }), 'the open connection').toMatchObject({ status: 200 })
    expect(() => server.use({ certificate: 'x', key: 'y' })).toThrow()
    expect(await send(server.port, other.bundle)).toMatchObject({ status: 200 })
  })

  it('stops without losing a request', async () => {
    const { server, ca, close } = await start()
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1 })
    onTestFinished(() => agent.destroy())
    expect(await send(server.port, ca, { agent })).toMatchObject({ status: 200, close: false })
    const { port } = server
    const closed = close(300)
    expect(await send(port, ca, { path: '/readyz', method: 'GET' })).toMatchObject({ status: 503 })
    expect(await send(port, ca, { agent })).toMatchObject({ status: 200, close: true })
    expect(await send(port, ca)).toMatchObject({ status: 200, close: true })
    await closed
    await expect(send(port, ca)).rejects.toThrow(/ECONNREFUSED/)
  })
})
