/** One file of a layer. */
export interface LayerFile {
  /** Path inside the image, without leading slash, at most 100 bytes. */
  readonly path: string
  readonly content: Buffer
  /** Permission bits. Default 0o644. */
  readonly mode?: number
}

const BLOCK = 512

/** A POSIX ustar archive of the files and their directories. The same files give the same bytes. */
export function tar(files: readonly LayerFile[]): Buffer {
  const parts: Buffer[] = []
  const folders = new Set<string>()
  for (const file of files) {
    for (const folder of parents(file.path)) {
      if (folders.has(folder)) continue
      folders.add(folder)
      parts.push(header(`${folder}/`, 0, 0o755, '5'))
    }
    parts.push(header(file.path, file.content.length, file.mode ?? 0o644, '0'), file.content)
    parts.push(Buffer.alloc(-file.content.length & (BLOCK - 1)))
  }
  parts.push(Buffer.alloc(2 * BLOCK))
  return Buffer.concat(parts)
}

function parents(path: string): string[] {
  const names = path.split('/').slice(0, -1)
  return names.map((_, index) => names.slice(0, index + 1).join('/'))
}

function header(path: string, size: number, mode: number, type: '0' | '5'): Buffer {
  if (Buffer.byteLength(path) > 100) throw new RangeError(`path too long for a ustar header: ${path}`)
  const block = Buffer.alloc(BLOCK)
  block.write(path, 0)
  block.write(octal(mode, 7), 100)
  block.write(octal(0, 7), 108)
  block.write(octal(0, 7), 116)
  block.write(octal(size, 11), 124)
  block.write(octal(0, 11), 136)
  block.write(' '.repeat(8), 148)
  block.write(type, 156)
  block.write('ustar\x0000', 257, 'latin1')
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${octal(sum, 6)}\0 `, 148, 'latin1')
  return block
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0')
}
