/** User name and password (or token) for one registry. */
export interface Credentials {
  readonly username: string
  readonly password: string
}

/** The `Authorization` value for Basic authentication (RFC 7617, UTF-8). */
export function basicAuthorization({ username, password }: Credentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`
}
