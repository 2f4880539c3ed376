import { text } from './flag-types.ts'

/** Flags for the connection to a cluster: `--kubeconfig` and `--master`, named as in client-go. */
export function clusterFlags() {
  return {
    kubeconfig: text(
      ['kubeconfig', 'Path of a kubeconfig file; empty: use the service account of the Pod.'],
      '',
      'path',
    ),
    master: text(['master', 'URL of the API server; overrides the kubeconfig file.'], '', 'url'),
  }
}
