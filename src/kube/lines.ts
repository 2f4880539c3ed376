import { KubeError } from './errors.ts'

const NEWLINE = 10
/** Limit for one line. etcd stores objects up to 1.5 MB by default, so each watch event is far smaller. */
const MAX_LINE_BYTES = 64 * 1024 * 1024

/**
 * Splits a stream of bytes at newlines and yields each line as text. It splits bytes and decodes one line at
 * a time, so memory holds one line, not the stream. A last line without newline is yielded. Empty lines are
 * skipped.
 */
export async function* lines(chunks: AsyncIterable<Buffer>): AsyncGenerator<string, void, void> {
  let pending: Buffer[] = []
  let pendingBytes = 0
  for await (const chunk of chunks) {
    let start = 0
    for (;;) {
      const end = chunk.indexOf(NEWLINE, start)
      if (end < 0) break
      const rest = chunk.subarray(start, end)
      start = end + 1
      const line = pending.length === 0 ? rest : Buffer.concat([...pending, rest])
      if (pending.length > 0) {
        pending = []
        pendingBytes = 0
      }
      if (line.length > 0) yield line.toString('utf8')
    }
    if (start < chunk.length) {
      const rest = chunk.subarray(start)
      pending.push(rest)
      pendingBytes += rest.length
      if (pendingBytes > MAX_LINE_BYTES) throw new KubeError('Unexpected', 'a line of the answer is too long')
    }
  }
  if (pendingBytes > 0) yield Buffer.concat(pending).toString('utf8')
}
