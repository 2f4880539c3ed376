import { engineContract } from './engine-contract.ts'
import { jobEngineHarness } from './job-engine-harness.ts'

/** The Job engine over a real API server and a model of a kubelet. */
engineContract('the Job engine', jobEngineHarness)
