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

/** The controller's flags: names and defaults are those of kube-fledged, as far as it has them. */

/** All flags, by group of the help. Throws `UsageError` where the environment has a bad default. */
export function controllerFlags(env: Environment) {
  return {
    pulling: {
      imagePullDeadlineMs: duration(
        ['image-pull-deadline-duration', 'Longest time that the pull of one image on one node may take.'],
        '5m',
        { zero: false },
      ),
      imageCacheRefreshFrequencyMs: duration(
        [
          'image-cache-refresh-frequency',
          'How often the registries are asked what moving tags stand for; 0s: never. Overridden by spec.refresh of a cache.',
        ],
        '15m',
        { zero: true },
      ),
      insecureRegistries: hosts([
        'insecure-registries',
        'Registries, separated by commas, that a refresh asks by plain HTTP: host or host:port. For labs.',
      ]),
      readPullSecrets: boolean(
        [
          'read-pull-secrets',
          'Whether a refresh asks registries about images with pull secrets, which takes the right to get these Secrets; otherwise the nodes ask.',
        ],
        false,
      ),
      imagePullPolicy: choice(
        ['image-pull-policy', 'Pull policy of images; untagged and :latest ones are pulled as with Always.'],
        'IfNotPresent',
        ['IfNotPresent', 'Always'],
      ),
      recheckIntervalMs: duration(
        [
          'recheck-interval',
          'Age after which an image that the node does not list any more is proved present again.',
        ],
        '6h',
        { zero: false },
      ),
    },
    jobs: {
      jobPullMethod: choice(
        [
          'job-pull-method',
          'How Jobs make the kubelet pull: by image volumes (Kubernetes 1.35 or newer), by one container per image, or chosen for each node.',
        ],
        'auto',
        ['auto', 'image-volumes', 'containers'],
      ),
      jobsMaxSurge: integer(
        ['jobs-max-surge', 'Most Jobs in flight; 0: as many as there are nodes, 100 at most.'],
        0,
        { min: 0 },
      ),
      jobRetentionPolicy: choice(
        [
          'job-retention-policy',
          'Whether finished Jobs are deleted, or the newest 50 of each cache retained for debugging.',
        ],
        'delete',
        ['delete', 'retain'],
        { loose: true },
      ),
      jobPriorityClassName: objectName(['job-priority-class-name', 'Priority class of the pods of Jobs.']),
      serviceAccountName: objectName([
        'service-account-name',
        "Service account of the pods of Jobs; empty: the namespace's default.",
      ]),
      jobTemplateAllow: choices(
        [
          'job-template-allow',
          'Fields of spec.jobTemplate that authors of image caches may set, separated by commas: serviceAccountName, priorityClassName, runtimeClassName. Nothing is pulled for a cache that sets another one; system- priority classes are never allowed.',
        ],
        GUARDED_FIELDS,
      ),
      busyboxImage: withVariable(
        image(
          ['busybox-image', 'Image with the static binary that pull pods run.'],
          `ghcr.io/kubefledged/kubefledged-busybox:v${VERSION}`,
        ),
        'BUSYBOX_IMAGE',
        env,
      ),
      imageDeleteJobHostNetwork: boolean(
        ['image-delete-job-host-network', "Whether Jobs that delete images use the node's network."],
        false,
      ),
      criSocketPath: socketPath([
        'cri-socket-path',
        "Path of the runtime's socket on all nodes, not directly in /, for Jobs that delete images; empty: by what each node says that it runs.",
      ]),
      criClientImage: withVariable(
        image(
          ['cri-client-image', "Image that asks a node's container runtime to delete images."],
          `ghcr.io/kubefledged/kubefledged-cri-client:v${VERSION}`,
        ),
        'KUBEFLEDGED_CRI_CLIENT_IMAGE',
        env,
      ),
      purgeDeadlineMs: duration(
        [
          'purge-deadline',
          'Longest time that the deletion of a cache whose deletionPolicy is Purge waits for its images to go.',
        ],
        '10m',
        { zero: false },
      ),
    },
    process: {
      ...clusterFlags(),
      kubeApiQps: integer(['kube-api-qps', 'Requests to the API server per second.'], 50, { min: 1 }),
      kubeApiBurst: integer(['kube-api-burst', 'Requests to the API server at once.'], 100, { min: 1 }),
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
        ['leader-elect', 'Whether a replica works only while it holds the lease of the namespace.'],
        true,
      ),
      metricsBindAddress: address(
        ['metrics-bind-address', 'Where /healthz, /readyz and /metrics are served.'],
        ':8081',
      ),
    },
    logs: logFlags(),
  } satisfies Record<string, Record<string, Flag<unknown>>>
}
