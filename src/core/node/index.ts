/** TODO opening */
export { skipReason } from './eligibility.ts'
export { isNewerThan, isWhole, listedDigest, lookUp } from './image-list.ts'
export { type NodeFacts, type RawNode, projectNode, sameFacts } from './node-facts.ts'
export { matchesAffinity, matchesLabels } from './selector.ts'
