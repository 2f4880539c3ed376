/** When tests begin. */
export const T0 = Date.parse('2026-01-01T00:00:00.000Z')

/** RFC 3339, that many seconds after `T0`. */
export function at(seconds: number): string {
  return new Date(T0 + seconds * 1000).toISOString()
}
