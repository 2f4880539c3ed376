import {
  address,
  boolean,
  choice,
  choices,
  duration,
  image,
  integer,
  namespace,
  withVariable,
  type Environment,
  type Flag,
} from '../../process/flags/flag-types.ts'
import { hosts, objectName, socketPath } from '../../process/flags/text-flags.ts'
import { clusterFlags } from '../../process/flags/cluster-flags.ts'
import { logFlags } from '../../process/flags/log-flags.ts'
import { GUARDED_FIELDS } from '../../core/demand/index.ts'
import { VERSION } from '../../base/version.ts'

/** The controller's flags. Flags of kube-fledged 0.11 keep their names and defaults. */

/** All flags, by group of the help. Throws `UsageError` if an environment variable is invalid. */
export function controllerFlags(env: Environment) {
  return {
    pulling: {
      imagePullDeadlineMs: duration(
        ['image-pull-deadline-duration', 'Maximum time for the pull of one image on one node.'],
        '5m',
        { zero: false },
      ),
      imageCacheRefreshFrequencyMs: duration(
        [
          'image-cache-refresh-frequency',
          'How often the controller asks registries which digests moving tags stand for; 0s: never. spec.refresh of a cache overrides it.',
        ],
        '15m',
        { zero: true },
      ),
      insecureRegistries: hosts([
        'insecure-registries',
        'Comma-separated registries (host or host:port) that a refresh asks by plain HTTP. For labs.',
      ]),
      readPullSecrets: boolean(
        [
          'read-pull-secrets',
          'Whether the controller asks registries about images with pull secrets. It then needs the right to get these Secrets. If false, the nodes ask.',
        ],
        false,
      ),
      imagePullPolicy: choice(
        ['image-pull-policy', 'Pull policy of images. Untagged and :latest images use Always in any case.'],
        'IfNotPresent',
        ['IfNotPresent', 'Always'],
      ),
      recheckIntervalMs: duration(
        [
          'recheck-interval',
          'Age after which the controller proves again that an image is present, if the node no longer lists it.',
        ],
        '6h',
        { zero: false },
      ),
    },
    jobs: {
      jobPullMethod: choice(
        [
          'job-pull-method',
          'How Jobs make the kubelet pull: image-volumes (Kubernetes 1.35 or newer), containers (one container per image), or auto (the controller chooses for each node).',
        ],
        'auto',
        ['auto', 'image-volumes', 'containers'],
      ),
      jobsMaxSurge: integer(
        ['jobs-max-surge', 'Maximum number of Jobs at the same time; 0: the number of nodes, at most 100.'],
        0,
        { min: 0 },
      ),
      jobRetentionPolicy: choice(
        [
          'job-retention-policy',
          'delete: delete finished Jobs. retain: keep the newest 50 of each cache for debugging.',
        ],
        'delete',
        ['delete', 'retain'],
        { loose: true },
      ),
      jobPriorityClassName: objectName(['job-priority-class-name', 'Priority class of the Pods of Jobs.']),
      serviceAccountName: objectName([
        'service-account-name',
        "Service account of the Pods of Jobs; empty: the namespace's default.",
      ]),
      jobTemplateAllow: choices(
        [
          'job-template-allow',
          'Comma-separated fields of spec.jobTemplate that authors of image caches may set: serviceAccountName, priorityClassName, runtimeClassName. Nothing is pulled for a cache that sets one that is not allowed. Priority classes that begin with system- are never allowed.',
        ],
        GUARDED_FIELDS,
      ),
      busyboxImage: withVariable(
        image(
          ['busybox-image', 'Image with the static binary that pull Pods run.'],
          `ghcr.io/kubefledged/kubefledged-busybox:v${VERSION}`,
        ),
        'BUSYBOX_IMAGE',
        env,
      ),
      imageDeleteJobHostNetwork: boolean(
        ['image-delete-job-host-network', "Whether Jobs that remove images use the node's network."],
        false,
      ),
      criSocketPath: socketPath([
        'cri-socket-path',
        "Path of the container runtime's socket on all nodes, for Jobs that remove images; not directly in /. Empty: chosen by the runtime that each node reports.",
      ]),
      criClientImage: withVariable(
        image(
          ['cri-client-image', "Image that asks a node's container runtime to remove images."],
          `ghcr.io/kubefledged/kubefledged-cri-client:v${VERSION}`,
        ),
        'KUBEFLEDGED_CRI_CLIENT_IMAGE',
        env,
      ),
      purgeDeadlineMs: duration(
        [
          'purge-deadline',
          'Maximum time that the deletion of a cache with deletionPolicy Purge waits until its images are gone.',
        ],
        '10m',
        { zero: false },
      ),
    },
    process: {
      ...clusterFlags(),
      kubeApiQps: integer(['kube-api-qps', 'Maximum requests to the API server per second.'], 100, {
        min: 1,
      }),
      kubeApiBurst: integer(['kube-api-burst', 'Maximum burst of requests to the API server.'], 200, {
        min: 1,
      }),
      namespace: withVariable(
        namespace(['namespace', "The controller's own namespace."], 'kube-fledged'),
        'KUBEFLEDGED_NAMESPACE',
        env,
      ),
      podName: withVariable(
        objectName([
          'pod-name',
          "The controller's own Pod. The Pods of Jobs get the names of its pull secrets; empty: none.",
        ]),
        'KUBEFLEDGED_POD_NAME',
        env,
      ),
      leaderElect: boolean(
        [
          'leader-elect',
          'Whether a controller works only while it holds the one lease of the cluster; if not, several can work at once.',
        ],
        true,
      ),
      metricsBindAddress: address(
        ['metrics-bind-address', 'Address that serves /healthz, /readyz and /metrics.'],
        ':8081',
      ),
    },
    logs: logFlags(),
  } satisfies Record<string, Record<string, Flag<unknown>>>
}
