import { type ChildProcessByStdio, spawn } from 'node:child_process'
import type { Readable } from 'node:stream'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import type { ImageCache } from '../../src/api/image-cache.ts'
import type { Cluster } from './cluster.ts'

/** A state of an ImageCache and the time at which it was seen. */
export interface Sighting {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly cache: ImageCache
}

/** Records each state of the ImageCaches of a namespace, through a watch of kubectl. */
export class CacheWatch implements AsyncDisposable {
  /** Oldest first. */
  readonly sightings: Sighting[] = []
  readonly #kubectl: ChildProcessByStdio<null, Readable, null>
  readonly #ended: Promise<void>

  private constructor(kubectl: ChildProcessByStdio<null, Readable, null>) {
    this.#kubectl = kubectl
    this.#ended = new Promise(resolve => {
      kubectl.on('close', () => resolve())
    })
    createInterface({ input: kubectl.stdout }).on('line', line => {
      const event = JSON.parse(line) as { type: string; object: ImageCache }
      if (event.type === 'ADDED' || event.type === 'MODIFIED') {
        this.sightings.push({ at: Date.now(), cache: event.object })
      }
    })
  }

  /** Starts to watch. Of earlier changes, only the last state is seen. */
  static start(cluster: Cluster, namespace: string): CacheWatch {
    const path = `/apis/kubefledged.io/v1alpha2/namespaces/${namespace}/imagecaches?watch=1&resourceVersion=0`
    const program = cluster.isLocal ? join(cluster.local.bin, 'kubectl') : 'kubectl'
    return new CacheWatch(
      spawn(program, ['get', '--raw', path], {
        env: { PATH: process.env.PATH, KUBECONFIG: cluster.kubeconfig },
        stdio: ['ignore', 'pipe', 'inherit'],
      }),
    )
  }

  /** Time at which a matching state was first seen. Undefined when none was. */
  firstTime(isWanted: (cache: ImageCache) => boolean): number | undefined {
    return this.sightings.find(({ cache }) => isWanted(cache))?.at
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#kubectl.kill('SIGTERM')
    await this.#ended
  }
}
