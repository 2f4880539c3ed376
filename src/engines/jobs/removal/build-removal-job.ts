import { dirname, posix } from 'node:path'
import { REMOVAL_ANNOTATIONS, REMOVAL_LABELS } from '../../../api/constants.ts'
import { encodeRequest } from '../../../cri/removal/index.ts'
import { socketCandidates } from '../../../cri/sockets.ts'
import type { NodeFacts } from '../../../core/node/index.ts'
import type { JobManifest } from '../pull/index.ts'
import type { RemovalRequest } from './choose-removal.ts'
import type { RemovalSettings } from './removal-settings.ts'

/** Collected by Kubernetes after that long, should nobody have read it. */
const TTL_S = 600
/** Time that a Job is given beyond its own before Kubernetes ends it; ours is the shorter one while we live. */
const SAFETY_S = 60
/** Where the container finds the request, and the directories of the runtime's sockets. */
const REQUEST_DIRECTORY = '/etc/kubefledged'
const SOCKETS_DIRECTORY = '/run/runtime'

const ANNOTATIONS = {
  'sidecar.istio.io/inject': 'false',
  'linkerd.io/inject': 'disabled',
  'kuma.io/sidecar-injection': 'disabled',
  'cluster-autoscaler.kubernetes.io/safe-to-evict': 'true',
}

/**
 * The manifest of a removal Job. Its Pod reaches the runtime's socket by a hostPath volume, as the socket's owner and
 * without any capability; what it is to remove comes by the downward API and is never part of a command line.
 */
export function buildRemovalJob(
  request: RemovalRequest,
  node: NodeFacts,
  settings: RemovalSettings,
): JobManifest {
  const sockets = settings.criSocketPath ? [settings.criSocketPath] : socketCandidates(node.runtime)
  const directories = [...new Set(sockets.map(path => dirname(path)))]
  const inside = (path: string) =>
    posix.join(SOCKETS_DIRECTORY, String(directories.indexOf(dirname(path))), posix.basename(path))
  const labels = { 'sidecar.istio.io/inject': 'false', ...REMOVAL_LABELS }
  const text = encodeRequest({ remove: request.remove, keep: request.keep })
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
            ...directories.map((path, index) => ({
              name: `runtime-${index}`,
              // Where it is not known which of several is there, a check would refuse the Pod.
              hostPath: { path, type: directories.length === 1 ? 'Directory' : '' },
            })),
          ],
          containers: [
            {
              name: 'cri-client',
              image: settings.criClientImage,
              imagePullPolicy: 'IfNotPresent',
              command: ['/opt/bin/kubefledged-cri-client'],
              args: [`--cri-socket-path=${sockets.map(inside).join(',')}`],
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
                ...directories.map((_, index) => ({
                  name: `runtime-${index}`,
                  mountPath: `${SOCKETS_DIRECTORY}/${index}`,
                  readOnly: true,
                })),
              ],
            },
          ],
        },
      },
    },
  }
}
