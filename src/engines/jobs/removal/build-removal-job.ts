import { dirname, posix } from 'node:path'
import { REMOVAL_ANNOTATIONS, REMOVAL_LABELS } from '../../../api/constants.ts'
import { encodeRequest } from '../../../cri/removal/index.ts'
import { socketCandidates } from '../../../cri/sockets.ts'
import type { NodeFacts } from '../../../core/node/index.ts'
import type { JobManifest } from '../pull/index.ts'
import type { RemovalRequest } from './choose-removal.ts'
import type { RemovalSettings } from './removal-settings.ts'

/** Time after which Kubernetes deletes a finished Job, if the controller has not. */
const TTL_S = 600
/**
 * Time that `activeDeadlineSeconds` adds to the deadline. While the controller runs, it ends a Job earlier.
 */
const SAFETY_S = 60
/** Directories in the container: of the request file, and of the runtime's sockets. */
const REQUEST_DIRECTORY = '/etc/kubefledged'
const SOCKETS_DIRECTORY = '/run/runtime'

const ANNOTATIONS = {
  'sidecar.istio.io/inject': 'false',
  'linkerd.io/inject': 'disabled',
  'kuma.io/sidecar-injection': 'disabled',
  'cluster-autoscaler.kubernetes.io/safe-to-evict': 'true',
}

/**
 * The manifest of a removal Job.
 * The Pod reaches the runtime's socket through a hostPath volume, as the owner of the socket, without
 * capabilities.
 * The list of images comes through the downward API and is never part of a command line.
 */
export function buildRemovalJob(
  request: RemovalRequest,
  node: NodeFacts,
  settings: RemovalSettings,
): JobManifest {
  const sockets = settings.criSocketPath ? [settings.criSocketPath] : socketCandidates(node.runtime)
  const paths = sockets.length === 1 ? sockets : sockets.map(inRun)
  // Several candidates are below `/run`, which every node has.
  const directory = paths.length === 1 ? dirname(paths[0] ?? '') : '/run'
  const inside = (path: string) => posix.join(SOCKETS_DIRECTORY, posix.relative(directory, path))
  const labels = { 'sidecar.istio.io/inject': 'false', ...REMOVAL_LABELS }
  const text = encodeRequest(request)
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: request.name,
      namespace: settings.namespace,
      labels,
      annotations: {
        [REMOVAL_ANNOTATIONS.nodeUid]: node.metadata.uid ?? '',
        [REMOVAL_ANNOTATIONS.revision]: String(request.revision),
        [REMOVAL_ANNOTATIONS.keys]: request.keys.join('\n'),
      },
    },
    spec: {
      backoffLimit: 0,
      podReplacementPolicy: 'Failed',
      activeDeadlineSeconds: Math.ceil(settings.deadlineMs / 1000) + SAFETY_S,
      ttlSecondsAfterFinished: TTL_S,
      template: {
        metadata: { labels, annotations: { ...ANNOTATIONS, [REMOVAL_ANNOTATIONS.request]: text } },
        spec: {
          nodeName: node.metadata.name,
          restartPolicy: 'Never',
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          terminationGracePeriodSeconds: 5,
          dnsPolicy: 'Default',
          hostNetwork: settings.hostNetwork,
          tolerations: [{ operator: 'Exists' }],
          ...(settings.priorityClassName && { priorityClassName: settings.priorityClassName }),
          ...(settings.helperPullSecrets.length > 0 && {
            imagePullSecrets: settings.helperPullSecrets.map(name => ({ name })),
          }),
          securityContext: {
            runAsUser: 0,
            runAsGroup: 0,
            seccompProfile: { type: 'RuntimeDefault' },
          },
          volumes: [
            {
              name: 'request',
              downwardAPI: {
                items: [
                  {
                    path: 'request.json',
                    fieldRef: { fieldPath: `metadata.annotations['${REMOVAL_ANNOTATIONS.request}']` },
                  },
                ],
              },
            },
            // The kubelet does not start a Pod without the directory. Without a type the runtime would make
            // it.
            { name: 'runtime', hostPath: { path: directory, type: 'Directory' } },
          ],
          containers: [
            {
              name: 'cri-client',
              image: settings.criClientImage,
              imagePullPolicy: 'IfNotPresent',
              command: ['/opt/bin/kubefledged-cri-client'],
              args: [`--cri-socket-path=${paths.map(inside).join(',')}`],
              resources: {
                requests: { cpu: '10m', memory: '64Mi', 'ephemeral-storage': '1Mi' },
                limits: { cpu: '500m', memory: '192Mi', 'ephemeral-storage': '16Mi' },
              },
              securityContext: {
                allowPrivilegeEscalation: false,
                readOnlyRootFilesystem: true,
                capabilities: { drop: ['ALL'] },
              },
              volumeMounts: [
                { name: 'request', mountPath: REQUEST_DIRECTORY, readOnly: true },
                { name: 'runtime', mountPath: SOCKETS_DIRECTORY, readOnly: true },
              ],
            },
          ],
        },
      },
    },
  }
}

/** `/var/run` is a link to `/run`. */
function inRun(path: string): string {
  return path.replace(/^\/var\/run\//, '/run/')
}
