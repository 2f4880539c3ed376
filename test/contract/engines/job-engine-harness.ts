import { makeEngine } from '../../../src/engines/jobs/testing-engine.ts'
import { REMOVAL_SETTINGS } from '../../builders/removal-job.ts'
import { JobKubelet } from './job-kubelet.ts'
import type { EngineHarness, EngineSite } from './tested-cluster.ts'

/** The Job engine over a model of a kubelet. */
export function jobEngineHarness({ client, node, namespace }: EngineSite): EngineHarness {
  const kubelet = new JobKubelet(client, node, [namespace])
  return {
    newProcess: () => {
      const parts = makeEngine(client, {
        pullMethod: 'image-volumes',
        removals: { ...REMOVAL_SETTINGS, namespace },
      })
      return { ...parts, informers: parts.state.informers }
    },
    loseAttempt: () => kubelet.deleteAll(),
    stop: async () => {
      await kubelet.stop()
      await kubelet.deleteAll()
    },
  }
}
