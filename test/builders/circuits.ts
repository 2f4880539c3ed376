import type { Circuits } from '../../src/core/ledger/index.ts'

/** Circuits that are all closed, but for what a test says. */
export function circuitsOf(changes: Partial<Circuits> = {}): Circuits {
  return {
    registry: () => 'closed',
    registryAnsweredAt: () => undefined,
    mayProbeRegistry: () => true,
    namespaceRefusal: () => undefined,
    namespaceOpenedAt: () => undefined,
    namespaceRetryAt: () => undefined,
    ...changes,
  }
}
