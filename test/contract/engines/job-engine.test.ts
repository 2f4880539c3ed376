import { REMOVAL_SETTINGS } from '../../builders/removal-job.ts'
import { makeEngine } from '../../../src/engines/jobs/testing-engine.ts'
import { engineContract } from './engine-contract.ts'
import { JobKubelet } from './job-kubelet.ts'

/** The Job engine over a real API server and a model of a kubelet. */
engineContract('the Job engine', ({ client, node, namespace }) => {
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
})
