import { describe, expect, it } from 'vitest'
import { nodeOf } from '../../../../test/builders/node.ts'
import { REMOVAL_SETTINGS } from '../../../../test/builders/removal-job.ts'
import { at } from '../../../../test/builders/time.ts'
import { REMOVAL_ANNOTATIONS } from '../../../api/constants.ts'
import { buildRemovalJob } from './build-removal-job.ts'
import { projectRemovalJob } from './removal-job.ts'
import type { RemovalSettings } from './removal-settings.ts'

const NODE = nodeOf('n1')
const request = {
  name: 'p',
  keys: ['a'],
  remove: ['a; rm -rf /'],
  keep: ['b'],
  keepRepositories: [],
  revision: 7,
  startedAt: at(0),
}

describe('a removal Job', () => {
  it('reaches the socket of the runtime and nothing else, without a capability', () => {
    const { metadata, spec } = buildRemovalJob(request, NODE, REMOVAL_SETTINGS)
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
              args: ['--cri-socket-path=/run/runtime/containerd.sock'],
              securityContext: { capabilities: { drop: ['ALL'] }, readOnlyRootFilesystem: true },
            },
          ],
        },
      },
    })
  })

  it('names the pull secrets of the operator', () => {
    const podOf = (settings: RemovalSettings) => {
      const { spec } = buildRemovalJob(request, NODE, settings)
      return (spec as { template: { spec: object } }).template.spec
    }
    const mirror = [{ name: 'mirror' }]
    expect(podOf({ ...REMOVAL_SETTINGS, helperPullSecrets: ['mirror'] })).toMatchObject({
      imagePullSecrets: mirror,
    })
    expect(podOf(REMOVAL_SETTINGS)).not.toHaveProperty('imagePullSecrets')
  })

  it('has the text of a user in an annotation only', () => {
    const manifest = buildRemovalJob(request, NODE, REMOVAL_SETTINGS)
    const { template } = manifest.spec as {
      template: { metadata: { annotations: Record<string, string> }; spec: object }
    }
    expect(JSON.stringify(template.spec)).not.toContain('rm -rf')
    expect(template.metadata.annotations[REMOVAL_ANNOTATIONS.request]).toBe(
      '{"v":1,"remove":["a; rm -rf /"],"keep":["b"]}',
    )
  })

  it('is read back as it was asked for', () => {
    expect(projectRemovalJob(buildRemovalJob(request, NODE, REMOVAL_SETTINGS))).toMatchObject({
      nodeName: 'n1',
      nodeUid: 'uid-of-n1',
      revision: 7,
      keys: ['a'],
      finished: false,
    })
  })

  it.each<{
    name: string
    settings: Partial<RemovalSettings>
    runtime: string
    paths: string[]
    sockets: string[]
  }>([
    {
      name: 'where the flag says',
      settings: { criSocketPath: '/run/k3s/containerd/containerd.sock' },
      runtime: 'containerd://2',
      paths: ['/run/k3s/containerd'],
      sockets: ['/run/runtime/containerd.sock'],
    },
    {
      name: 'of CRI-O',
      settings: {},
      runtime: 'cri-o://1.34',
      paths: ['/var/run/crio'],
      sockets: ['/run/runtime/crio.sock'],
    },
    {
      name: 'of a runtime that is not known, without making a directory on the node',
      settings: {},
      runtime: 'other://1',
      paths: ['/run'],
      sockets: [
        '/run/runtime/containerd/containerd.sock',
        '/run/runtime/k3s/containerd/containerd.sock',
        '/run/runtime/crio/crio.sock',
        '/run/runtime/cri-dockerd.sock',
      ],
    },
  ])('finds the socket $name', ({ settings, runtime, paths, sockets }) => {
    const { spec } = buildRemovalJob(request, { ...NODE, runtime }, { ...REMOVAL_SETTINGS, ...settings })
    const { template } = spec as {
      template: {
        spec: { volumes: { hostPath?: { path: string; type: string } }[]; containers: { args: string[] }[] }
      }
    }
    expect(template.spec.volumes.flatMap(({ hostPath }) => hostPath?.path ?? [])).toEqual(paths)
    expect(template.spec.volumes.flatMap(({ hostPath }) => hostPath?.type ?? [])).toEqual(['Directory'])
    expect(template.spec.containers[0]?.args).toEqual([`--cri-socket-path=${sockets.join(',')}`])
  })
})
