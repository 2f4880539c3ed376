/**
 * The plan: caches and nodes in, `NodeImages.spec` of each node out. Pure: no I/O, no clock, no memory.
 *
 * Each request has a revision. The planner raises it when an image is asked for again: by a refresh, by an
 * edit after a failure, by a stricter pull policy, or because a tag moved. Engines repeat the revision in
 * their answers.
 */
export { type TagAnswer, needsPull } from './answers.ts'
export { CacheIndex, cacheIndex } from './cache-index.ts'
export { type KeptReferences, keptReferences } from './keep.ts'
export { namespaceIn, newRequests } from './owners.ts'
export { byAge, startableKeys } from './plan-images.ts'
export { planNode } from './plan-node.ts'
export { type Selection, select } from './select.ts'
