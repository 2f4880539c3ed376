import manifest from '../../package.json' with { type: 'json' }

/** Version of the product, without a leading v. */
export const VERSION: string = manifest.version
