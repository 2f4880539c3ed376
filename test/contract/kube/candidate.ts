import { KubeClient, loadConfig, runWithLeaderElection } from '../../../src/kube/index.ts'

// A candidate as its own process, which a test can kill. Prints "leading" when it is elected.
const [kubeconfig, namespace = '', name = '', identity = ''] = process.argv.slice(2)

await runWithLeaderElection({
  client: new KubeClient(loadConfig({ kubeconfig })),
  namespace,
  name,
  identity,
  leaseDurationMs: 3000,
  renewDeadlineMs: 2000,
  retryPeriodMs: 300,
  signal: new AbortController().signal,
  lead: () => {
    process.stdout.write('leading\n')
    return new Promise(() => {})
  },
})
