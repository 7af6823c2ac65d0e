/** How long the packets of a capture are that tcpdump makes on a device without offloads (libpcap's ring frames). */

const FILE_HEADER = 24
const PACKET_HEADER = 16
const CAPTURED = 8
/** TPACKET_V2: where a frame begins in its slot of the ring, and what slots are aligned to. */
const SLOT_HEADER = 70
const ALIGNMENT = 16
/** What libpcap adds to the MTU for the link's header. */
const LINK_HEADER = 16

export function snapshotOf(mtu: number): number {
  const slot = Math.ceil((SLOT_HEADER + mtu + LINK_HEADER) / ALIGNMENT) * ALIGNMENT
  return slot - SLOT_HEADER
}

/** The same pcap file with no more than `longest` bytes of each packet. */
export function clamped(file: Uint8Array, longest: number): Uint8Array {
  const view = new DataView(file.buffer, file.byteOffset, file.length)
  const out = file.slice()
  let to = FILE_HEADER
  for (let at = FILE_HEADER; at + PACKET_HEADER <= file.length; ) {
    const captured = view.getUint32(at + CAPTURED, true)
    const kept = Math.min(captured, longest)
    out.set(file.subarray(at, at + PACKET_HEADER + kept), to)
    new DataView(out.buffer).setUint32(to + CAPTURED, kept, true)
    at += PACKET_HEADER + captured
    to += PACKET_HEADER + kept
  }
  return out.subarray(0, to)
}
