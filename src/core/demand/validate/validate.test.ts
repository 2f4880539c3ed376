import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { CacheList, ImageCacheSpec } from '../../../api/image-cache.ts'
import { validateImageCache } from './validate.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`

const specOf = (lists: readonly CacheList[], more: Partial<ImageCacheSpec> = {}): ImageCacheSpec => ({
  cacheSpec: [...lists],
  ...more,
})
const images = (...names: string[]) => specOf([{ images: names }])
const list = (more: Partial<CacheList>) => specOf([{ images: ['nginx:1.23'], ...more }])
const affinity = (...nodeSelectorTerms: NonNullable<CacheList['nodeAffinity']>['nodeSelectorTerms']) =>
  list({ nodeAffinity: { nodeSelectorTerms } })
const expression = (
  operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt',
  ...values: string[]
) => affinity({ matchExpressions: [{ key: 'zone', operator, values }] })

describe('what is right', () => {
  it.each<[string, ImageCacheSpec]>([
    ['a list', images('ghcr.io/jitesoft/nginx:1.23.1', 'us.gcr.io/k8s-artifacts-prod/etcd:3.5.4-0')],
    [
      'the same image in two lists for different nodes',
      specOf([
        { images: ['a:1'], nodeSelector: { tier: 'a' } },
        { images: ['a:1'], nodeSelector: { tier: 'b' } },
      ]),
    ],
    ['two tags of a repository', images('a:1', 'a:2')],
    ['a tag and a digest of a repository', images('a:1', `a@${DIGEST}`)],
    ['a port', images('localhost:5000/a:1')],
    ['labels', list({ nodeSelector: { 'node-role.kubernetes.io/worker': '', tier: 'backend' } })],
    ['affinity', expression('In', 'a', 'b')],
    ['a comparison', expression('Gt', '3')],
    ['a node by name', affinity({ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n1'] }] })],
    [
      'tolerations',
      list({ tolerations: [{ operator: 'Exists' }, { key: 'gpu', value: 'yes', effect: 'NoExecute' }] }),
    ],
    ['no tolerations', list({ tolerations: [] })],
    ['a duration', specOf([], { pullDeadline: '1h30m' })],
    ['no duration', specOf([], { pullDeadline: '' })],
    [
      'annotations',
      specOf([], { jobTemplate: { labels: { team: 'x' }, annotations: { 'Example.com/a': 'any thing' } } }),
    ],
    ['a schedule', specOf([], { refresh: { schedule: '30 2 * * 1-5', timeZone: 'Europe/Berlin' } })],
    ['an interval of never', specOf([], { refresh: { interval: '0s' } })],
  ])('%s', (_, spec) => {
    expect(validateImageCache(spec).errors).toEqual([])
  })
})

describe('what is refused', () => {
  it.each<[ImageCacheSpec, string]>([
    [images('nginx:1', 'nginx:1'), 'Duplicate image names within image list: nginx:1'],
    [
      images('nginx', 'docker.io/library/nginx:latest'),
      'Duplicate image names within image list: docker.io/library/nginx:latest (the same image as nginx)',
    ],
    [
      images(`a:1@${DIGEST}`, `a@${DIGEST}`),
      `Duplicate image names within image list: a@${DIGEST} (the same image as a:1@${DIGEST})`,
    ],
    [images('A B', 'A B'), 'Duplicate image names within image list: A B'],
    [images('nginx; touch x'), 'invalid image reference "nginx; touch x": ";" is not allowed (position 6)'],
    [images(''), 'invalid image reference "": it is empty'],
    [
      list({ nodeSelector: { 'a b': 'x' } }),
      'nodeSelector: "a b" is not the key of a label: a name has 1 to 63 letters, digits and inner -, _ or .',
    ],
    [
      list({ nodeSelector: { 'A/b': 'x' } }),
      'nodeSelector: "A/b" is not the key of a label: what stands before the slash must be a DNS name in lower case',
    ],
    [
      list({ nodeSelector: { a: '-' } }),
      'nodeSelector "a": "-" is not the value of a label: a value has at most 63 letters, digits and inner -, _ or .',
    ],
    [affinity(), 'nodeAffinity: nodeSelectorTerms needs at least one term'],
    [expression('In'), 'nodeAffinity "zone": In needs at least one value'],
    [expression('NotIn'), 'nodeAffinity "zone": NotIn needs at least one value'],
    [expression('Exists', 'a'), 'nodeAffinity "zone": Exists takes no values'],
    [expression('DoesNotExist', 'a'), 'nodeAffinity "zone": DoesNotExist takes no values'],
    [expression('Gt', '1', '2'), 'nodeAffinity "zone": Gt takes one whole number'],
    [expression('Lt', 'x'), 'nodeAffinity "zone": Lt takes one whole number'],
    [
      affinity({ matchExpressions: [{ key: '', operator: 'Exists' }] }),
      'nodeAffinity: "" is not the key of a label: a name has 1 to 63 letters, digits and inner -, _ or .',
    ],
    [
      affinity({ matchFields: [{ key: 'spec.x', operator: 'In', values: ['a'] }] }),
      'nodeAffinity: "spec.x" is not accepted in matchFields; it takes metadata.name',
    ],
    [
      affinity({ matchFields: [{ key: 'metadata.name', operator: 'Gt', values: ['1'] }] }),
      'nodeAffinity: a field takes In or NotIn with one value, not Gt with 1',
    ],
    [list({ tolerations: [{}] }), 'toleration: without a key the operator must be Exists'],
    [
      list({ tolerations: [{ key: 'a', operator: 'Exists', value: 'b' }] }),
      'toleration "a": Exists takes no value',
    ],
    [
      list({ tolerations: [{ key: 'a', tolerationSeconds: 3 }] }),
      'toleration "a": tolerationSeconds needs the effect NoExecute',
    ],
    [
      specOf([], { pullDeadline: '5' }),
      'pullDeadline: "5" is not a duration: a unit is missing after 5; write for example 90s, 5m or 1h30m',
    ],
    [specOf([], { refresh: { interval: '-1s' } }), 'refresh.interval: it takes a duration of 0s or more'],
    [
      specOf([], { refresh: { interval: 'often' } }),
      'refresh.interval: "often" is not a duration: a number is missing before "often"; write for example 90s, 5m or 1h30m',
    ],
    [
      specOf([], { jobTemplate: { priorityClassName: 'system-node-critical' } }),
      'jobTemplate.priorityClassName: "system-node-critical" is for the cluster itself, never for an image cache',
    ],
    [
      specOf([], { jobTemplate: { annotations: { 'sidecar.istio.io/proxyImage': 'evil.test/x' } } }),
      'jobTemplate.annotations: an author may not set "sidecar.istio.io/proxyImage"; it makes an injector change the Pods',
    ],
    [
      specOf([], { jobTemplate: { annotations: { 'kubefledged.io/credential': 'other:1' } } }),
      'jobTemplate.annotations: an author may not set "kubefledged.io/credential"; it belongs to kube-fledged',
    ],
    [
      specOf([], { jobTemplate: { annotations: { note: 'x'.repeat(20_000) } } }),
      'jobTemplate: labels and annotations have 20004 characters together; 16384 are allowed',
    ],
    [specOf([], { pullDeadline: '0s' }), 'pullDeadline: it takes a duration of more than 0s'],
    [
      specOf([], { jobTemplate: { labels: { a: 'b c' } } }),
      'jobTemplate.labels: "b c" is not the value of a label: a value has at most 63 letters, digits and inner -, _ or .',
    ],
    [
      specOf([], { jobTemplate: { annotations: { 'a b': '' } } }),
      'jobTemplate.annotations: "a b" is not the key of a label: a name has 1 to 63 letters, digits and inner -, _ or .',
    ],
  ])('%j', (spec, message) => {
    const { errors, warnings } = validateImageCache(spec)
    expect(errors).toContain(message)
    expect(warnings).toEqual([])
    expect(validateImageCache(spec, spec).errors, 'a spec that stays').toEqual([])
    const edited = { ...spec, suspend: true }
    expect(validateImageCache(edited, spec).errors, 'what was there before').toEqual([])
    expect(validateImageCache(spec, images('other:1')).errors, 'what comes new').toContain(message)
  })

  it.each([
    [
      'often',
      undefined,
      'refresh.schedule: "often" is not a schedule: it takes minute, hour, day of month, month and day of week, as in 30 3 * * 1-5',
    ],
    [
      '2030:x',
      undefined,
      'refresh.schedule: "2030:x" is not a schedule: it takes minute, hour, day of month, month and day of week, as in 30 3 * * 1-5',
    ],
    ['0 0 31 2 *', undefined, 'refresh.schedule: "0 0 31 2 *" is not a schedule: it never comes due'],
    [
      '99 * * * *',
      'Europe/Berlin',
      'refresh.schedule: "99 * * * *" is not a schedule: invalid value for minute: 99',
    ],
    [
      '5-1 * * * *',
      undefined,
      `refresh.schedule: "5-1 * * * *" is not a schedule: from value is larger than to value: '5-1'`,
    ],
    ['*/0 * * * *', undefined, 'refresh.schedule: "*/0 * * * *" is not a schedule: illegal stepping: 0'],
    ['@daily', 'Mars/Olympus', 'refresh.timeZone: "Mars/Olympus" is not a time zone such as Europe/Berlin'],
  ])('the schedule %j in %j', (schedule, timeZone, message) => {
    const spec = specOf([], { refresh: { schedule, ...(timeZone !== undefined && { timeZone }) } })
    expect(validateImageCache(spec).errors).toEqual([message])
    expect(validateImageCache({ ...spec, suspend: true }, spec).errors).toEqual([])
  })

  it('says of the longest schedule and zone what a warning has room for', () => {
    const refresh = { schedule: '*'.repeat(256), timeZone: 'M'.repeat(64) }
    const { errors } = validateImageCache(specOf([], { refresh }))
    expect(errors).toEqual([
      expect.stringContaining('is not a time zone'),
      expect.stringContaining('is not a schedule'),
    ])
    for (const error of errors) expect(error.length).toBeLessThan(256)
  })

  it('names every mistake once', () => {
    expect(
      validateImageCache(specOf([{ images: ['A B', ''] }, { images: ['A B', 'c:1', 'c:1'] }])).errors,
    ).toEqual([
      'invalid image reference "A B": a space is not allowed (position 2)',
      'invalid image reference "": it is empty',
      'Duplicate image names within image list: c:1',
    ])
  })
})

describe('what kube-fledged refused and is allowed now', () => {
  const old = specOf([{ images: ['a:1'], nodeSelector: { tier: 'a' } }])
  it.each<[string, ImageCacheSpec]>([
    ['another node selector', specOf([{ images: ['a:1'], nodeSelector: { tier: 'b' } }])],
    ['one more list', specOf([...old.cacheSpec, { images: ['b:1'] }])],
    ['no list', specOf([])],
    ['an empty list', specOf([{ images: [] }])],
  ])('%s', (_, spec) => {
    expect(validateImageCache(spec, old).errors).toEqual([])
  })
})

describe('warnings', () => {
  it.each<[string, ImageCacheSpec, readonly string[]]>([
    ['an empty list', images(), ['No images specified within image list']],
    [
      'more lists than nodes can be compared with',
      specOf(
        Array.from({ length: 201 }, (_, pool) => ({ images: ['a:1'], nodeSelector: { pool: `${pool}` } })),
      ),
      [
        'some images are for no node: an image cache may have 200 lists for different nodes, with 5000 labels, expressions, values and tolerations in all; put the others into another one',
      ],
    ],
    [
      'no tag',
      images('nginx'),
      [
        'nginx: without a tag :latest is meant, and it is asked for again at every refresh, whatever the pull policy',
      ],
    ],
    [
      'latest',
      images('nginx:latest'),
      ['nginx:latest: :latest is asked for again at every refresh, whatever the pull policy'],
    ],
    ['latest, and wanted', specOf([{ images: ['nginx:latest'] }], { pullPolicy: 'Always' }), []],
    [
      'tag and digest',
      images(`a:1@${DIGEST}`),
      [`a:1@${DIGEST}: the tag is ignored, the digest alone says which image it is`],
    ],
    [
      'an image for every node and for some',
      specOf([{ images: ['a:1'] }, { images: ['docker.io/library/a:1'], nodeSelector: { x: 'y' } }]),
      ['docker.io/library/a:1: another list of this cache has it for every node already'],
    ],
    [
      'a term that matches nothing',
      affinity({}),
      ['nodeAffinity: a term without expressions and fields matches no node'],
    ],
    [
      'a useless toleration',
      list({ tolerations: [{ operator: 'Exists', effect: 'PreferNoSchedule' }] }),
      ['tolerations: PreferNoSchedule has no effect here; such taints never keep images off a node'],
    ],
    [
      'a schedule and an interval',
      specOf([], { refresh: { schedule: '@daily', interval: '1h' } }),
      ['refresh: the schedule goes before the interval, which has no effect'],
    ],
    [
      'a time zone alone',
      specOf([], { refresh: { timeZone: 'UTC' } }),
      ['refresh: timeZone has no effect without a schedule'],
    ],
    ['nothing', images('a:1', 'b:2'), []],
  ])('%s', (_, spec, warnings) => {
    expect(validateImageCache(spec)).toEqual({ errors: [], warnings })
  })
})

/** Anything that the CRD lets in, as it comes out of JSON. */
const strings = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('a:1', 'a', 'zone', '', '__proto__'))
const requirement = fc.record(
  {
    key: strings,
    operator: fc.constantFrom('In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt'),
    values: fc.array(strings),
  },
  { requiredKeys: ['key', 'operator'] },
)
const terms = fc.record(
  { matchExpressions: fc.array(requirement), matchFields: fc.array(requirement) },
  { requiredKeys: [] },
)
const specs = fc
  .record(
    {
      cacheSpec: fc.array(
        fc.record(
          {
            images: fc.array(strings),
            nodeSelector: fc.dictionary(strings, strings),
            nodeAffinity: fc.record({ nodeSelectorTerms: fc.array(terms) }),
            tolerations: fc.array(
              fc.record(
                {
                  key: strings,
                  operator: fc.constantFrom('Exists', 'Equal'),
                  value: strings,
                  effect: fc.constantFrom('NoSchedule', 'PreferNoSchedule', 'NoExecute'),
                  tolerationSeconds: fc.integer(),
                },
                { requiredKeys: [] },
              ),
            ),
          },
          { requiredKeys: ['images'] },
        ),
      ),
      pullDeadline: fc.oneof(strings, fc.constantFrom('5m', '-1s')),
      jobTemplate: fc.record({
        labels: fc.dictionary(strings, strings),
        annotations: fc.dictionary(strings, strings),
      }),
      refresh: fc.record({ interval: strings, schedule: strings, timeZone: strings }, { requiredKeys: [] }),
      suspend: fc.boolean(),
    },
    { requiredKeys: ['cacheSpec'] },
  )
  .map((spec): ImageCacheSpec => JSON.parse(JSON.stringify(spec)))

describe('whatever the CRD lets in', () => {
  it('is judged, and allowed where it does not change', () => {
    fc.assert(
      fc.property(specs, specs, (one, other) => {
        expect(validateImageCache(one, structuredClone(one))).toEqual({ errors: [], warnings: [] })
        const { errors, warnings } = validateImageCache(one, other)
        expect(new Set(errors).size).toBe(errors.length)
        expect(new Set(warnings).size).toBe(warnings.length)
      }),
    )
  })

  it('may go back to what it was, less something', () => {
    fc.assert(
      fc.property(specs, spec => {
        const fewer = { ...spec, cacheSpec: spec.cacheSpec.slice(1) }
        expect(validateImageCache(fewer, spec).errors).toEqual([])
      }),
    )
  })
})
