/**
 * The items in an order that gives each group its turn: the first of each group, then the second of each,
 * and so on. Within a group the order stays. No group waits for the many items of another one.
 */
export function inTurn<T>(items: readonly T[], groupOf: (item: T) => string): T[] {
  const places = new Map<string, number>()
  const turns: T[][] = []
  for (const item of items) {
    const group = groupOf(item)
    const place = places.get(group) ?? 0
    places.set(group, place + 1)
    const turn = turns[place]
    if (turn) turn.push(item)
    else turns.push([item])
  }
  return turns.flat()
}
