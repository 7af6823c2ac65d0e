/** Capture files of this machine, read piece by piece: the frames as they come, whatever the file's size. */
import { type FileHandle, open } from 'node:fs/promises'
import { type FileFacts, type FilePacket, PcapError } from '../capture/capture-file.ts'
import { CaptureReader } from '../capture/capture-reader.ts'

const PIECE = 1 << 20

/** A file that cannot be read as a capture, as a sentence for the person at the terminal. */
export class CaptureInputError extends Error {
  override readonly name = 'CaptureInputError'
}

/** Called with each packet, whose bytes are lent, and its number from 1 on; true: that was enough. */
export type PacketVisitor = (packet: FilePacket, number: number, facts: FileFacts) => boolean

/** What was read, and the sentence about the file's end where that is missing. */
export interface ReadCapture {
  readonly facts: FileFacts
  readonly packets: number
  /** Null for a file that ends where it should. */
  readonly problem: string | null
}

/**
 * Shows every packet of a file, `-` standing for standard input, and waits between the pieces for `drained`.
 * @throws CaptureInputError when it is no capture file.
 */
export async function visitCapture(
  file: string,
  visit: PacketVisitor,
  drained: () => Promise<void> = async () => {},
): Promise<ReadCapture> {
  const reader = new CaptureReader()
  let packets = 0
  let enough = false
  const read = () => {
    for (let packet = reader.next(); packet !== null && !enough; packet = reader.next()) {
      packets++
      enough = visit(packet, packets, reader.facts as FileFacts)
      if (enough) return
    }
  }
  try {
    for await (const piece of pieces(file)) {
      reader.push(piece)
      read()
      if (enough) break
      await drained()
    }
    if (!enough) reader.finish()
  } catch (error) {
    if (!(error instanceof PcapError)) throw error
    if (!reader.opened) throw new CaptureInputError(`${file}: ${error.message}`)
    return { facts: reader.facts as FileFacts, packets, problem: error.message }
  }
  return { facts: reader.facts as FileFacts, packets, problem: null }
}

/**
 * The packets of a file, one by one, for who lets time pass between them; the bytes are lent until the next is asked for.
 * @throws CaptureInputError also where the file ends too early.
 */
export async function* packetsOf(
  file: string,
): AsyncGenerator<{ readonly packet: FilePacket; readonly facts: FileFacts }> {
  const reader = new CaptureReader()
  try {
    for await (const piece of pieces(file)) {
      reader.push(piece)
      for (let packet = reader.next(); packet !== null; packet = reader.next()) {
        yield { packet, facts: reader.facts as FileFacts }
      }
    }
    reader.finish()
  } catch (error) {
    throw error instanceof PcapError ? new CaptureInputError(`${file}: ${error.message}`) : error
  }
}

async function* pieces(file: string): AsyncGenerator<Uint8Array> {
  if (file === '-') {
    for await (const piece of process.stdin) yield piece as Uint8Array
    return
  }
  let handle: FileHandle
  try {
    handle = await open(file, 'r')
  } catch (error) {
    throw unreadable(file, error)
  }
  try {
    for (;;) {
      // A piece of its own each time: what was lent from the one before may still be looked at.
      const piece = new Uint8Array(PIECE)
      const { bytesRead } = await handle.read(piece, 0, PIECE, null)
      if (bytesRead === 0) return
      yield piece.subarray(0, bytesRead)
    }
  } catch (error) {
    throw unreadable(file, error)
  } finally {
    await handle.close()
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'No such file or directory',
  EACCES: 'Permission denied',
  EISDIR: 'Is a directory',
  ENOTDIR: 'Not a directory',
}

/** A failed system call in the words of strerror; what is none goes on as it is. */
function unreadable(file: string, error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException).code
  if (code === undefined || !(error instanceof Error)) return error
  return new CaptureInputError(`${file}: ${reasons[code] ?? error.message}`)
}

/** Text for standard output, written in large pieces; a slow reader is waited for. */
export class TextOutput {
  #text = ''

  write(text: string): void {
    this.#text += text
    if (this.#text.length > PIECE) this.#flush()
  }

  /** Resolves when the reader has taken it. */
  async drained(): Promise<void> {
    if (this.#flush()) return
    await new Promise<void>((resolve) => process.stdout.once('drain', resolve))
  }

  #flush(): boolean {
    const text = this.#text
    this.#text = ''
    return text === '' || process.stdout.write(text)
  }
}
