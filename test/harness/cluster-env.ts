import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { HarnessError } from './errors.ts'
import type { BasicCredentials } from './registry.ts'

/** The cluster of `hack/cluster`, as described by its start script. */
export interface LocalCluster {
  /** Network namespace of the control plane. That of a node is `<prefix>-node-N`. */
  readonly prefix: string
  /** Folder of the Kubernetes and containerd binaries. */
  readonly bin: string
  /** Folder of the cluster's data, logs and process ids. */
  readonly data: string
  /**
   * Address of the open registry for this process, `http://127.0.0.1:PORT`. Nodes use `registry.test.local`.
   */
  readonly registryUrl: string
  /** The registry with a password. Nodes use `private.test.local`. */
  readonly privateRegistryUrl: string
  /** User and password of the private registry. */
  readonly privateRegistryCredentials: BasicCredentials
  /**
   * `HOST:PORT` in the network namespace of the control plane to which `faulty.test.local` resolves on nodes.
   */
  readonly faultyRegistryAddress: string
  /** The same for `silent.test.local`. */
  readonly silentRegistryAddress: string
}

/** The cluster that the tests use. */
export interface ClusterEnv {
  /** The kubeconfig file for kubectl and the product under test. */
  readonly kubeconfig: string
  /**
   * The context that `E2E_ALLOW_CONTEXT` names: it must be the current one. Absent for the cluster of
   * `hack/cluster`.
   */
  readonly allowedContext?: string
  /** Absent for a foreign cluster. */
  readonly local?: LocalCluster
}

/** Root directory of the repository. */
export const ROOT = resolve(import.meta.dirname, '../..')

/**
 * Chooses the cluster from the environment variables: the one of `E2E_KUBECONFIG` with `E2E_ALLOW_CONTEXT`,
 * else the one that `hack/cluster` described in `$CLUSTER_DIR/env` (default `.cache/cluster/env`).
 * `KUBECONFIG` is never read.
 *
 * @throws HarnessError `ClusterNotConfigured`
 */
export function readClusterEnv(variables: NodeJS.ProcessEnv = process.env): ClusterEnv {
  const kubeconfig = variables.E2E_KUBECONFIG
  if (kubeconfig) {
    const allowedContext = variables.E2E_ALLOW_CONTEXT
    if (!allowedContext) {
      throw new HarnessError(
        'ClusterNotConfigured',
        'E2E_KUBECONFIG needs E2E_ALLOW_CONTEXT=<name of the context that tests may change>',
      )
    }
    return { kubeconfig: resolve(kubeconfig), allowedContext }
  }
  const folder = variables.CLUSTER_DIR ?? join(ROOT, '.cache/cluster')
  const file = join(folder, 'env')
  if (!existsSync(file)) {
    throw new HarnessError('ClusterNotConfigured', `no cluster: ${file} is missing; run \`make cluster-up\``)
  }
  return parseClusterEnv(readFileSync(file, 'utf8'), file)
}

/** Parses lines of `KEY=VALUE`. Quotes around a value are removed, other lines are skipped. */
function parseClusterEnv(text: string, source: string): ClusterEnv {
  const values = new Map<string, string>()
  for (const line of text.split('\n')) {
    const match = /^(?:export )?([A-Z_]+)=(?:"([^"]*)"|'([^']*)'|(.*))$/.exec(line.trim())
    if (match?.[1]) values.set(match[1], match[2] ?? match[3] ?? match[4] ?? '')
  }
  const need = (key: string): string => {
    const value = values.get(key)
    if (value) return value
    throw new HarnessError('ClusterNotConfigured', `${source} has no ${key}`)
  }
  return {
    kubeconfig: need('KUBECONFIG'),
    local: {
      prefix: need('PREFIX'),
      bin: need('BIN'),
      data: need('DATA'),
      registryUrl: need('REGISTRY_HOST_URL'),
      privateRegistryUrl: need('PRIVATE_REGISTRY_HOST_URL'),
      privateRegistryCredentials: {
        username: need('PRIVATE_REGISTRY_USER'),
        password: need('PRIVATE_REGISTRY_PASSWORD'),
      },
      faultyRegistryAddress: need('FAULTY_REGISTRY_ADDRESS'),
      silentRegistryAddress: need('SILENT_REGISTRY_ADDRESS'),
    },
  }
}
