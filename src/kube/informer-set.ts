import type { KubeObject } from './object.ts'
import type { Informer } from './informer.ts'

/** The part of an informer that does not depend on its kind of object. */
export type AnyInformer = Pick<
  Informer<KubeObject>,
  'run' | 'waitForSync' | 'hasSynced' | 'plural' | 'inactiveMs'
>

/** Several informers that run together. */
export class InformerSet {
  readonly members: readonly AnyInformer[]

  constructor(members: readonly AnyInformer[]) {
    this.members = members
  }

  /** Runs all informers until the signal fires. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.members.map(informer => informer.run(signal)))
  }

  /** Resolves when each informer has had its first full list. */
  async waitForSync(signal: AbortSignal): Promise<void> {
    await Promise.all(this.members.map(informer => informer.waitForSync(signal)))
  }

  /** True after the first full list of each informer. */
  get hasSynced(): boolean {
    return this.members.every(informer => informer.hasSynced)
  }
}
