import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { KubeClient } from './client.ts'
import { loadConfig } from './config.ts'

/** A server in its own thread, so that it answers while the thread of the test is busy. */
const SERVER = `
  const { createServer } = require('node:http')
  const { parentPort } = require('node:worker_threads')
  let offset = 0
  parentPort.on('message', ms => { offset = ms; parentPort.postMessage('set') })
  const server = createServer((request, response) => {
    response.setHeader('date', new Date(Date.now() + offset).toUTCString())
    response.setHeader('content-type', 'application/json')
    response.end('{}')
  })
  server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port))
`

describe('the time of the API server', () => {
  let worker: Worker
  let client: KubeClient
  beforeEach(async () => {
    worker = new Worker(SERVER, { eval: true })
    const [port] = await once(worker, 'message')
    client = new KubeClient(loadConfig({ master: `http://127.0.0.1:${port}` }))
  })
  afterEach(async () => {
    client.close()
    await worker.terminate()
  })

  async function setOffset(ms: number): Promise<void> {
    // oxlint-disable-next-line require-post-message-target-origin -- a thread of Node.js has no origin
    worker.postMessage(ms)
    await once(worker, 'message')
  }

  async function ask(): Promise<void> {
    await client.request({ verb: 'get', path: '/version' })
  }

  /** Asks, and keeps this process busy while the answer waits to be read. */
  async function askDuringPause(ms: number): Promise<void> {
    const answered = ask()
    // The request leaves in these turns of the event loop.
    for (let i = 0; i < 3; i++) await new Promise(setImmediate)
    const end = performance.now() + ms
    while (performance.now() < end);
    await answered
  }

  const seen = () => client.now() - Date.now()

  it.each([600_000, -600_000, 31_000])('is used when it differs by %i ms', async offset => {
    await setOffset(offset)
    await ask()
    expect(Math.abs(seen() - offset)).toBeLessThan(5_000)
  })

  it('is our own when both are almost equal', async () => {
    await ask()
    expect(Math.abs(seen())).toBeLessThan(5)
  })

  it('does not jump when this process pauses before it reads the answer', async () => {
    await askDuringPause(4_000)
    expect(Math.abs(seen())).toBeLessThan(5)
  })

  it('stays known when this process pauses before it reads a later answer', async () => {
    await setOffset(31_000)
    await ask()
    await askDuringPause(4_000)
    expect(Math.abs(seen() - 31_000)).toBeLessThan(2_000)
  })

  it('follows a server whose clock is set', async () => {
    await setOffset(600_000)
    await ask()
    await setOffset(0)
    await ask()
    expect(Math.abs(seen())).toBeLessThan(5)
  })
})
