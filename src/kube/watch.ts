import type { KubeObject, ObjectMeta } from './object.ts'
import { errorFromStatus, KubeError, type Status } from './errors.ts'
import { lines } from './lines.ts'

/** One event of a watch, as the API server sends it. A bookmark's object carries nothing but metadata. */
export type WatchEvent<T extends KubeObject> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T }
  | { readonly type: 'BOOKMARK'; readonly object: { readonly metadata: Partial<ObjectMeta> } }

/** Parses the lines of a watch one by one. Throws the KubeError that an `ERROR` event carries. */
export async function* watchEvents<T extends KubeObject>(
  stream: AsyncIterable<Buffer>,
  what: string,
): AsyncGenerator<WatchEvent<T>, void, void> {
  for await (const line of lines(stream)) {
    const event = parseEvent<T>(line, what)
    if (event.type === 'ERROR') throw errorFromStatus(what, event.object)
    yield event
  }
}

function parseEvent<T extends KubeObject>(
  line: string,
  what: string,
): WatchEvent<T> | { readonly type: 'ERROR'; readonly object: Status } {
  try {
    return JSON.parse(line)
  } catch (cause) {
    // A connection that breaks in the middle of a line leaves half of it behind.
    throw new KubeError('Unreachable', `the answer broke off within an event (${what})`, { cause })
  }
}
