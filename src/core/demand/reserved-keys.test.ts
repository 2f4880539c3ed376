import { describe, expect, it } from 'vitest'
import { reservedBy } from './reserved-keys.ts'

describe('reservedBy', () => {
  it.each([
    'sidecar.istio.io/inject',
    'sidecar.istio.io/proxyImage',
    'inject.istio.io/templates',
    'Proxy.Istio.io/config',
    'istio.io/rev',
    'config.linkerd.io/proxy-image',
    'kuma.io/sidecar-injection',
    'consul.hashicorp.com/connect-inject',
    'vault.hashicorp.com/agent-image',
    'inject.example.com/agent',
    'mesh.example.com/sidecar-image',
    'injector.home-made.test/image',
    'inject',
  ])('keeps %s for injectors', key => {
    expect(reservedBy(key)).toBe('it makes an injector change the Pods')
  })

  it.each(['kubefledged.io/credential', 'kubefledged.io/images', 'x.kubefledged.io/y', 'KubeFledged.io/z'])(
    'keeps %s for kube-fledged',
    key => expect(reservedBy(key)).toBe('it belongs to kube-fledged'),
  )

  it.each(['job-name', 'controller-uid', 'batch.kubernetes.io/job-name'])('keeps %s for Kubernetes', key => {
    expect(reservedBy(key)).toBe('it belongs to the job controller of Kubernetes')
  })

  it.each([
    'team',
    'app',
    'app.kubernetes.io/name',
    'cluster-autoscaler.kubernetes.io/safe-to-evict',
    'example.com/projection',
    'notistio.io/x',
    'istio.io.example.com/x',
    'rejector.example.com/x',
  ])('leaves %s to authors', key => expect(reservedBy(key)).toBeUndefined())
})
