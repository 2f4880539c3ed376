/**
 * Nodes: what is read of a Node, which nodes a selector matches, which may get work, and which images a
 * node has.
 */
export { skipReason } from './eligibility.ts'
export { type Inventory, type Sighting, nodeListInventory } from './inventory.ts'
export { type NodeFacts, type RawNode, hostnameOf, projectNode, sameFacts } from './node-facts.ts'
export { matchesAffinity, matchesLabels } from './selector.ts'
