/**
 * One challenge of a `WWW-Authenticate` header: the kind of `Authorization` that the server wants (RFC 9110
 * §11.6.1).
 */
export interface Challenge {
  /** In lower case: `bearer`, `basic`. */
  readonly scheme: string
  /** Names are in lower case. Of repeated names, the first value counts. */
  readonly params: ReadonlyMap<string, string>
}

const SEPARATORS = /[\s,]*/y
const SCHEME = /([!#$%&'*+.^_`|~\w-]+)/y
/** Credentials without names, as in `Negotiate`. Only before a comma or the end. */
const TOKEN68 = /[ \t]+[\w.~+/-]+=*[ \t]*(?=,|$)/y
/** The value is quoted, or ends at a comma or white space. Some registries omit the quotes around URLs. */
const PARAM = /([!#$%&'*+.^_`|~\w-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s",]*))/y

/**
 * Parses the value of `WWW-Authenticate`. Several headers may be joined by commas. Parsing stops at the first
 * invalid part. Never throws.
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
