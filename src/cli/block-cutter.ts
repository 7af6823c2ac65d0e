/** A live pcapng cut into whole blocks, as they come: what is written on ends with one, and what is read begins with one. */

const SECTION_HEADER = 0x0a0d0d0a
const INTERFACE = 1
const NAME_RESOLUTION = 4
const ENHANCED_PACKET = 6

export class BlockCutter {
  /** Packets that have passed. */
  packets = 0
  /** The section's header, its interfaces and names so far: in front of any packets of it they make a file. */
  head: Buffer = Buffer.alloc(0)
  #held: Buffer = Buffer.alloc(0)

  /** The whole blocks that are there with these bytes; little endian, as podwire writes them. */
  cut(bytes: Buffer): { readonly blocks: Buffer; readonly heads: number } {
    const all = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes])
    const heads: Buffer[] = []
    let at = 0
    while (at + 12 <= all.length) {
      const length = all.readUInt32LE(at + 4)
      if (at + length > all.length) break
      const type = all.readUInt32LE(at)
      if (type === ENHANCED_PACKET) this.packets++
      if (type === SECTION_HEADER || type === INTERFACE || type === NAME_RESOLUTION) {
        heads.push(all.subarray(at, at + length))
      }
      at += length
    }
    this.#held = all.subarray(at)
    if (heads.length > 0) this.head = Buffer.concat([this.head, ...heads])
    return { blocks: all.subarray(0, at), heads: heads.length }
  }
}
