/** A frame of a capture file as the JSON object that `podwire read --json` prints. */
import type { FileInterface, FilePacket } from '../capture/capture-file.ts'
import { type Headers, headersOf, innermost, protocolWord } from '../wire/headers.ts'

/** Seconds since 1970 with nine digits behind the point: a number would lose some. */
function timeOf({ seconds, nanos }: FilePacket): string {
  return `${seconds}.${String(nanos).padStart(9, '0')}`
}

/** Without what is null or empty. */
function layersOf(headers: Headers): Record<string, unknown> {
  const { sourceMac, destinationMac, etherType, vlans, ip, tcp, icmp, arp, inner, vni } = headers
  return {
    ...(sourceMac === null ? {} : { ethernet: { source: sourceMac, destination: destinationMac, type: etherType } }),
    ...(vlans.length === 0 ? {} : { vlans }),
    ...(arp === null ? {} : { arp }),
    ...(ip === null ? {} : { ip }),
    ...(headers.sourcePort === null
      ? {}
      : { sourcePort: headers.sourcePort, destinationPort: headers.destinationPort }),
    ...(tcp === null ? {} : { tcp }),
    ...(icmp === null ? {} : { icmp }),
    ...(vni === null ? {} : { vxlan: { vni } }),
    ...(inner === null ? {} : { inner: layersOf(inner) }),
  }
}

export function frameAsJson(
  packet: FilePacket,
  number: number,
  from: FileInterface,
  names: ReadonlyMap<string, string>,
  text: string,
  withBytes: boolean,
): Record<string, unknown> {
  const headers = headersOf(from.linkType, packet.bytes, 0, packet.bytes.length)
  const inside = innermost(headers)
  const source = inside.ip?.source ?? inside.arp?.sender ?? inside.sourceMac
  const destination = inside.ip?.destination ?? inside.arp?.target ?? inside.destinationMac
  const nameOf = (key: string, address: string | null) => {
    const name = address === null ? undefined : names.get(address)
    return name === undefined ? {} : { [key]: name }
  }
  return {
    number,
    time: timeOf(packet),
    interface: from.name,
    direction: packet.direction,
    packet: packet.packetId,
    length: packet.originalLength,
    captured: packet.bytes.length,
    protocol: protocolWord(inside),
    source,
    destination,
    ...nameOf('sourceName', source),
    ...nameOf('destinationName', destination),
    text,
    layers: layersOf(headers),
    comments: packet.comments,
    ...(withBytes ? { bytes: Buffer.from(packet.bytes).toString('hex') } : {}),
  }
}
