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
  it.each<[string, PodOptions, string[]]>([
    ['nothing said yet', {}, ['pulling', 'pulling']],
    ['being made', { states: [creating] }, ['pulling', 'pulling']],
    ['running', { states: [running] }, ['present', 'present']],
    ['ended', { states: [done], phase: 'Succeeded' }, ['present', 'present']],
    ['could not be executed', { states: [{ terminated: { reason: 'StartError' } }] }, ['present', 'present']],
    ['could not be created', { states: [waiting('CreateContainerError', 'x')] }, ['present', 'present']],
    ['could not be run', { states: [waiting('RunContainerError', 'x')] }, ['present', 'present']],
    ['one is named', { states: [pullError(notFound(A))] }, ['ImageNotFound', 'unproven']],
    ['one is named in a back-off', { states: [backOff(B, notFound(B))] }, ['unproven', 'ImageNotFound']],
    ['none is named', { states: [pullError('rpc error: 503')] }, ['unproven', 'unproven']],
    ['both are named', { states: [pullError(`${notFound(A)}, ${notFound(B)}`)] }, ['unproven', 'unproven']],
    ['throttled', { states: [throttled] }, ['unknown', 'unknown']],
    [
      'the helper cannot be pulled',
      { states: [pullError(notFound(HELPER))] },
      ['HelperImageUnavailable', 'HelperImageUnavailable'],
    ],
    [
      'admission renamed the helper, which cannot be pulled',
      { helper: 'mirror.test/busybox:1', states: [pullError(notFound('mirror.test/busybox:1'))] },
      ['HelperImageUnavailable', 'HelperImageUnavailable'],
    ],
    [
      'refused',
      { phase: 'Failed', reason: 'OutOfcpu', message: 'Node did not have enough' },
      ['NodeRefused', 'NodeRefused'],
    ],
    ['failed without a word', { phase: 'Failed' }, ['unknown', 'unknown']],
    ['deleted', { deleted: true, states: [creating] }, ['unknown', 'unknown']],
    ['deleted after it ended', { deleted: true, states: [done] }, ['present', 'present']],
    [
      'evicted',
      { phase: 'Failed', reason: 'Evicted', message: 'low on disk', states: [creating] },
      ['NodeRefused', 'NodeRefused'],
    ],
    [
      'evicted, its container never started',
      { phase: 'Failed', reason: 'Evicted', states: [lost] },
      ['NodeRefused', 'NodeRefused'],
    ],
    [
      'ended by its deadline, its container never started',
      { phase: 'Failed', reason: 'DeadlineExceeded', states: [lost] },
      ['unknown', 'unknown'],
    ],
  ])('%s', (_, options, expected) => {
    expect(verdicts(pair, 'batch', options)).toEqual(expected)
  })

  it('of one image takes words that do not name it as words about it', () => {
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
  ])('of %j blames %s alone', (images, culprit) => {
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

  it('containers: an image that a webhook put another one in place of has failed', () => {
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
  it.each<[string, PodOptions, string[]]>([
    ['nothing said yet', {}, ['pulling', 'pulling']],
    ['the helper is pulled', { init: creating }, ['pulling', 'pulling']],
    [
      'one ended, one not found',
      { init: done, states: [done, pullError(notFound(B))] },
      ['present', 'ImageNotFound'],
    ],
    [
      'one cannot run the binary',
      { init: done, states: [waiting('CreateContainerError', 'no root'), creating] },
      ['present', 'pulling'],
    ],
    [
      'an error exit',
      { init: done, states: [{ terminated: { reason: 'Error' } }, done] },
      ['present', 'present'],
    ],
    [
      'no reference',
      { init: done, states: [waiting('InvalidImageName', 'x'), running] },
      ['InvalidReference', 'present'],
    ],
    ['throttled', { init: done, states: [throttled, done] }, ['unknown', 'present']],
    [
      'the helper cannot be pulled',
      { init: pullError('500 Internal Server Error'), states: [creating, creating] },
      ['HelperImageUnavailable', 'HelperImageUnavailable'],
    ],
    [
      'the helper fails',
      { init: { terminated: { reason: 'Error' } }, phase: 'Failed', states: [creating, creating] },
      ['HelperImageUnavailable', 'HelperImageUnavailable'],
    ],
    [
      'evicted before the helper ran',
      { init: lost, phase: 'Failed', reason: 'Evicted', states: [lost, lost] },
      ['NodeRefused', 'NodeRefused'],
    ],
    [
      'ended between two pulls',
      { init: done, phase: 'Failed', reason: 'DeadlineExceeded', states: [done, lost] },
      ['present', 'unknown'],
    ],
  ])('%s', (_, options, expected) => {
    expect(verdicts([A, B], 'containers', options)).toEqual(expected)
  })

  it('gives the digest that the runtime reports', () => {
    const job = jobOf([A, B], 'containers')
    const imageIds = [`r.test/a@${DIGEST}`, 'sha256:abc']
    const reading = readPod(job, podOf(job, { init: done, states: [done, done], imageIds }), HELPER)
    expect(reading.verdicts.get(A)).toEqual({ kind: 'present', digest: DIGEST })
    expect(reading.verdicts.get(B)).toEqual({ kind: 'present' })
  })
})
