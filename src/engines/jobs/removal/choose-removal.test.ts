import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { REMOVAL_ANNOTATIONS } from '../../../api/constants.ts'
import type { LedgerEntry, Removal } from '../../../api/node-images.ts'
import { encodeResult } from '../../../cri/removal/index.ts'
import type { PurgeOutcome } from '../../../cri/removal/index.ts'
import { isAnswered } from '../../../core/plan/index.ts'
import { T0, at, nodeOf } from '../pull/testing.ts'
import { buildRemovalJob } from './build-removal-job.ts'
import { decideRemoval, refuseRemoval, removing } from './decide-removal.ts'
import { type RemovalJob, type RemovalPod, projectRemovalJob, projectRemovalPod } from './removal-job.ts'
import type { RemovalRequest, RemovalSettings, RemovalWork } from './removal-work.ts'

const NODE = nodeOf('n1')
const SETTINGS: RemovalSettings = {
  namespace: 'kube-fledged',
  criClientImage: 'registry.test/kubefledged-cri-client:1',
  helperPullSecrets: [],
  criSocketPath: '',
  hostNetwork: false,
  deadlineMs: 300_000,
}

function removalOf(image: string): Removal {
  return { image, owners: ['x'], requestedAt: at(0) }
}

function present(image: string): LedgerEntry {
  return { image, state: 'Present', requestedAt: at(-60), owners: ['x'], pulledByUs: true }
}

function workOf(images: readonly string[], changes: Partial<RemovalWork> = {}): RemovalWork {
  return {
    node: NODE,
    removals: images.map(removalOf),
    ledger: images.map(present),
    keep: [],
    jobs: [],
    pods: [],
    pulling: new Set(),
    eligible: true,
    refusals: new Map(),
    settings: SETTINGS,
    now: T0,
    ...changes,
  }
}

/** The Job of a request, as the API server has it. */
function made(request: RemovalRequest, seconds = 0): RemovalJob {
  const manifest = buildRemovalJob(request, NODE, SETTINGS)
  const metadata = { ...manifest.metadata, uid: request.name, creationTimestamp: at(seconds) }
  return projectRemovalJob({ metadata, spec: manifest.spec })
}

function podOf(job: RemovalJob, status: object): RemovalPod {
  const { name, namespace = '' } = job.metadata
  const labels = { 'batch.kubernetes.io/job-name': name }
  return projectRemovalPod({
    metadata: { name: `${name}-1`, namespace, labels },
    spec: { nodeName: 'n1' },
    status,
  })
}

function ended(job: RemovalJob, outcomes: readonly PurgeOutcome[], detail = ''): RemovalPod {
  const answers = outcomes.map(outcome => ({ outcome, detail }))
  const message = encodeResult({ kind: 'Done', runtime: 'containerd 2', removedBytes: 1, answers })
  return podOf(job, {
    phase: 'Succeeded',
    containerStatuses: [{ state: { terminated: { reason: 'Completed', exitCode: 0, message } } }],
  })
}

function started(work: RemovalWork): { work: RemovalWork; job: RemovalJob; request: RemovalRequest } {
  const { start, ledger } = decideRemoval(work)
  if (!start) throw new Error('nothing was started')
  const job = made(start)
  return { request: start, job, work: { ...work, jobs: [job], ledger: removing(ledger, start, at(0)) } }
}

const said = (ledger: readonly LedgerEntry[]) =>
  Object.fromEntries(ledger.map(({ image, state, reason }) => [image, reason ? `${state} ${reason}` : state]))

describe('decideRemoval', () => {
  it('asks for what is to go, and says so in the ledger', () => {
    const { request, work } = started(workOf(['r.io/a:1', 'r.io/b:1'], { keep: ['r.io/k:1'] }))
    expect(request).toMatchObject({
      remove: ['r.io/a:1', 'r.io/b:1'],
      keep: ['r.io/k:1'],
      requestedAt: at(0),
    })
    expect(said(work.ledger)).toEqual({ 'r.io/a:1': 'Removing', 'r.io/b:1': 'Removing' })
    const next = decideRemoval(work)
    expect(next.start).toBeUndefined()
    expect(next.ledger).toEqual(work.ledger)
    expect(next.finished).toEqual([])
  })

  it('writes down what became of each, and lets the Job go', () => {
    const images = ['r.io/a:1', 'r.io/b:1', 'r.io/c:1', 'r.io/d:1', 'r.io/e:1']
    const { work, job } = started(workOf(images))
    const outcomes = ['Removed', 'NotFound', 'InUse', 'SharedId', 'Failed'] as const
    const decision = decideRemoval({ ...work, pods: [ended(job, outcomes, 'words')], now: T0 + 2_000 })
    expect(said(decision.ledger)).toEqual({
      'r.io/a:1': 'Pending Removed',
      'r.io/b:1': 'Pending Removed',
      'r.io/c:1': 'Present InUse',
      'r.io/d:1': 'Present NotOurs',
      'r.io/e:1': 'Present RemovalFailed',
    })
    expect(decision.ledger[2]).toMatchObject({ message: 'words', requestedAt: at(0), finishedAt: at(2) })
    expect(decision.finished).toEqual([job])
    expect(work.removals.every((removal, index) => isAnswered(removal, decision.ledger[index]))).toBe(true)
    // Only what failed is tried again, after a pause.
    expect(decision.start).toBeUndefined()
    expect(decision.lookAgainMs).toBeGreaterThan(20_000)
    const later = decideRemoval({ ...work, jobs: [], ledger: decision.ledger, now: T0 + 120_000 })
    expect(later.start?.remove).toEqual(['r.io/e:1'])
    expect(later.start?.name).not.toBe(job.metadata.name)
  })

  it.each<[string, object, string, RegExp]>([
    [
      'ended without a word',
      { phase: 'Failed', reason: 'Evicted', message: 'low disk' },
      'NodeRefused',
      /low disk/,
    ],
    ['was refused', { phase: 'Failed', reason: 'OutOfpods', message: 'too many' }, 'NodeRefused', /too many/],
    [
      'cannot have its image',
      {
        phase: 'Pending',
        containerStatuses: [{ state: { waiting: { reason: 'ErrImagePull', message: 'no' } } }],
      },
      'HelperImageUnavailable',
      /ErrImagePull: no/,
    ],
    [
      'may not have its image',
      {
        phase: 'Pending',
        containerStatuses: [{ state: { waiting: { reason: 'ErrImagePull', message: '401 Unauthorized' } } }],
      },
      'HelperImageUnavailable',
      /401 Unauthorized; set imagePullSecrets of the operator$/,
    ],
    [
      'was killed',
      { phase: 'Failed', containerStatuses: [{ state: { terminated: { reason: 'OOMKilled' } } }] },
      'RemovalFailed',
      /OOMKilled/,
    ],
    [
      'reached no runtime',
      {
        phase: 'Failed',
        containerStatuses: [
          {
            state: {
              terminated: {
                message: encodeResult({ kind: 'Error', code: 'Unavailable', message: 'x.sock' }),
              },
            },
          },
        ],
      },
      'RemovalFailed',
      /Unavailable: x\.sock/,
    ],
  ])('reports a Pod that %s', (_, status, reason, words) => {
    const { work, job } = started(workOf(['r.io/a:1']))
    const { ledger } = decideRemoval({ ...work, pods: [podOf(job, status)] })
    expect(ledger[0]).toMatchObject({ state: 'Present', reason, attempts: 1 })
    expect(ledger[0]?.message).toMatch(words)
  })

  it('reports a Job that gets no Pod in the words of the API server, and one that takes too long', () => {
    const { work, job } = started(workOf(['r.io/a:1']))
    const early = decideRemoval({ ...work, now: T0 + 4_000 })
    expect(early.unexplained).toEqual([job])
    const refusals = new Map([[job.metadata.uid ?? '', 'violates PodSecurity']])
    const refused = decideRemoval({ ...work, refusals, now: T0 + 5_000 })
    expect(refused.ledger[0]).toMatchObject({ reason: 'JobRefused', message: 'violates PodSecurity' })
    const slow = podOf(job, { phase: 'Running' })
    expect(decideRemoval({ ...work, pods: [slow], now: T0 + 1_000 }).ledger[0]?.state).toBe('Removing')
    const late = decideRemoval({ ...work, pods: [slow], now: T0 + 301_000 })
    expect(late.ledger[0]).toMatchObject({ reason: 'Timeout' })
    expect(late.finished).toEqual([job])
  })

  it('waits for what is being pulled, and for a node that can take work', () => {
    const waiting = decideRemoval(workOf(['r.io/a:1', 'r.io/b:1'], { pulling: new Set(['r.io/a:1']) }))
    expect(waiting.start?.remove).toEqual(['r.io/b:1'])
    expect(waiting.lookAgainMs).toBe(5_000)
    expect(decideRemoval(workOf(['r.io/a:1'], { eligible: false })).start).toBeUndefined()
  })

  it('does not ask for what stays', () => {
    const removals = [{ ...removalOf('r.io/a:1'), stays: 'WantedByOthers' as const }]
    const { start, ledger } = decideRemoval(workOf(['r.io/a:1'], { removals }))
    expect(start).toBeUndefined()
    expect(said(ledger)).toEqual({ 'r.io/a:1': 'Present' })
  })

  it('tries again after a refusal, with a growing pause', () => {
    const first = decideRemoval(workOf(['r.io/a:1']))
    if (!first.start) throw new Error('nothing was started')
    const ledger = refuseRemoval(first.ledger, first.start, { reason: 'JobRefused', message: 'quota' }, at(0))
    expect(ledger[0]).toMatchObject({ state: 'Present', reason: 'JobRefused', attempts: 1, message: 'quota' })
    const soon = decideRemoval(workOf(['r.io/a:1'], { ledger, now: T0 + 1_000 }))
    expect(soon.start).toBeUndefined()
    expect(soon.lookAgainMs).toBeGreaterThan(20_000)
    expect(decideRemoval(workOf(['r.io/a:1'], { ledger, now: T0 + 60_000 })).start).toBeDefined()
  })

  it('ends Jobs of another machine unread', () => {
    const { work, job } = started(workOf(['r.io/a:1']))
    const node = nodeOf('n2')
    const decision = decideRemoval({ ...work, node, pods: [ended(job, ['Removed'])] })
    expect(decision.finished).toEqual([job])
    expect(said(decision.ledger)['r.io/a:1']).toBe('Removing')
  })
})

describe('a removal Job', () => {
  const request = { name: 'p', keys: ['a'], remove: ['a; rm -rf /'], keep: ['b'], requestedAt: at(0) }

  it('reaches the socket of the runtime and nothing else, without a capability', () => {
    const { metadata, spec } = buildRemovalJob(request, NODE, SETTINGS)
    expect(metadata.namespace).toBe('kube-fledged')
    expect(metadata).not.toHaveProperty('ownerReferences')
    expect(spec).toMatchObject({
      template: {
        spec: {
          nodeName: 'n1',
          hostNetwork: false,
          automountServiceAccountToken: false,
          volumes: [{ name: 'request' }, { hostPath: { path: '/run/containerd', type: 'Directory' } }],
          containers: [
            {
              args: ['--cri-socket-path=/run/runtime/0/containerd.sock'],
              securityContext: { capabilities: { drop: ['ALL'] }, readOnlyRootFilesystem: true },
            },
          ],
        },
      },
    })
  })

  it('is pulled with the secrets of the operator', () => {
    const podOfJob = (settings: RemovalSettings) =>
      (buildRemovalJob(request, NODE, settings).spec as { template: { spec: object } }).template.spec
    expect(podOfJob({ ...SETTINGS, helperPullSecrets: ['mirror'] })).toMatchObject({
      imagePullSecrets: [{ name: 'mirror' }],
    })
    expect(podOfJob(SETTINGS)).not.toHaveProperty('imagePullSecrets')
  })

  it('has what a user wrote in an annotation only', () => {
    const manifest = buildRemovalJob(request, NODE, SETTINGS)
    const { template } = manifest.spec as {
      template: { metadata: { annotations: Record<string, string> }; spec: object }
    }
    expect(JSON.stringify(template.spec)).not.toContain('rm -rf')
    expect(template.metadata.annotations[REMOVAL_ANNOTATIONS.request]).toBe(
      '{"v":1,"remove":["a; rm -rf /"],"keep":["b"]}',
    )
  })

  it.each<[Partial<RemovalSettings>, string, string[], string[]]>([
    [
      { criSocketPath: '/run/k3s/containerd/containerd.sock' },
      'containerd://2',
      ['/run/k3s/containerd'],
      ['/run/runtime/0/containerd.sock'],
    ],
    [{}, 'cri-o://1.34', ['/var/run/crio'], ['/run/runtime/0/crio.sock']],
    [
      {},
      'containerd://2.1.4-k3s1',
      ['/run/k3s/containerd', '/run/containerd'],
      ['/run/runtime/0/containerd.sock', '/run/runtime/1/containerd.sock'],
    ],
  ])('finds the socket: %j on %s', (settings, runtime, paths, args) => {
    const { spec } = buildRemovalJob(request, { ...NODE, runtime }, { ...SETTINGS, ...settings })
    const { template } = spec as {
      template: { spec: { volumes: { hostPath?: { path: string } }[]; containers: { args: string[] }[] } }
    }
    expect(template.spec.volumes.flatMap(({ hostPath }) => hostPath?.path ?? [])).toEqual(paths)
    expect(template.spec.containers[0]?.args).toEqual([`--cri-socket-path=${args.join(',')}`])
  })
})

describe('whatever happens to Jobs', () => {
  const event = fc.constantFrom('ends', 'fails', 'is deleted', 'crash before the ledger', 'nothing')

  it('everything is answered once things go well, and no Job is made beside another', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 12 }), events => {
        const images = ['r.io/a:1', 'r.io/b:1']
        let work = workOf(images)
        let onNode = new Set(images)
        let now = T0
        const tries = [...events, ...Array.from({ length: 6 }, () => 'ends')]
        for (const what of tries) {
          now += 700_000
          const [job] = work.jobs
          const pods =
            job && what === 'ends'
              ? [
                  ended(
                    job,
                    job.keys.map(() => 'Removed'),
                  ),
                ]
              : []
          if (job && what === 'ends') onNode = new Set([...onNode].filter(image => !job.keys.includes(image)))
          const failed = job && what === 'fails' ? [podOf(job, { phase: 'Failed', reason: 'Error' })] : pods
          // A Job is as old as its Pod's news: time alone is tested elsewhere.
          const fresh = work.jobs.map(each => ({
            ...each,
            metadata: { ...each.metadata, creationTimestamp: new Date(now - 1_000).toISOString() },
          }))
          const jobs = what === 'is deleted' ? [] : fresh
          const decision = decideRemoval({ ...work, jobs, pods: failed, now })
          expect(Boolean(decision.start) && jobs.length > decision.finished.length).toBe(false)
          const left = jobs.filter(each => !decision.finished.includes(each))
          const next = decision.start ? [...left, made(decision.start)] : left
          const ledger = decision.start
            ? removing(decision.ledger, decision.start, new Date(now).toISOString())
            : decision.ledger
          work =
            what === 'crash before the ledger'
              ? { ...work, jobs: [...jobs, ...next.slice(left.length)] }
              : { ...work, jobs: next, ledger }
        }
        expect(said(work.ledger)).toEqual({ 'r.io/a:1': 'Pending Removed', 'r.io/b:1': 'Pending Removed' })
        expect([...onNode]).toEqual([])
      }),
    )
  })
})
