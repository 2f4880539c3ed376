import { describe, expect, it } from 'vitest'
import { HELPER, jobOf } from '../../../../test/builders/job.ts'
import { type PodOptions, type RawState, podOf } from '../../../../test/builders/pod.ts'
import { readPod } from './read-pod.ts'
import type { JobMethod } from './pull-job.ts'

const DIGEST = `sha256:${'ab'.repeat(32)}`
const done: RawState = { terminated: { reason: 'Completed' } }
const running: RawState = { running: {} }
const creating: RawState = { waiting: { reason: 'ContainerCreating' } }
const lost: RawState = {
  terminated: {
    reason: 'ContainerStatusUnknown',
    message: 'The container could not be located when the pod was terminated',
  },
}
const waiting = (reason: string, message = ''): RawState => ({ waiting: { reason, message } })
const pullError = (message: string) => waiting('ErrImagePull', message)
const backOff = (image: string, message: string) =>
  waiting('ImagePullBackOff', `Back-off pulling image "${image}": ErrImagePull: ${message}`)
const notFound = (image: string) => `failed to resolve image: ${image}: not found`
const throttled = pullError('pull QPS exceeded')

/** `present`, `pulling`, `unknown`, `unproven`, or the reason of a failure, for each image. */
function verdicts(images: readonly string[], method: JobMethod, options: PodOptions): string[] {
  const job = jobOf(images, method)
  const reading = readPod(job, podOf(job, options), HELPER)
  expect([...reading.verdicts.keys()].toSorted()).toEqual([...images].toSorted())
  const result = images.map(image => {
    const verdict = reading.verdicts.get(image)
    return verdict?.kind === 'failed' ? verdict.reason : (verdict?.kind ?? 'absent')
  })
  expect(reading.done).toBe(!result.includes('pulling'))
  return result
}

const [A, B, C] = ['r.test/a:1', 'r.test/b:1', 'r.test/c:1']

describe('a batch by image volumes', () => {
  const pair = [A, B]
  it.each<{ name: string; pod: PodOptions; expected: string[] }>([
    { name: 'no status yet', pod: {}, expected: ['pulling', 'pulling'] },
    { name: 'being made', pod: { states: [creating] }, expected: ['pulling', 'pulling'] },
    { name: 'running', pod: { states: [running] }, expected: ['present', 'present'] },
    { name: 'ended', pod: { states: [done], phase: 'Succeeded' }, expected: ['present', 'present'] },
    {
      name: 'could not be executed',
      pod: { states: [{ terminated: { reason: 'StartError' } }] },
      expected: ['present', 'present'],
    },
    {
      name: 'could not be created',
      pod: { states: [waiting('CreateContainerError', 'x')] },
      expected: ['present', 'present'],
    },
    {
      name: 'could not be run',
      pod: { states: [waiting('RunContainerError', 'x')] },
      expected: ['present', 'present'],
    },
    {
      name: 'the node lost a layer of one of them',
      pod: {
        states: [
          waiting(
            'CreateContainerError',
            'failed to create containerd container: error unpacking image: failed to extract layer: content digest sha256:6e: not found',
          ),
        ],
      },
      expected: ['unproven', 'unproven'],
    },
    {
      name: 'one is named',
      pod: { states: [pullError(notFound(A))] },
      expected: ['ImageNotFound', 'unproven'],
    },
    {
      name: 'one is named in a back-off',
      pod: { states: [backOff(B, notFound(B))] },
      expected: ['unproven', 'ImageNotFound'],
    },
    {
      name: 'none is named',
      pod: { states: [pullError('rpc error: 503')] },
      expected: ['unproven', 'unproven'],
    },
    {
      name: 'both are named',
      pod: { states: [pullError(`${notFound(A)}, ${notFound(B)}`)] },
      expected: ['unproven', 'unproven'],
    },
    { name: 'throttled', pod: { states: [throttled] }, expected: ['unknown', 'unknown'] },
    {
      name: 'the helper cannot be pulled',
      pod: { states: [pullError(notFound(HELPER))] },
      expected: ['HelperImageUnavailable', 'HelperImageUnavailable'],
    },
    {
      name: 'admission renamed the helper, which cannot be pulled',
      pod: { helper: 'mirror.test/busybox:1', states: [pullError(notFound('mirror.test/busybox:1'))] },
      expected: ['HelperImageUnavailable', 'HelperImageUnavailable'],
    },
    {
      name: 'refused',
      pod: { phase: 'Failed', reason: 'OutOfcpu', message: 'Node did not have enough' },
      expected: ['NodeRefused', 'NodeRefused'],
    },
    { name: 'failed without a reason', pod: { phase: 'Failed' }, expected: ['unknown', 'unknown'] },
    { name: 'deleted', pod: { deleted: true, states: [creating] }, expected: ['unknown', 'unknown'] },
    {
      name: 'deleted after it ended',
      pod: { deleted: true, states: [done] },
      expected: ['present', 'present'],
    },
    {
      name: 'evicted',
      pod: { phase: 'Failed', reason: 'Evicted', message: 'low on disk', states: [creating] },
      expected: ['NodeRefused', 'NodeRefused'],
    },
    {
      name: 'evicted, its container never started',
      pod: { phase: 'Failed', reason: 'Evicted', states: [lost] },
      expected: ['NodeRefused', 'NodeRefused'],
    },
    {
      name: 'ended by its deadline, its container never started',
      pod: { phase: 'Failed', reason: 'DeadlineExceeded', states: [lost] },
      expected: ['unknown', 'unknown'],
    },
  ])('$name', ({ pod, expected }) => {
    expect(verdicts(pair, 'batch', pod)).toEqual(expected)
  })

  it('of one image: an error without a name is about this image', () => {
    expect(verdicts([A], 'batch', { states: [pullError('503 Service Unavailable')] })).toEqual([
      'RegistryUnavailable',
    ])
  })

  it.each([
    [['r.test/a', 'r.test/a:1', 'r.test/a:12'], 'r.test/a:1'],
    [['r.test/a', 'r.test/a:1', 'r.test/a:12'], 'r.test/a:12'],
    [['r.test/a', 'r.test/a:1', 'r.test/a:12'], 'r.test/a'],
    [['r.test/a:1', `r.test/a:1@${DIGEST}`], 'r.test/a:1'],
    [['r.test/a', 'other.test/r.test/a'], 'other.test/r.test/a'],
    [['nginx:1', 'r.test/nginx:1'], 'r.test/nginx:1'],
  ])('of %j: an error that names %s blames no other image', (images, culprit) => {
    const expected = images.map(image => (image === culprit ? 'ImageNotFound' : 'unproven'))
    expect(verdicts(images, 'batch', { states: [pullError(notFound(culprit))] })).toEqual(expected)
    const words = `failed to pull and unpack image "${culprit}": ${notFound(culprit)}`
    expect(verdicts(images, 'batch', { states: [backOff(culprit, words)] })).toEqual(expected)
  })

  it('finds an image under the name that the runtime gives it', () => {
    const words = pullError('failed to resolve image: docker.io/library/nginx:latest: not found')
    expect(verdicts(['nginx', A], 'batch', { states: [words] })).toEqual(['ImageNotFound', 'unproven'])
  })

  it.each<JobMethod>(['batch', 'single'])('%s: notices that the API server drops the volumes', method => {
    const job = jobOf([A, B], method)
    const reading = readPod(job, podOf(job, { withoutVolumes: true, states: [done, done] }), HELPER)
    expect(reading.volumesDropped).toBe(true)
    expect([...reading.verdicts.values()].map(verdict => verdict.kind)).toEqual(['unknown', 'unknown'])
  })

  it.each<JobMethod>(['batch', 'single'])(
    '%s: tells a changed Pod from an API server without volumes',
    method => {
      const job = jobOf([A, B], method)
      const pod = podOf(job, { states: [done, done] })
      const changed = { ...pod, imageVolumes: { ...pod.imageVolumes, 'image-1': 'mirror.test/b:1' } }
      const reading = readPod(job, changed, HELPER)
      expect(reading).toMatchObject({ done: true })
      expect(reading.volumesDropped).toBeUndefined()
      expect(reading.verdicts.get(A)).toEqual({ kind: 'unproven' })
      expect(reading.verdicts.get(B)).toMatchObject({ kind: 'failed', reason: 'PullFailed' })
    },
  )

  it('containers: an image that a webhook replaced has failed', () => {
    const job = jobOf([A, B], 'containers')
    const pod = podOf(job, { init: done, states: [done, done] })
    const containers = pod.containers.map((each, at) =>
      at === 1 ? { ...each, image: 'mirror.test/b:1' } : each,
    )
    const reading = readPod(job, { ...pod, containers }, HELPER)
    expect(reading.verdicts.get(A)).toMatchObject({ kind: 'present' })
    expect(reading.verdicts.get(B)).toMatchObject({ kind: 'failed', reason: 'PullFailed' })
  })
})

describe('one container for each image, by image volumes', () => {
  it('gives every image what its own container says', () => {
    const states = [done, pullError('429 Too Many Requests'), creating]
    expect(verdicts([A, B, C], 'single', { states })).toEqual(['present', 'RateLimited', 'pulling'])
    expect(verdicts([A, B, C], 'single', { states, deleted: true })).toEqual([
      'present',
      'RateLimited',
      'unknown',
    ])
  })

  it('does not blame an image for the helper', () => {
    expect(verdicts([A, B], 'single', { states: [pullError(notFound(HELPER)), done] })).toEqual([
      'HelperImageUnavailable',
      'present',
    ])
  })
})

describe('containers of the images themselves', () => {
  it.each<{ name: string; pod: PodOptions; expected: string[] }>([
    { name: 'no status yet', pod: {}, expected: ['pulling', 'pulling'] },
    { name: 'the helper is pulled', pod: { init: creating }, expected: ['pulling', 'pulling'] },
    {
      name: 'one ended, one not found',
      pod: { init: done, states: [done, pullError(notFound(B))] },
      expected: ['present', 'ImageNotFound'],
    },
    {
      name: 'one cannot run the binary',
      pod: { init: done, states: [waiting('CreateContainerError', 'no root'), creating] },
      expected: ['present', 'pulling'],
    },
    {
      name: 'the node lost a layer',
      pod: {
        init: done,
        states: [
          waiting(
            'CreateContainerError',
            'error unpacking image "r.test/a:1": content digest sha256:6e: not found',
          ),
          waiting('CreateContainerError', 'exec: "/tmp/bin/echo": executable file not found in $PATH'),
        ],
      },
      expected: ['NodeStoreFailed', 'present'],
    },
    {
      name: 'an error exit',
      pod: { init: done, states: [{ terminated: { reason: 'Error' } }, done] },
      expected: ['present', 'present'],
    },
    {
      name: 'no reference',
      pod: { init: done, states: [waiting('InvalidImageName', 'x'), running] },
      expected: ['InvalidReference', 'present'],
    },
    { name: 'throttled', pod: { init: done, states: [throttled, done] }, expected: ['unknown', 'present'] },
    {
      name: 'the helper cannot be pulled',
      pod: { init: pullError('500 Internal Server Error'), states: [creating, creating] },
      expected: ['HelperImageUnavailable', 'HelperImageUnavailable'],
    },
    {
      name: 'the helper fails',
      pod: { init: { terminated: { reason: 'Error' } }, phase: 'Failed', states: [creating, creating] },
      expected: ['HelperImageUnavailable', 'HelperImageUnavailable'],
    },
    {
      name: 'evicted before the helper ran',
      pod: { init: lost, phase: 'Failed', reason: 'Evicted', states: [lost, lost] },
      expected: ['NodeRefused', 'NodeRefused'],
    },
    {
      name: 'ended between two pulls',
      pod: { init: done, phase: 'Failed', reason: 'DeadlineExceeded', states: [done, lost] },
      expected: ['present', 'unknown'],
    },
  ])('$name', ({ pod, expected }) => {
    expect(verdicts([A, B], 'containers', pod)).toEqual(expected)
  })

  it('gives the digest that the runtime reports', () => {
    const job = jobOf([A, B], 'containers')
    const imageIds = [`r.test/a@${DIGEST}`, 'sha256:abc']
    const reading = readPod(job, podOf(job, { init: done, states: [done, done], imageIds }), HELPER)
    expect(reading.verdicts.get(A)).toEqual({ kind: 'present', digest: DIGEST })
    expect(reading.verdicts.get(B)).toEqual({ kind: 'present' })
  })
})

describe.each<'first' | 'last' | 'init'>(['first', 'last', 'init'])(
  'a mesh that puts its proxy %s',
  place => {
    const failed = [pullError(notFound(B))]

    it.each<{ what: string; state: RawState }>([
      { what: 'runs for ever', state: running },
      { what: 'exits with 0', state: done },
      { what: 'cannot be pulled', state: pullError(notFound('mesh.test/proxy:1')) },
    ])('is no evidence where the proxy $what', ({ state }) => {
      const proxy = { place, state }
      expect(verdicts([A, B], 'batch', { proxy, states: failed })).toEqual(['unproven', 'ImageNotFound'])
      expect(verdicts([A, B], 'batch', { proxy, states: [done] })).toEqual(['present', 'present'])
      expect(verdicts([A, B], 'batch', { proxy })).toEqual(['pulling', 'pulling'])
      expect(verdicts([A, B], 'single', { proxy, states: [done, ...failed] })).toEqual([
        'present',
        'ImageNotFound',
      ])
      expect(verdicts([A, B], 'containers', { proxy, init: done, states: [done, ...failed] })).toEqual([
        'present',
        'ImageNotFound',
      ])
      const helper = pullError(notFound(HELPER))
      expect(verdicts([A, B], 'containers', { proxy, init: helper, states: [creating] })).toEqual([
        'HelperImageUnavailable',
        'HelperImageUnavailable',
      ])
    })
  },
)
