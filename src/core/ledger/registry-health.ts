import { hasFailed } from '../../api/failure-reasons.ts'
import type { LedgerEntry } from '../../api/node-images.ts'
import type { RegistryState, RegistryView } from '../../engines/jobs/pull/index.ts'
import { hostOf } from '../../oci/registry-host.ts'

/** Words of a registry that gave no answer at all, as against one that answered with an error. */
const SILENCE =
  /dial tcp|i\/o timeout|no such host|deadline ?exceeded|timeout awaiting|connection (refused|reset)|no route to host|unreachable|TLS handshake|did not answer/i

/** What is known of one registry. Times in RFC 3339, empty where it never happened. */
interface Health {
  answered: string
  /** When it last said that it is asked too often. */
  limited: string
  /** When it last gave no answer, by node. */
  readonly silent: Map<string, string>
  /** Nodes whose ledgers speak of it; without any, nothing is known of it, as after a restart. */
  readonly mentionedBy: Set<string>
}

/** Nodes that must have met with silence before a registry counts as silent for all of them. */
const QUORUM = 2

/**
 * What the ledgers of all nodes say about each registry: whether it answers. Filled from the ledgers alone, so that a
 * restart knows what was known before. Silence towards one node is that node's own affair: its network may be broken.
 */
export class RegistryHealth {
  readonly #hosts = new Map<string, Health>()

  /** Takes in the entries of one node; true where a registry that did not answer is back. */
  observe(nodeName: string, ledger: readonly LedgerEntry[]): boolean {
    let recovered = false
    const mentioned = new Set(ledger.map(entry => hostOf(entry.image)))
    for (const [host, health] of this.#hosts) if (!mentioned.has(host)) this.#leave(host, health, nodeName)
    for (const entry of ledger) {
      const host = hostOf(entry.image)
      const health = this.#hosts.get(host) ?? newHealth()
      const kind = outcome(entry, health)
      const at = entry.finishedAt
      // What is known already from another node holds as long as this one's ledger speaks of the registry.
      if (this.#hosts.has(host)) health.mentionedBy.add(nodeName)
      if (!kind || !at) continue
      this.#hosts.set(host, health)
      health.mentionedBy.add(nodeName)
      if (kind === 'silent') {
        const last = health.silent.get(nodeName) ?? health.answered
        if (at > last) health.silent.set(nodeName, at)
      } else if (at > health[kind]) health[kind] = at
      recovered = forgetOldSilence(health) || recovered
    }
    return recovered
  }

  /** A node that is gone says nothing about any registry. */
  forget(nodeName: string): void {
    for (const [host, health] of this.#hosts) this.#leave(host, health, nodeName)
  }

  #leave(host: string, { silent, mentionedBy }: Health, nodeName: string): void {
    silent.delete(nodeName)
    if (mentionedBy.delete(nodeName) && mentionedBy.size === 0) this.#hosts.delete(host)
  }

  /**
   * How a node may use a registry: `unknown` until a pull was seen to end; `failing` while the last of this node, or of
   * two others, got no answer; `limited` while the last answer was that it is asked too often.
   */
  state(host: string, nodeName: string): RegistryState {
    const health = this.#hosts.get(host)
    if (!health) return 'unknown'
    if (health.silent.has(nodeName) || health.silent.size >= QUORUM) return 'failing'
    if (health.limited > health.answered) return 'limited'
    return health.answered ? 'good' : 'unknown'
  }

  /** True where it is silent towards so many nodes that one of them is to try for all. */
  isSilentForAll(host: string): boolean {
    return (this.#hosts.get(host)?.silent.size ?? 0) >= QUORUM
  }

  /** When it last answered, RFC 3339. */
  lastSuccess(host: string): string | undefined {
    return this.#hosts.get(host)?.answered || undefined
  }
}

function newHealth(): Health {
  return { answered: '', limited: '', silent: new Map(), mentionedBy: new Set() }
}

/** An answer to anybody ends all silence before it. True where there was some. */
function forgetOldSilence({ answered, silent }: Health): boolean {
  const old = [...silent].filter(([, at]) => at <= answered)
  for (const [nodeName] of old) silent.delete(nodeName)
  return old.length > 0
}

/** The view with what was recorded just now, which nobody else has seen yet. */
export function withLatest(view: RegistryView, ledger: readonly LedgerEntry[], now: number): RegistryView {
  const latest = new RegistryHealth()
  latest.observe(
    '',
    ledger.filter(entry => Date.parse(entry.finishedAt ?? '') === now),
  )
  return {
    state: host => (latest.state(host, '') === 'unknown' ? view.state(host) : latest.state(host, '')),
    lastSuccess: host => latest.lastSuccess(host) ?? view.lastSuccess(host),
    mayProbe: (host, nodeName) => view.mayProbe(host, nodeName),
  }
}

/** True where the pull failed because its registry gave no answer at all. */
export function isSilence(entry: LedgerEntry): boolean {
  return entry.reason === 'RegistryUnavailable' && SILENCE.test(entry.message ?? '')
}

/** Failures that a registry's answer stands behind. */
const ANSWERS = new Set(['ImageNotFound', 'Unauthorized', 'NoMatchingPlatform', 'InvalidManifest'])

function outcome(entry: LedgerEntry, health: Health): 'answered' | 'limited' | 'silent' | undefined {
  // Without a Job, nobody asked the registry.
  if (!entry.job) return undefined
  if (!hasFailed(entry)) return entry.state === 'Present' ? 'answered' : undefined
  if (!entry.reason) return undefined
  if (ANSWERS.has(entry.reason)) return 'answered'
  if (entry.reason === 'RateLimited') return 'limited'
  if (entry.reason === 'RegistryUnavailable') return isSilence(entry) ? 'silent' : 'answered'
  // A registry that gave other images is not silent because one large image takes long.
  return entry.reason === 'Timeout' && !health.answered ? 'silent' : undefined
}
