import { afterAll, beforeAll } from 'vitest'
import { cluster } from './fixtures.ts'

const NAMESPACE = 'kube-fledged'
const DEPLOYMENT = 'deployment/kubefledged-controller'

/** Runs the controller with one more argument for the tests of a `describe`, and as it was installed afterwards. */
export function withControllerArgument(argument: string): void {
  beforeAll(async () => {
    await changeArguments([{ op: 'add', path: '/spec/template/spec/containers/0/args/-', value: argument }])
  })
  afterAll(async () => {
    const { args } = await container()
    const index = args.indexOf(argument)
    await changeArguments([{ op: 'remove', path: `/spec/template/spec/containers/0/args/${index}` }])
  })
}

/** Ends every Pod of the controller, does something while there is none, and brings it back. */
export async function whileControllerIsAway(task: () => Promise<void>): Promise<void> {
  await scale(0)
  try {
    await cluster.kubectl([
      '-n',
      NAMESPACE,
      'wait',
      'pods',
      '--for=delete',
      '--selector=kubefledged=kubefledged-controller',
      '--timeout=60s',
    ])
    await task()
  } finally {
    await scale(1)
  }
}

async function container(): Promise<{ args: string[] }> {
  const deployment = await cluster.kubectlJson<{
    spec: { template: { spec: { containers: [{ args: string[] }] } } }
  }>(['-n', NAMESPACE, 'get', DEPLOYMENT])
  return deployment.spec.template.spec.containers[0]
}

async function changeArguments(patch: object[]): Promise<void> {
  await cluster.kubectl([
    '-n',
    NAMESPACE,
    'patch',
    DEPLOYMENT,
    '--type=json',
    `--patch=${JSON.stringify(patch)}`,
  ])
  await rolledOut()
}

async function scale(replicas: number): Promise<void> {
  await cluster.kubectl(['-n', NAMESPACE, 'scale', DEPLOYMENT, `--replicas=${replicas}`])
  if (replicas > 0) await rolledOut()
}

async function rolledOut(): Promise<void> {
  await cluster.kubectl(['-n', NAMESPACE, 'rollout', 'status', DEPLOYMENT, '--timeout=90s'], {
    timeoutMs: 100_000,
  })
}
