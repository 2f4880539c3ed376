import { describe, expect, it } from 'vitest'
import { UsageError } from '../../base/usage-error.ts'
import { webhookFlags } from './flags.ts'
import { parseWebhookOptions, type WebhookOptions } from './options.ts'

const DEFAULTS: WebhookOptions = {
  port: 443,
  certFile: '',
  keyFile: '',
  initServer: false,
  service: 'kubefledged-webhook-server',
  namespace: 'kube-fledged',
  configuration: 'kubefledged-webhook-server',
  kubeconfig: '',
  master: '',
  logLevel: 'info',
  warnings: [],
}

describe('parseWebhookOptions', () => {
  it.each<[string[], Record<string, string>, Partial<WebhookOptions>]>([
    [[], {}, {}],
    [
      ['--stderrthreshold=INFO', '--cert-file=/c/tls.crt', '--key-file', '/c/tls.key', '-port', '8443'],
      {},
      { certFile: '/c/tls.crt', keyFile: '/c/tls.key', port: 8443 },
    ],
    [['--init-server'], {}, { initServer: true }],
    [
      ['-v=4', '--logtostderr'],
      {},
      { logLevel: 'debug', warnings: [expect.stringContaining('--logtostderr')] },
    ],
    [
      [],
      {
        WEBHOOK_SERVER_SERVICE: 'svc',
        KUBEFLEDGED_NAMESPACE: 'ns',
        VALIDATING_WEBHOOK_CONFIG: 'config',
        CERT_KEY_PATH: '/var/run/secrets/webhook-server/',
      },
      {
        service: 'svc',
        namespace: 'ns',
        configuration: 'config',
        certFile: '/var/run/secrets/webhook-server/tls.crt',
        keyFile: '/var/run/secrets/webhook-server/tls.key',
      },
    ],
  ])('%j %j', (argv, env, changed) => {
    expect(parseWebhookOptions(argv, env)).toEqual({ ...DEFAULTS, ...changed })
  })

  it.each([[['--port=70000']], [['--port=x']], [['--cert-file']], [['--nonsense']], [['extra']]])(
    'refuses %j',
    argv => {
      expect(() => parseWebhookOptions(argv, {})).toThrow(UsageError)
    },
  )

  it('documents every flag', () => {
    const parsed = parseWebhookOptions(['--help'], {})
    const help = 'help' in parsed ? parsed.help.replaceAll(/\s+/g, ' ') : ''
    const flags = Object.values(webhookFlags({})).flatMap(group => Object.values(group))
    expect(flags).toHaveLength(27)
    for (const { name, placeholder, doc, shown } of flags) {
      expect(help).toContain(`--${name} <${placeholder}> ${doc} (default: ${shown})`)
    }
  })
})
