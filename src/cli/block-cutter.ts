/** A live pcapng cut into whole blocks, as they come: what is written on ends with one, and what is read begins with one. */

const ENHANCED_PACKET = 6

export class BlockCutter {
  /** Packets that have passed. */
  packets = 0
  #held: Buffer = Buffer.alloc(0)

  /** The whole blocks that are there with these bytes; little endian, as podwire writes them. */
  cut(bytes: Buffer): Buffer {
    const all = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes])
    let at = 0
    while (at + 12 <= all.length) {
      const length = all.readUInt32LE(at + 4)
      if (at + length > all.length) break
      if (all.readUInt32LE(at) === ENHANCED_PACKET) this.packets++
      at += length
    }
    this.#held = all.subarray(at)
    return all.subarray(0, at)
  }
}
