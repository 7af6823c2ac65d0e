/** What a capture file holds, whatever its format: the readers' answer and the words that the writers share. */
import type { Ipv4 } from '../wire/address.ts'

/** LINKTYPE_ETHERNET: `lo` included, whose frames Linux captures with zero addresses. */
export const ETHERNET = 1
/** The longest frame kept, tcpdump's default. */
export const SNAPLEN = 262_144

export interface FileInterface {
  readonly linkType: number
  readonly snaplen: number
  /** Null where the file does not say, as in classic pcap. */
  readonly name: string | null
  readonly description: string | null
}

export interface FilePacket {
  /** Index in `interfaces`. */
  readonly interface: number
  /** Seconds since 1970. */
  readonly seconds: number
  /** 0 to 999 999 999. */
  readonly nanos: number
  /** What was captured: a view into the file. */
  readonly bytes: Uint8Array
  /** Bytes on the wire; more than captured when the frame was cut. */
  readonly originalLength: number
  readonly direction: 'in' | 'out' | null
  /** One number for one packet on all its hops; null where the file does not say. */
  readonly packetId: number | null
  readonly comments: readonly string[]
}

/** The counters of an interface at the end of its capture. */
export interface FileStatistics {
  readonly interface: number
  readonly received: number | null
  readonly dropped: number | null
}

/** What a file tells besides its packets; it grows while the file is read. */
export interface FileFacts {
  readonly format: 'pcap' | 'pcapng'
  readonly interfaces: FileInterface[]
  /** Names of IPv4 addresses. */
  readonly names: { readonly address: Ipv4; readonly name: string }[]
  /** Names of IPv6 addresses, which are spelled as RFC 5952 has them. */
  readonly names6: { readonly address: string; readonly name: string }[]
  readonly statistics: FileStatistics[]
  /** Who wrote it; null where the file does not say. */
  readonly application: string | null
}

export interface CaptureFile extends FileFacts {
  readonly packets: FilePacket[]
}

/** Reads one format from bytes that come piece by piece. */
export interface FormatReader extends FileFacts {
  /** The next packet, whose bytes are lent until more are pushed; null when more are needed. @throws PcapError */
  next(): FilePacket | null
  /** There will be no more bytes. @throws PcapError when the file ends within something. */
  finish(): void
}

/** The bytes are no capture file, or a damaged one; said as libpcap 1.10 says it, where it does. */
export class PcapError extends Error {
  override readonly name = 'PcapError'
}

/** All of a file whose bytes have come. @throws PcapError */
export function readWhole(reader: FormatReader): CaptureFile {
  const packets: FilePacket[] = []
  for (let packet = reader.next(); packet !== null; packet = reader.next()) packets.push(packet)
  reader.finish()
  const { format, interfaces, names, names6, statistics, application } = reader
  return { format, interfaces, packets, names, names6, statistics, application }
}
