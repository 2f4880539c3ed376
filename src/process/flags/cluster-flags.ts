import { text } from './flag-types.ts'

/** Which cluster a process works for: `--kubeconfig` and `--master`, as client-go names them. */
export function clusterFlags() {
  return {
    kubeconfig: text(
      ['kubeconfig', 'Path of a kubeconfig file; empty: the service account of the pod.'],
      '',
      'path',
    ),
    master: text(['master', 'URL of the API server, instead of the one of the kubeconfig file.'], '', 'url'),
  }
}
