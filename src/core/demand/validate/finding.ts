/** Something that is wrong with a spec. */
export interface Finding {
  /**
   * Identifies the finding. An update is not refused for a finding that the old object has too, at any
   * place of its spec.
   */
  readonly key: string
  readonly message: string
}

/** A finding that its message identifies. */
export function finding(message: string): Finding {
  return { key: message, message }
}

const MAX_QUOTE = 80

/** A text of the user in quotes, shortened to 80 characters. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > MAX_QUOTE ? `${text.slice(0, MAX_QUOTE)}…` : text)
}
