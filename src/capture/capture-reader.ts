/** Reads a capture file of either format from bytes that come piece by piece, in constant memory. */
import { type FileFacts, type FilePacket, type FormatReader, PcapError } from './capture-file.ts'
import { Incoming } from './incoming.ts'
import { isPcap, PcapReader } from './pcap-reader.ts'
import { isPcapng, PcapngReader } from './pcapng-reader.ts'

export class CaptureReader {
  readonly #incoming = new Incoming()
  #reader: FormatReader | null = null

  /** What the file has told so far; null before its kind is known. */
  get facts(): FileFacts | null {
    return this.#reader
  }

  /** Is the first interface known? What fails before that is no capture file. */
  get opened(): boolean {
    return this.#reader !== null && this.#reader.interfaces.length > 0
  }

  push(piece: Uint8Array): void {
    this.#incoming.push(piece)
  }

  /** The next packet, whose bytes are lent until more are pushed; null when more are needed. @throws PcapError */
  next(): FilePacket | null {
    this.#reader ??= this.#begin()
    return this.#reader === null ? null : this.#reader.next()
  }

  /** There will be no more bytes. @throws PcapError when the file ends within something, or is none. */
  finish(): void {
    if (this.#reader === null) {
      const got = this.#incoming.held
      throw new PcapError(`truncated dump file; tried to read 4 file header bytes, only got ${got}`)
    }
    this.#reader.finish()
    if (!this.opened) throw new PcapError('the capture file has no Interface Description Blocks')
  }

  #begin(): FormatReader | null {
    const { bytes, at, end, held } = this.#incoming
    if (held < 4) return null
    const first = bytes.subarray(at, end)
    if (isPcapng(first)) return new PcapngReader(this.#incoming)
    if (isPcap(first)) return new PcapReader(this.#incoming)
    throw new PcapError('unknown file format')
  }
}
