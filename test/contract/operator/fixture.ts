import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { EventRecorder, type KubeClient, type Resource, silentLogger } from '../../../src/kube/index.ts'
import { Helm, type HelmCommand } from '../../../src/controllers/releases/helm.ts'
import type { ReleaseKind, ReleaseObject } from '../../../src/controllers/releases/kind.ts'
import { kubeFledgedKind } from '../../../src/controllers/releases/kube-fledged.ts'
import { ReleaseObjects } from '../../../src/controllers/releases/objects.ts'
import { ReleaseReconciler } from '../../../src/controllers/releases/reconciler.ts'
import type { Condition } from '../../../src/controllers/releases/status.ts'
import { binary } from '../../harness/binaries.ts'
import { run } from '../../harness/command.ts'
import { ROOT } from '../../harness/cluster-env.ts'
import { eventually } from '../../harness/eventually.ts'
import { sharedApiServer } from '../shared-api-server.ts'

/** A chart of a few objects. Its hook never ends, because no controllers run. */
const CHART = {
  'Chart.yaml': 'apiVersion: v2\nname: small\nversion: 1.0.0\n',
  'values.yaml': 'value: default\ncpu: 1000m\n',
  'templates/all.yaml': `apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  value: {{ default "none" .Values.value | quote }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
spec:
  selector: {matchLabels: {app: small}}
  template:
    metadata: {labels: {app: small}}
    spec:
      containers:
        - name: small
          image: small
          resources: {limits: {cpu: {{ .Values.cpu }}}}
{{- if .Values.monitored }}
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: {{ .Release.Name }}
{{- end }}
`,
  'templates/hanging.yaml': `{{- if .Values.hangs }}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-hanging
  annotations: {helm.sh/hook: "pre-install,pre-upgrade"}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: hook, image: nonesuch}]
{{- end }}
`,
  'templates/hook.yaml': `apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}
  annotations: {helm.sh/hook: "pre-delete,post-delete"}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: hook, image: nonesuch}]
`,
}

const CRD = 'deploy/kubefledged-operator/deploy/crds/charts.helm.kubefledged.io_kubefledgeds_crd.yaml'

/** Writes the small chart with this name into a directory that is removed after the test. */
export async function chartNamed(name: string): Promise<string> {
  const chart = await mkdtemp(join(tmpdir(), 'chart-'))
  onTestFinished(() => rm(chart, { recursive: true }))
  await mkdir(join(chart, 'templates'))
  for (const [path, content] of Object.entries(CHART)) {
    await writeFile(join(chart, path), content.replace('name: small\nversion', `name: ${name}\nversion`))
  }
  return chart
}

/** Adds the kind KubeFledged to the API server. */
export async function serveKind(): Promise<void> {
  const kubectl = (...args: string[]) =>
    run([binary('kubectl'), '--kubeconfig', sharedApiServer().kubeconfig, ...args, '-f', join(ROOT, CRD)])
  await kubectl('apply', '--server-side')
  await kubectl('wait', '--for=condition=Established', '--timeout=30s')
}

/** A reconciler with empty memory, and the helm commands that it ran. */
export interface TestedOperator {
  readonly reconcile: () => Promise<unknown>
  /** Since its creation. */
  readonly runs: readonly HelmCommand[]
}

/** The object `kf` in a namespace, which installs the small chart. */
export class TestedRelease {
  readonly objects: Resource<ReleaseObject>
  readonly #client: KubeClient
  readonly #namespace: string
  readonly #kind: ReleaseKind

  private constructor(client: KubeClient, namespace: string, kind: ReleaseKind) {
    this.#client = client
    this.#namespace = namespace
    this.#kind = kind
    this.objects = client.resource<ReleaseObject>(kind.def)
  }

  static async create(
    client: KubeClient,
    namespace: string,
    spec: ReleaseObject['spec'],
    holdsUp: ReleaseKind['holdsUp'] = async () => undefined,
  ): Promise<TestedRelease> {
    const chart = await chartNamed('small')
    const release = new TestedRelease(client, namespace, {
      ...kubeFledgedKind(chart),
      chartNames: ['small'],
      holdsUp,
    })
    await release.objects.create({ metadata: { namespace, name: 'kf' }, ...(spec && { spec }) })
    return release
  }

  /**
   * A new operator. It uses the real helm unless another program is given, and also watches the given
   * namespaces.
   */
  operator(program = binary('helm'), others: readonly string[] = []): TestedOperator {
    const client = this.#client
    const objects = new ReleaseObjects(client, this.#kind, [this.#namespace, ...others], silentLogger)
    const stop = new AbortController()
    const running = objects.run(stop.signal)
    onTestFinished(() => {
      stop.abort()
      return running
    })
    const runs: HelmCommand[] = []
    const helm = new Helm({
      program,
      home: join(tmpdir(), 'helm-of-tests'),
      kubeconfig: sharedApiServer().kubeconfig,
      master: '',
      onRun: command => runs.push(command),
    })
    const events = new EventRecorder(client, { component: 'test' })
    const options = { kind: this.#kind, client, helm, objects, events, log: silentLogger, periodMs: 1000 }
    const reconciler = new ReleaseReconciler(options)
    const key = `${this.#namespace}/kf`
    const reconcile = async () => {
      await objects.waitForSync(stop.signal)
      const { resourceVersion } = (await this.find())?.metadata ?? {}
      await eventually(
        'the informer',
        async () => objects.get(key)?.metadata.resourceVersion === resourceVersion,
      )
      return reconciler.reconcile(key, stop.signal)
    }
    return { reconcile, runs }
  }

  /** The stored object. */
  async find(): Promise<ReleaseObject | undefined> {
    const { items } = await this.objects.list({ namespace: this.#namespace })
    return items[0]
  }

  /** Changes the spec. */
  async edit(spec: object): Promise<void> {
    await this.objects.mergePatch({ namespace: this.#namespace, name: 'kf' }, { spec })
  }

  /** Its conditions except `Initialized`, as text, and the revision. */
  async says(): Promise<readonly unknown[]> {
    const { conditions = [], deployedRelease } = (await this.find())?.status ?? {}
    const words = ({ type, status, reason }: Condition) => `${type}=${status} ${reason}`
    return [...conditions.filter(({ type }) => type !== 'Initialized').map(words), deployedRelease?.revision]
  }
}
