import type { TestProject } from 'vitest/node'
import { ApiServer } from '../harness/api-server.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The API server that the contract suites share. Tests that kill or configure one start their own. */
    readonly apiServer: { readonly url: string; readonly kubeconfig: string; readonly pki: string }
  }
}

/** Starts etcd and kube-apiserver for the contract suites; ends them afterwards. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await ApiServer.start()
  const { url, kubeconfig, pki } = server
  project.provide('apiServer', { url, kubeconfig, pki: pki.directory })
  return () => server.stop()
}
