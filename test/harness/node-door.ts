import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { type Socket, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LocalCluster } from './cluster-env.ts'
import { run } from './command.ts'
import { HarnessError } from './errors.ts'
import { eventually } from './eventually.ts'

/** A port in the cluster's network that leads to this process. */
export interface NodeDoor {
  /** Closes it and all its connections. */
  close(): Promise<void>
}

/**
 * Opens `HOST:PORT` to nodes and connects it to this process. `socat` in the cluster's network namespace
 * forwards each connection to a unix socket, because no route leads from there to the machine.
 *
 * @throws HarnessError `NotAvailable` when the port cannot be opened.
 */
export async function openNodeDoor(
  cluster: LocalCluster,
  address: string,
  onConnection: (socket: Socket) => void,
): Promise<NodeDoor> {
  const { hostname: host, port } = new URL(`tcp://${address}`)
  const folder = await mkdtemp(join(tmpdir(), 'node-door-'))
  const path = join(folder, 'socket')
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    // A peer that resets its connection does not fail the test.
    socket.on('error', () => socket.destroy())
    onConnection(socket)
  })
  server.listen(path)
  await once(server, 'listening')
  const inside = ['nsenter', `--net=/run/netns/${cluster.prefix}`, '--'] as const
  const socat = spawn(
    inside[0],
    [
      ...inside.slice(1),
      // socat must end when the test process is killed.
      'setpriv',
      '--pdeathsig',
      'TERM',
      'socat',
      `TCP-LISTEN:${port},bind=${host},fork,reuseaddr,backlog=128`,
      `UNIX-CONNECT:${path}`,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  let words = ''
  socat.stderr.on('data', (chunk: Buffer) => (words += chunk.toString('utf8')))
  const ended = once(socat, 'close')
  const close = async () => {
    socat.kill('SIGTERM')
    server.close()
    // socat starts a child per connection. The child holds the standard error open and ends with the
    // connection.
    for (const socket of sockets) socket.destroy()
    await ended
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await eventually(
      `${address} to be listened on in network namespace ${cluster.prefix}`,
      async () => {
        if (socat.exitCode !== null) throw new Error(`socat ended: ${words.trim()}`)
        const listeners = await run([...inside, 'ss', '-Hltnp', `sport = :${port}`])
        // Another process may hold the port. Only socat's own PID proves that socat listens.
        return listeners.includes(`pid=${socat.pid},`)
      },
      { timeoutMs: 10_000, everyMs: 50 },
    )
  } catch (cause) {
    await close()
    throw new HarnessError('NotAvailable', `no door at ${address}: ${words.trim()}`, { cause })
  }
  return { close }
}
