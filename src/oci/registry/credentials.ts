/** A user name and a password (or a token in its place) for one registry. */
export interface Credentials {
  readonly username: string
  readonly password: string
}

/** The value of `Authorization` for them (RFC 7617, UTF-8). */
export function basicAuthorization({ username, password }: Credentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`
}
