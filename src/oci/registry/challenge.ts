/** What a server wants to see in `Authorization`: one challenge of a `WWW-Authenticate` header (RFC 9110 §11.6.1). */
export interface Challenge {
  /** In lower case: `bearer`, `basic`. */
  readonly scheme: string
  /** Names in lower case; of a name that comes twice, the first value. */
  readonly params: ReadonlyMap<string, string>
}

const SEPARATORS = /[\s,]*/y
const SCHEME = /([!#$%&'*+.^_`|~\w-]+)/y
/** The credential form without names that `Negotiate` and its like have; only where a comma or the end follows. */
const TOKEN68 = /[ \t]+[\w.~+/-]+=*[ \t]*(?=,|$)/y
/** The value is quoted, or runs up to a comma or white space: some registries leave the quotes out around URLs. */
const PARAM = /([!#$%&'*+.^_`|~\w-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s",]*))/y

/**
 * Reads the value of `WWW-Authenticate`, several headers joined by commas included. Reads as far as it can be understood; never
 * throws.
 */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = []
  let at = 0
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at
    const match = pattern.exec(header)
    if (match) at = pattern.lastIndex
    return match
  }
  for (;;) {
    take(SEPARATORS)
    const scheme = take(SCHEME)?.[1]
    if (scheme === undefined) return challenges
    const params = new Map<string, string>()
    challenges.push({ scheme: scheme.toLowerCase(), params })
    if (take(TOKEN68)) continue
    for (;;) {
      take(SEPARATORS)
      const param = take(PARAM)
      if (!param) break
      const name = (param[1] ?? '').toLowerCase()
      const value = param[2]?.replaceAll(/\\(.)/gs, '$1') ?? param[3] ?? ''
      if (!params.has(name)) params.set(name, value)
    }
  }
}
