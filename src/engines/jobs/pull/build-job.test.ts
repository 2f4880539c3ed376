import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cacheOf, compiledOf } from '../../../../test/builders/image-cache.ts'
import { HELPER, SETTINGS } from '../../../../test/builders/job.ts'
import { desiredOf } from '../../../../test/builders/node-images.ts'
import { nodeOf } from '../../../../test/builders/node.ts'
import { at } from '../../../../test/builders/time.ts'
import type { DesiredImage } from '../../../api/node-images.ts'
import { compileCache } from '../../../core/demand/index.ts'
import { buildJob } from './build-job.ts'
import type { JobRequest } from './choose-job.ts'
import { type JobMethod, projectJob } from './pull-job.ts'

interface Container {
  name: string
  image: string
  imagePullPolicy: string
  command: string[]
  securityContext: Record<string, unknown>
  resources: { requests: Record<string, string>; limits: Record<string, string> }
  volumeMounts: { name: string; mountPath: string }[]
}

interface PodSpec {
  [key: string]: unknown
  containers: Container[]
  initContainers?: Container[]
  volumes: Record<string, unknown>[]
}

const METHODS: JobMethod[] = ['batch', 'single', 'containers']
const IMAGES = ['r.test/a:1', 'nginx', `r.test/b@sha256:${'ab'.repeat(32)}`]

function build(method: JobMethod, changes: Partial<JobRequest> = {}, settings = SETTINGS) {
  const cache = changes.cache ?? compiledOf('cache', IMAGES)
  const request: JobRequest = {
    name: 'cache-0123456789',
    cache,
    method,
    images: desiredOf(IMAGES, cache),
    proofOnly: false,
    revision: 7,
    startedAt: at(0.25),
    activeDeadlineSeconds: 900,
    urgent: true,
    ...changes,
  }
  const job = buildJob(request, nodeOf('n1'), settings)
  // The manifest is plain JSON: what the API server would read.
  const sent = JSON.parse(JSON.stringify(job)) as typeof job & {
    spec: {
      template: {
        metadata: { labels: Record<string, string>; annotations: Record<string, string> }
        spec: PodSpec
      }
    }
  }
  return { sent, template: sent.spec.template, pod: sent.spec.template.spec }
}

describe.each(METHODS)('a Job of method %s', method => {
  it('passes the restricted Pod Security level', () => {
    const { pod } = build(method)
    expect(pod['securityContext']).toMatchObject({
      runAsNonRoot: true,
      seccompProfile: { type: 'RuntimeDefault' },
    })
    for (const container of [...pod.containers, ...(pod.initContainers ?? [])]) {
      expect(container.securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      })
    }
    for (const volume of pod.volumes)
      expect(['image', 'emptyDir']).toContain(Object.keys(volume).find(key => key !== 'name'))
    for (const field of ['hostNetwork', 'hostPID', 'hostIPC', 'hostUsers'])
      expect(pod).not.toHaveProperty(field)
  })

  it('goes to its node alone, once, and delays nothing else', () => {
    const { sent, pod } = build(method)
    expect(sent.spec).toMatchObject({
      backoffLimit: 0,
      podReplacementPolicy: 'Failed',
      activeDeadlineSeconds: 900,
      ttlSecondsAfterFinished: 600,
    })
    expect(pod).toMatchObject({
      nodeName: 'n1',
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      tolerations: [{ operator: 'Exists' }],
    })
    expect(pod).not.toHaveProperty('nodeSelector')
    expect(sent.metadata.ownerReferences).toEqual([
      {
        apiVersion: 'kubefledged.io/v1alpha2',
        kind: 'ImageCache',
        name: 'cache',
        uid: 'uid-of-cache',
        controller: true,
      },
    ])
    for (const { resources } of [...pod.containers, ...(pod.initContainers ?? [])]) {
      expect(Object.keys(resources.requests).toSorted()).toEqual(Object.keys(resources.limits).toSorted())
    }
    expect(build(method, {}, { ...SETTINGS, retainJobs: true }).sent.spec).not.toHaveProperty(
      'ttlSecondsAfterFinished',
    )
  })

  it('pulls every image and executes only the operator’s binary', () => {
    const { pod } = build(method)
    const volumes = pod.volumes.flatMap(volume => {
      const image = volume['image'] as { reference: string } | undefined
      return image ? [image.reference] : []
    })
    const own = pod.containers.map(container => container.image)
    expect(method === 'containers' ? own : volumes).toEqual(IMAGES)
    if (method !== 'containers') expect(new Set(own)).toEqual(new Set([HELPER]))
    expect(pod.containers).toHaveLength(method === 'batch' ? 1 : IMAGES.length)
    if (method !== 'containers') {
      const mounted = pod.containers.flatMap(container => container.volumeMounts.map(({ name }) => name))
      expect(mounted.toSorted()).toEqual(pod.volumes.map(volume => volume['name']))
    }
  })

  it('is read back as it was asked for', () => {
    const secret = compiledOf('cache', IMAGES, { imagePullSecrets: [{ name: 's' }] })
    const images = desiredOf(IMAGES, secret).map(image => ({ ...image, pullSecrets: [{ name: 's' }] }))
    const { sent, pod } = build(method, { cache: secret, images })
    expect(pod['imagePullSecrets']).toEqual([{ name: 's' }])
    expect(projectJob(sent)).toMatchObject({
      nodeName: 'n1',
      nodeUid: 'uid-of-n1',
      cache: 'team/cache',
      credential: secret.credential,
      method,
      revision: 7,
      startedAt: at(0.25),
      images: IMAGES,
      finished: false,
    })
  })

  it('names the secrets of the operator behind those of the cache, and they change nothing of what it is', () => {
    const own = { ...SETTINGS, helperPullSecrets: ['mirror', 's'] }
    expect(build(method, {}, own).pod['imagePullSecrets']).toEqual([{ name: 'mirror' }, { name: 's' }])
    expect(build(method, {}, own).sent.metadata).toEqual(build(method).sent.metadata)
    expect(build(method).pod).not.toHaveProperty('imagePullSecrets')

    const secret = compiledOf('cache', IMAGES, { imagePullSecrets: [{ name: 's' }] })
    const images = desiredOf(IMAGES, secret).map(image => ({ ...image, pullSecrets: [{ name: 's' }] }))
    const { sent, pod } = build(method, { cache: secret, images }, own)
    expect(pod['imagePullSecrets']).toEqual([{ name: 's' }, { name: 'mirror' }])
    expect(projectJob(sent).credential).toBe(secret.credential)
  })

  it('has no text of an image or of a cache in a command, and no shell', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' }), { minLength: 1, maxLength: 10 }), texts => {
        const cache = compiledOf('cache', [])
        const images = texts.map(
          (image): DesiredImage => ({
            image,
            pullPolicy: 'Always',
            revision: 1,
            owners: [cache.owner],
          }),
        )
        const { pod } = build(method, { cache, images })
        const commands = [...pod.containers, ...(pod.initContainers ?? [])].map(({ command }) =>
          command.join(' '),
        )
        const allowed =
          method === 'containers'
            ? ['/tmp/bin/echo Image pulled successfully!', '/bin/cp /bin/echo /tmp/bin']
            : ['/bin/echo Image pulled successfully!']
        for (const command of commands) expect(allowed).toContain(command)
        for (const container of pod.containers) expect(container).not.toHaveProperty('args')
      }),
    )
  })
})

describe('names of caches', () => {
  const letters = fc.string({
    unit: fc.constantFrom('a', 'b', 'z', '0', '9', '.', '-'),
    minLength: 1,
    maxLength: 253,
  })
  const names = letters.filter(name =>
    /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(name),
  )

  it.each(['a'.repeat(253), 'a'.repeat(63), 'a'.repeat(64), `${'a'.repeat(53)}.${'b'.repeat(100)}`])(
    '%s',
    name => {
      expect(labelOf(name)).toMatch(/^[a-z0-9][-a-z0-9._]{0,61}[a-z0-9]$/)
    },
  )

  it('give legal labels, and are whole in the annotation', () => {
    fc.assert(
      fc.property(names, name => {
        expect(labelOf(name)).toMatch(/^(?=.{1,63}$)[a-z0-9]([-a-z0-9._]*[a-z0-9])?$/)
      }),
    )
  })

  function labelOf(name: string): string {
    const { sent, template } = build('batch', { cache: compiledOf(name, IMAGES) })
    expect(sent.metadata.annotations?.['kubefledged.io/imagecache']).toBe(`team/${name}`)
    expect(template.metadata.labels).toEqual(sent.metadata.labels)
    return sent.metadata.labels?.['imagecache'] ?? ''
  }
})

it('adds labels and annotations of the template of a cache, and keeps our own', () => {
  const labels = { app: 'mine', team: 'x', 'sidecar.istio.io/inject': 'true' }
  const annotations = { 'kubefledged.io/images': 'evil', 'linkerd.io/inject': 'enabled', note: 'x' }
  const cache = compileCache(
    cacheOf('cache', IMAGES, { jobTemplate: { labels, annotations } }),
    'IfNotPresent',
  )
  const { sent, template } = build('batch', { cache })
  expect(sent.metadata.labels).toMatchObject({
    app: 'kubefledged',
    team: 'x',
    'sidecar.istio.io/inject': 'false',
  })
  expect(projectJob(sent).images).toEqual(IMAGES)
  expect(template.metadata.annotations).toMatchObject({ note: 'x', 'linkerd.io/inject': 'disabled' })
})

it.each(['batch', 'containers'] as const)(
  'has the other fields of a template in Pods of method %s',
  method => {
    const resources = { requests: { cpu: '5m' }, limits: { cpu: 1, memory: '64Mi' } }
    const names = { priorityClassName: 'mine', serviceAccountName: 'puller', runtimeClassName: 'kata' }
    const cache = compileCache(
      cacheOf('cache', IMAGES, { jobTemplate: { resources, ...names } }),
      'IfNotPresent',
    )
    const settings = { ...SETTINGS, priorityClassName: 'flag', serviceAccountName: 'flag' }
    const { pod } = build(method, { cache }, settings)
    expect(pod).toMatchObject(names)
    const containers = [...(pod.initContainers ?? []), ...pod.containers]
    expect(containers.length).toBeGreaterThan(0)
    for (const container of containers) expect(container).toMatchObject({ resources })
    expect(build(method, {}, settings).pod).toMatchObject({
      priorityClassName: 'flag',
      serviceAccountName: 'flag',
    })
    expect(build(method).pod).not.toHaveProperty('runtimeClassName')
  },
)
