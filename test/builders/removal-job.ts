import { buildRemovalJob } from '../../src/engines/jobs/removal/build-removal-job.ts'
import type { RemovalRequest } from '../../src/engines/jobs/removal/choose-removal.ts'
import {
  type RemovalJob,
  type RemovalPod,
  projectRemovalJob,
  projectRemovalPod,
} from '../../src/engines/jobs/removal/removal-job.ts'
import type { RemovalSettings } from '../../src/engines/jobs/removal/removal-settings.ts'
import { type RemovalOutcome, encodeResult } from '../../src/cri/removal/index.ts'
import { nodeOf } from './node.ts'
import { at } from './time.ts'

/** Settings of removal Jobs. */
export const REMOVAL_SETTINGS: RemovalSettings = {
  namespace: 'kube-fledged',
  criClientImage: 'registry.test/kubefledged-cri-client:1',
  helperPullSecrets: [],
  criSocketPath: '',
  hostNetwork: false,
  deadlineMs: 300_000,
}

/** The removal Job of a request, as the API server has it, on the node `n1`. */
export function removalJobOf(request: RemovalRequest, seconds = 0): RemovalJob {
  const manifest = buildRemovalJob(request, nodeOf('n1'), REMOVAL_SETTINGS)
  const metadata = { ...manifest.metadata, uid: request.name, creationTimestamp: at(seconds) }
  return projectRemovalJob({ metadata, spec: manifest.spec })
}

/** Its Pod. */
export function removalPodOf(job: RemovalJob, status: object): RemovalPod {
  const { name, namespace = '' } = job.metadata
  const labels = { 'batch.kubernetes.io/job-name': name }
  return projectRemovalPod({
    metadata: { name: `${name}-1`, namespace, labels },
    spec: { nodeName: 'n1' },
    status,
  })
}

/** Its Pod after it has told what became of each image. */
export function endedRemovalPodOf(
  job: RemovalJob,
  outcomes: readonly RemovalOutcome[],
  detail = '',
): RemovalPod {
  const answers = outcomes.map(outcome => ({ outcome, detail }))
  const message = encodeResult({ kind: 'Done', runtime: 'containerd 2', removedBytes: 1, answers })
  return removalPodOf(job, {
    phase: 'Succeeded',
    containerStatuses: [{ state: { terminated: { reason: 'Completed', exitCode: 0, message } } }],
  })
}
