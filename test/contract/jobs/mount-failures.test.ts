import { expect, it } from 'vitest'
import { MountFailures, projectRemovalPod } from '../../../src/engines/jobs/removal/index.ts'
import { connect, newNamespace } from '../kube/fixture.ts'

it('finds the directory that a node does not have in the events of the Pod', async () => {
  const client = connect()
  const { namespace } = await newNamespace(client)
  const pod = projectRemovalPod({ metadata: { name: 'pod', namespace, uid: 'uid-of-pod' } })
  const events = client.resource({
    group: '',
    version: 'v1',
    plural: 'events',
    kind: 'Event',
    namespaced: true,
  })
  const tell = async (name: string, message: string) =>
    events.create({
      metadata: { name, namespace },
      involvedObject: { kind: 'Pod', name: 'pod', namespace, uid: 'uid-of-pod' },
      reason: 'FailedMount',
      type: 'Warning',
      message,
    } as never)
  const failures = new MountFailures(client)
  const { signal } = new AbortController()
  await tell('request', 'MountVolume.SetUp failed for volume "request" : failed to sync configmap cache')
  expect(await failures.look(pod, 0, signal)).toBe(false)
  await tell(
    'runtime',
    'MountVolume.SetUp failed for volume "runtime" : hostPath type check failed: /run/none is not a directory',
  )
  expect(await failures.look(pod, 4_999, signal), 'not asked again so soon').toBe(false)
  expect(await failures.look(pod, 5_000, signal)).toBe(true)
  expect(failures.messages.get('uid-of-pod')).toMatch(/no directory \/run\/none,.*--cri-socket-path/)
  failures.forget(pod)
  expect(failures.messages.size).toBe(0)
})
