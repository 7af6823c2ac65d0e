/**
 * Writing pcapng (draft-ietf-opsawg-pcapng): a chain of blocks, each with its length at both ends.
 *
 *   SHB  who wrote this           IDB  one per interface: `namespace/pod/eth0`
 *   NRB  names of addresses       EPB  one per packet: time, direction, packet id, comment
 *   ISB  counters at the end
 */
import type { Ipv4 } from '../wire/address.ts'
import { encodeUtf8 } from '../wire/utf8.ts'
import { ETHERNET, SNAPLEN } from './capture-file.ts'
import { GrowingBytes } from './pcap-writer.ts'
import { VERSION } from './version.ts'

const SECTION_HEADER = 0x0a0d0d0a
const INTERFACE = 1
const NAME_RESOLUTION = 4
const STATISTICS = 5
const ENHANCED_PACKET = 6

const COMMENT = 1
const SHB_USERAPPL = 4
const IF_NAME = 2
const IF_DESCRIPTION = 3
const IF_TSRESOL = 9
const EPB_FLAGS = 2
const EPB_PACKETID = 5
const NRB_IPV4 = 1
const ISB_IFRECV = 4
const ISB_IFDROP = 5

const NANOSECONDS = Uint8Array.of(9)
const INBOUND = 1
const OUTBOUND = 2

export class PcapngWriter {
  #out = new GrowingBytes()
  #interfaces = 0
  // The 64-bit time of the packet at hand, in its two halves.
  #timeHigh = 0
  #timeLow = 0

  constructor(application = `podwire ${VERSION}`) {
    const begin = this.#begin(SECTION_HEADER)
    this.#out.put32(0x1a2b3c4d)
    this.#out.put16(1)
    this.#out.put16(0)
    // The section's length is not given: -1.
    this.#out.put32(-1)
    this.#out.put32(-1)
    this.#text(SHB_USERAPPL, application)
    this.#endOptions()
    this.#end(begin)
  }

  /** Declares an interface; the answer is its number for `packet` and `statistics`. */
  interface(name: string, description = '', linkType = ETHERNET): number {
    const begin = this.#begin(INTERFACE)
    this.#out.put16(linkType)
    this.#out.put16(0)
    this.#out.put32(SNAPLEN)
    this.#text(IF_NAME, name)
    if (description !== '') this.#text(IF_DESCRIPTION, description)
    this.#option(IF_TSRESOL, NANOSECONDS)
    this.#endOptions()
    this.#end(begin)
    return this.#interfaces++
  }

  /** Names that a reader may show in place of addresses; nothing is written when there are none. */
  names(names: ReadonlyMap<Ipv4, string>): void {
    if (names.size === 0) return
    const begin = this.#begin(NAME_RESOLUTION)
    for (const [address, name] of names) {
      const bytes = encodeUtf8(name)
      this.#out.put16(NRB_IPV4)
      this.#out.put16(4 + bytes.length + 1)
      this.#out.put(Uint8Array.of(address >>> 24, address >>> 16, address >>> 8, address), 0, 4)
      this.#out.put(bytes, 0, bytes.length)
      this.#out.put(Uint8Array.of(0), 0, 1)
      this.#out.pad()
    }
    this.#endOptions()
    this.#end(begin)
  }

  /** `packetId` 0 and an empty comment are left out. */
  packet(
    onInterface: number,
    seconds: number,
    nanos: number,
    inbound: boolean,
    packetId: number,
    bytes: Uint8Array,
    at: number,
    length: number,
    comment = '',
  ): void {
    const captured = length > SNAPLEN ? SNAPLEN : length
    const begin = this.#begin(ENHANCED_PACKET)
    this.#setTime(seconds, nanos)
    this.#out.put32(onInterface)
    this.#out.put32(this.#timeHigh)
    this.#out.put32(this.#timeLow)
    this.#out.put32(captured)
    this.#out.put32(length)
    this.#out.put(bytes, at, captured)
    this.#out.pad()
    this.#out.put16(EPB_FLAGS)
    this.#out.put16(4)
    this.#out.put32(inbound ? INBOUND : OUTBOUND)
    if (packetId !== 0) this.#number(EPB_PACKETID, packetId)
    if (comment !== '') this.#text(COMMENT, comment)
    this.#endOptions()
    this.#end(begin)
  }

  /** What an interface received and dropped, as it stood at this moment. */
  statistics(onInterface: number, seconds: number, nanos: number, received: number, dropped: number): void {
    const begin = this.#begin(STATISTICS)
    this.#setTime(seconds, nanos)
    this.#out.put32(onInterface)
    this.#out.put32(this.#timeHigh)
    this.#out.put32(this.#timeLow)
    this.#number(ISB_IFRECV, received)
    this.#number(ISB_IFDROP, dropped)
    this.#endOptions()
    this.#end(begin)
  }

  /** The file so far. */
  file(): Uint8Array {
    return this.#out.copy()
  }

  /** seconds × 10^9 + nanos in 64 bits; a double would lose the last digits. */
  #setTime(seconds: number, nanos: number): void {
    const low = (seconds & 0xffff) * 1e9 + nanos
    const high = Math.floor(seconds / 0x10000) * 1e9
    const lowest = (high % 0x10000) * 0x10000 + (low % 0x1_0000_0000)
    this.#timeHigh = Math.floor(high / 0x10000) + Math.floor(low / 0x1_0000_0000) + (lowest > 0xffff_ffff ? 1 : 0)
    this.#timeLow = lowest % 0x1_0000_0000
  }

  #begin(type: number): number {
    const begin = this.#out.length
    this.#out.put32(type)
    this.#out.put32(0)
    return begin
  }

  #end(begin: number): void {
    const length = this.#out.length - begin + 4
    this.#out.patch32(begin + 4, length)
    this.#out.put32(length)
  }

  #option(code: number, bytes: Uint8Array): void {
    this.#out.put16(code)
    this.#out.put16(bytes.length)
    this.#out.put(bytes, 0, bytes.length)
    this.#out.pad()
  }

  /** An option's length has 16 bits: a longer text is cut. */
  #text(code: number, text: string): void {
    const bytes = encodeUtf8(text)
    this.#option(code, bytes.length > 0xffff ? bytes.subarray(0, 0xffff) : bytes)
  }

  /** A 64-bit number, low word first. */
  #number(code: number, value: number): void {
    this.#out.put16(code)
    this.#out.put16(8)
    this.#out.put32(value % 0x1_0000_0000)
    this.#out.put32(Math.floor(value / 0x1_0000_0000))
  }

  #endOptions(): void {
    this.#out.put32(0)
  }
}
