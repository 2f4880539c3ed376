import { describe, expect, it } from 'vitest'
import manifest from '../../../package.json' with { type: 'json' }
import { UsageError } from '../../base/usage-error.ts'
import { controllerFlags } from './flags.ts'
import { parseControllerOptions, type ControllerOptions } from './options.ts'

function options(argv: readonly string[], env: Record<string, string> = {}): ControllerOptions {
  const parsed = parseControllerOptions(argv, env)
  if ('help' in parsed) throw new Error('help was not asked for')
  return parsed
}

function refusal(argv: readonly string[], env: Record<string, string> = {}): UsageError {
  try {
    parseControllerOptions(argv, env)
  } catch (error) {
    if (error instanceof UsageError) return error
    throw error
  }
  throw new Error('accepted')
}

const DEFAULTS: ControllerOptions = {
  imagePullDeadlineMs: 300_000,
  imageCacheRefreshFrequencyMs: 900_000,
  insecureRegistries: [],
  readPullSecrets: false,
  imagePullPolicy: 'IfNotPresent',
  recheckIntervalMs: 21_600_000,
  jobPullMethod: 'auto',
  jobsMaxSurge: 0,
  jobRetentionPolicy: 'delete',
  jobPriorityClassName: '',
  serviceAccountName: '',
  jobTemplateAllow: [],
  busyboxImage: `ghcr.io/kubefledged/kubefledged-busybox:v${manifest.version}`,
  imageDeleteJobHostNetwork: false,
  criSocketPath: '',
  criClientImage: expect.stringMatching(/kubefledged-cri-client:v/),
  purgeDeadlineMs: 600_000,
  kubeconfig: '',
  master: '',
  kubeApiQps: 100,
  kubeApiBurst: 200,
  namespace: 'kube-fledged',
  podName: '',
  leaderElect: true,
  metricsBindAddress: { port: 8081 },
  logLevel: 'info',
  warnings: [],
}

describe('parseControllerOptions', () => {
  it('has a default for everything, and cannot be changed', () => {
    expect(options([])).toEqual(DEFAULTS)
    expect(Object.isFrozen(options([]))).toBe(true)
  })

  it.each<[string[], Partial<ControllerOptions>]>([
    [['-kubeconfig=x'], { kubeconfig: 'x' }],
    [['-kubeconfig', 'x'], { kubeconfig: 'x' }],
    [['--kubeconfig', '-x'], { kubeconfig: '-x' }],
    [['--master=https://h:6443/?a=b'], { master: 'https://h:6443/?a=b' }],
    [['--master='], { master: '' }],
    [['--image-pull-deadline-duration=1h30m'], { imagePullDeadlineMs: 5_400_000 }],
    [['--image-cache-refresh-frequency', '0s'], { imageCacheRefreshFrequencyMs: 0 }],
    [['--image-pull-policy', 'Always'], { imagePullPolicy: 'Always' }],
    [
      ['--service-account-name=sa', '--job-priority-class-name=pc'],
      { serviceAccountName: 'sa', jobPriorityClassName: 'pc' },
    ],
    [['--job-template-allow='], { jobTemplateAllow: [] }],
    [
      ['--job-template-allow=priorityClassName, serviceAccountName'],
      { jobTemplateAllow: ['priorityClassName', 'serviceAccountName'] },
    ],
    [['--image-delete-job-host-network'], { imageDeleteJobHostNetwork: true }],
    [['--image-delete-job-host-network=false'], { imageDeleteJobHostNetwork: false }],
    [['-leader-elect=F', '--jobs-max-surge=7'], { leaderElect: false, jobsMaxSurge: 7 }],
    [['--leader-elect', '--namespace', 'ns'], { leaderElect: true, namespace: 'ns' }],
    [['--job-retention-policy= Retain '], { jobRetentionPolicy: 'retain' }],
    [['--job-pull-method', 'containers'], { jobPullMethod: 'containers' }],
    [
      ['--cri-socket-path=/run/k3s/containerd/containerd.sock'],
      { criSocketPath: '/run/k3s/containerd/containerd.sock' },
    ],
    [
      ['--cri-socket-path=unix:///run/containerd/containerd.sock'],
      { criSocketPath: '/run/containerd/containerd.sock' },
    ],
    [['--cri-socket-path='], { criSocketPath: '' }],
    [
      ['--insecure-registries=lab:5000, 10.0.0.1,[::1]:5000,Registry.test'],
      { insecureRegistries: ['lab:5000', '10.0.0.1', '[::1]:5000', 'Registry.test'] },
    ],
    [['--insecure-registries='], { insecureRegistries: [] }],
    [['--service-account-name=a.b-c', '--service-account-name='], { serviceAccountName: '' }],
    [['--recheck-interval=10m'], { recheckIntervalMs: 600_000 }],
    [['--metrics-bind-address=127.0.0.1:0'], { metricsBindAddress: { host: '127.0.0.1', port: 0 } }],
    [['--metrics-bind-address=[::1]:9'], { metricsBindAddress: { host: '::1', port: 9 } }],
    [['--kube-api-qps=20', '--kube-api-burst=30'], { kubeApiQps: 20, kubeApiBurst: 30 }],
    [['--busybox-image=host:5000/bb'], { busyboxImage: 'host:5000/bb' }],
    [['--stderrthreshold=INFO'], { logLevel: 'info' }],
    [['--stderrthreshold', 'warning'], { logLevel: 'warn' }],
    [['-stderrthreshold=FATAL'], { logLevel: 'error' }],
    [['-v=4'], { logLevel: 'debug' }],
    [['-v', '3'], { logLevel: 'info' }],
    [['-v=5', '--stderrthreshold=ERROR'], { logLevel: 'debug' }],
    [['-v=5', '--log-level=info'], { logLevel: 'info' }],
    [['--jobs-max-surge=1', '--jobs-max-surge=2'], { jobsMaxSurge: 2 }],
  ])('%j', (argv, changed) => {
    expect(options(argv)).toEqual({ ...DEFAULTS, ...changed })
  })

  /**
   * What command lines that were written for kube-fledged 0.8 to 0.11, or for klog, may hold, and what it
   * means here.
   */
  const OLD_FLAGS: [flag: string, value: string, meaning: Partial<ControllerOptions>][] = [
    ['kubeconfig', '/root/.kube/config', { kubeconfig: '/root/.kube/config' }],
    ['master', 'https://10.0.0.1:6443', { master: 'https://10.0.0.1:6443' }],
    ['image-pull-deadline-duration', '10m', { imagePullDeadlineMs: 600_000 }],
    ['image-cache-refresh-frequency', '1h', { imageCacheRefreshFrequencyMs: 3_600_000 }],
    ['image-cache-refresh-frequency', '0s', { imageCacheRefreshFrequencyMs: 0 }],
    ['image-pull-policy', 'IfNotPresent', { imagePullPolicy: 'IfNotPresent' }],
    ['image-pull-policy', 'Always', { imagePullPolicy: 'Always' }],
    ['service-account-name', 'puller', { serviceAccountName: 'puller' }],
    ['job-priority-class-name', 'low', { jobPriorityClassName: 'low' }],
    ['job-retention-policy', 'retain', { jobRetentionPolicy: 'retain' }],
    ['job-retention-policy', 'DELETE', { jobRetentionPolicy: 'delete' }],
    ['jobs-max-surge', '10', { jobsMaxSurge: 10 }],
    ['jobs-max-surge', '0', { jobsMaxSurge: 0 }],
    ['stderrthreshold', 'INFO', { logLevel: 'info' }],
    ['stderrthreshold', 'WARNING', { logLevel: 'warn' }],
    ['stderrthreshold', 'ERROR', { logLevel: 'error' }],
    ['stderrthreshold', '1', { logLevel: 'warn' }],
    ['v', '0', { logLevel: 'info' }],
    ['v', '4', { logLevel: 'debug' }],
    ['logtostderr', 'true', { warnings: [expect.stringMatching(/^--logtostderr: accepted/)] as string[] }],
    ['alsologtostderr', 'false', { warnings: [expect.stringMatching(/^--alsologtostderr: /)] as string[] }],
    ['vmodule', 'app*=4', { warnings: [expect.stringMatching(/^--vmodule: /)] as string[] }],
    ['log_dir', '/var/log', { warnings: [expect.stringMatching(/^--log_dir: /)] as string[] }],
    [
      'log_backtrace_at',
      'x.go:9',
      { warnings: [expect.stringMatching(/^--log_backtrace_at: /)] as string[] },
    ],
    ...(
      [
        ['log_link', '/var/log'],
        ['logbuflevel', '-1'],
        ['log_file', '/var/log/k.log'],
        ['log_file_max_size', '1800'],
        ['add_dir_header', 'true'],
        ['skip_headers', 'true'],
        ['skip_log_headers', 'true'],
        ['one_output', 'false'],
        ['alsologtostderrthreshold', 'ERROR'],
        ['legacy_stderr_threshold_behavior', 'true'],
      ] as const
    ).map(([flag, value]): [string, string, Partial<ControllerOptions>] => [
      flag,
      value,
      { warnings: [`--${flag}: accepted and ignored; logs go to standard output as JSON`] },
    ]),
  ]

  it.each(OLD_FLAGS)('takes kube-fledged’s --%s %s in every spelling', (flag, value, meaning) => {
    const isBoolean = value === 'true' || value === 'false'
    const spellings = [
      [`--${flag}=${value}`],
      [`-${flag}=${value}`],
      ...(isBoolean
        ? []
        : [
            [`--${flag}`, value],
            [`-${flag}`, value],
          ]),
      ...(value === 'true' ? [[`--${flag}`], [`-${flag}`]] : []),
    ]
    for (const argv of spellings) expect(options(argv), argv.join(' ')).toEqual({ ...DEFAULTS, ...meaning })
  })

  it('takes defaults from the environment, and flags before them', () => {
    const env = { KUBEFLEDGED_NAMESPACE: 'other', BUSYBOX_IMAGE: 'registry.test/bb:1' }
    expect(options([], env)).toEqual({ ...DEFAULTS, namespace: 'other', busyboxImage: 'registry.test/bb:1' })
    expect(options(['--namespace=mine'], env).namespace).toBe('mine')
    expect(options([], { KUBEFLEDGED_NAMESPACE: '', BUSYBOX_IMAGE: '' })).toEqual(DEFAULTS)
    expect(refusal([], { BUSYBOX_IMAGE: 'A B' }).message).toContain('environment variable BUSYBOX_IMAGE')
  })

  it('says once what it ignores', () => {
    const argv = [
      '--logtostderr',
      '-alsologtostderr=true',
      '--vmodule=a=1',
      '--log_dir',
      '/tmp',
      '--log_backtrace_at=',
    ]
    expect(options(argv)).toEqual({
      ...DEFAULTS,
      warnings: [expect.stringContaining('--logtostderr, --alsolog')],
    })
    expect(options(argv).warnings[0]).toContain('--log_backtrace_at: accepted and ignored')
  })

  it.each([
    [
      ['--image-pull-policy=Never'],
      'InvalidValue',
      '"Never" is not accepted; it takes IfNotPresent or Always',
    ],
    [['--job-retention-policy=keep'], 'InvalidValue', '"keep" is not accepted; it takes delete or retain'],
    [['--job-pull-method=x'], 'InvalidValue', 'it takes auto, image-volumes, or containers'],
    [['--image-pull-deadline-duration=5'], 'InvalidValue', '"5" is not a duration: a unit is missing'],
    [['--image-pull-deadline-duration=0s'], 'InvalidValue', 'more than 0s'],
    [['--image-cache-refresh-frequency=-1s'], 'InvalidValue', '0s or more'],
    [['--jobs-max-surge=-1'], 'InvalidValue', '"-1" is not accepted; it takes a whole number from 0'],
    [['--jobs-max-surge=1.5'], 'InvalidValue', 'whole number'],
    [['--jobs-max-surge='], 'InvalidValue', 'whole number'],
    [
      ['--job-template-allow=runtimeClassName,labels'],
      'InvalidValue',
      '"labels" is not accepted; it takes any of serviceAccountName, priorityClassName, or runtimeClassName',
    ],
    [['--kube-api-qps=0'], 'InvalidValue', 'a whole number from 1'],
    [['--leader-elect=maybe'], 'InvalidValue', '"maybe" is not accepted; it takes true or false'],
    [['--leader-elect', 'false'], 'UnexpectedArgument', 'unexpected argument "false"'],
    [['--metrics-bind-address=8081'], 'InvalidValue', 'it takes host:port'],
    [['--metrics-bind-address=:70000'], 'InvalidValue', 'it takes host:port'],
    [['--busybox-image=; touch x'], 'InvalidValue', '";" is not allowed'],
    [['--namespace=A'], 'InvalidValue', 'lower-case letters'],
    [['--service-account-name=Foo_Bar'], 'InvalidValue', '"Foo_Bar" is not accepted; it takes a name'],
    [['--job-priority-class-name=Foo_Bar'], 'InvalidValue', '"Foo_Bar" is not accepted; it takes a name'],
    [['--cri-socket-path=/x.sock'], 'InvalidValue', 'one absolute path of a socket that does not lie in /'],
    [['--insecure-registries=a,http://lab:5000'], 'InvalidValue', 'it takes host or host:port'],
    [['--log-level=loud'], 'InvalidValue', 'it takes debug, info, warn, or error'],
    [['--kubeconfig'], 'MissingValue', '--kubeconfig needs a value'],
    [
      ['--jobs-max-sirge=1'],
      'UnknownFlag',
      "unknown flag '--jobs-max-sirge': did you mean --jobs-max-surge? --help shows all flags",
    ],
    [
      ['-docker-client-image', 'x'],
      'UnknownFlag',
      "unknown flag '--docker-client-image': --help shows all flags",
    ],
    [['extra'], 'UnexpectedArgument', 'unexpected argument "extra"'],
  ])('refuses %j', (argv, code, words) => {
    const error = refusal(argv)
    expect(error.message).toContain(words)
    expect(error.message).not.toContain('\n')
    expect(error.code).toBe(code)
    if (code === 'InvalidValue') expect(error.message).toContain(argv[0]?.split('=')[0])
  })

  it.each([['-h'], ['--help'], ['-help']])('%s shows every flag with its default', flag => {
    const parsed = parseControllerOptions(['--leader-elect=false', flag], {})
    const help = 'help' in parsed ? parsed.help.replaceAll(/\s+/g, ' ') : ''
    const flags = Object.values(controllerFlags({})).flatMap(group => Object.values(group))
    expect(flags).toHaveLength(43)
    for (const { name, placeholder, doc, shown } of flags) {
      expect(help).toContain(`--${name} <${placeholder}> ${doc} (default: ${shown})`)
    }
  })
})
