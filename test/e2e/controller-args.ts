import { afterAll, beforeAll } from 'vitest'
import { InstalledController } from '../harness/controller.ts'
import { cluster } from './fixtures.ts'

const controller = new InstalledController(cluster)

/**
 * Runs the controller with one more argument for the tests of a `describe`, and as it was installed
 * afterwards.
 */
export function withControllerArgument(argument: string): void {
  beforeAll(() => controller.addArgument(argument))
  afterAll(() => controller.removeArgument(argument))
}

/** Ends every Pod of the controller, does something while there is none, and brings it back. */
export async function whileControllerIsAway(task: () => Promise<void>): Promise<void> {
  await controller.kubectl('scale', controller.deployment, '--replicas=0')
  try {
    const selector = '--selector=kubefledged=kubefledged-controller'
    await controller.kubectl('wait', 'pods', '--for=delete', selector, '--timeout=60s')
    await task()
  } finally {
    await controller.kubectl('scale', controller.deployment, '--replicas=1')
    await controller.rolledOut()
  }
}
