/** Something that is wrong with a spec. */
export interface Finding {
  /**
   * What an old object may have as well, wherever in its spec it stands: then it is no news, and no reason
   * to refuse.
   */
  readonly key: string
  readonly message: string
}

/** A finding that is known by its own words. */
export function finding(message: string): Finding {
  return { key: message, message }
}

const MAX_QUOTE = 80

/** A text of the user's in quotes, at most 80 characters of it. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > MAX_QUOTE ? `${text.slice(0, MAX_QUOTE)}…` : text)
}
