import type { TestProject } from 'vitest/node'
import { ApiServer } from '../harness/api-server.ts'
import './shared-api-server.ts'

/** Starts etcd and kube-apiserver for every vitest worker; ends them afterwards. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const started = Array.from({ length: project.config.maxWorkers }, () => ApiServer.start())
  const servers = await Promise.all(started)
  project.provide(
    'apiServers',
    servers.map(({ url, kubeconfig, pki }) => ({ url, kubeconfig, pki: pki.directory })),
  )
  return async () => {
    await Promise.all(servers.map(server => server.stop()))
  }
}
