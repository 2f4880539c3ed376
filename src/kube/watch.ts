import type { KubeObject, ObjectMeta } from './object.ts'
import { errorFromStatus, KubeError, type Status } from './errors.ts'
import { lines } from './lines.ts'

/** One event of a watch, as the API server sends it. The object of a bookmark has metadata only. */
export type WatchEvent<T extends KubeObject> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T }
  | { readonly type: 'BOOKMARK'; readonly object: { readonly metadata: Partial<ObjectMeta> } }

/** Parses a watch line by line. An `ERROR` event is thrown as its KubeError. */
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
    // A connection that breaks inside a line leaves an incomplete event.
    throw new KubeError('Unreachable', `the answer broke off within an event (${what})`, { cause })
  }
}
