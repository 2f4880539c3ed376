import { defineConfig } from 'vitest/config'
import { e2eClusters } from './test/harness/e2e-clusters.ts'

/**
 * Three projects. `unit` needs nothing, `contract` a real API server for each worker, `e2e` a real cluster for each
 * worker with the product on it.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'hack/**/*.test.ts'],
          pool: 'threads',
          // A busy machine is no failure: what never ends is.
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'contract',
          include: ['test/contract/**/*.test.ts'],
          globalSetup: ['test/contract/global-setup.ts'],
          testTimeout: 120_000,
          hookTimeout: 180_000,
          // Every worker has an API server to itself.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: ['test/e2e/global-setup.ts'],
          testTimeout: 240_000,
          hookTimeout: 240_000,
          // Every file has a cluster to itself.
          maxWorkers: e2eClusters().length,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
})
