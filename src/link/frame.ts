/**
 * One frame on its way, Linux's sk_buff: a fixed buffer with room in front for headers.
 *
 *   0 ····· headroom ····· start ▓ eth ▓ ip ▓ udp ▓ payload ▓ end ····· tailroom
 *                                        ▲network ▲transport
 *
 * Whoever holds a frame owns it, and does one of three things: hand it on, keep it, or give it back to the
 * pool (`consume` when it was delivered, `drop` with a reason when it was not).
 */
import type { Decision } from './decision.ts'
import { type DropReason, dropReasonNames } from './drop-reason.ts'

export { DropReason, dropReasonNames } from './drop-reason.ts'

/** Room in front of a fresh frame: Ethernet + IPv4 + UDP + VXLAN twice over, and some. */
export const HEADROOM = 192
const SMALL = 2048
const LARGE = 66_048

/** What conntrack leaves on a frame. Opaque down here, as skb->_nfct is. */
export interface Tracked {
  readonly id: number
}

/** A device as far as a frame knows it: the device room builds upon this file, not the other way round. */
export interface PortDevice {
  readonly name: string
  readonly index: number
}

export class Frame {
  readonly bytes: Uint8Array
  /** The same bytes, by words. */
  readonly view: DataView
  start = 0
  end = 0
  /** The route chose the source address of what we send: rules about sources were asked before it had one. */
  sourceChosen = false
  /** Where the IP header begins; set by whoever wrote or checked it. */
  network = 0
  /** Where the transport header begins. */
  transport = 0
  /** skb->mark. */
  mark = 0
  tracked: Tracked | null = null
  /** Conntrack's verdict on this frame: a CtInfo of the netfilter room. */
  trackedInfo = 0
  /** Flow hash, from the sending socket; 0 means not known. VXLAN's source port is made of it. */
  hash = 0
  /** The bridge ports of a frame that br_netfilter handles; both null otherwise. */
  bridgeInput: PortDevice | null = null
  bridgeOutput: PortDevice | null = null
  /**
   * When it came in by a bridge's port, in nanoseconds, if it waited for ARP since: whoever sees it come up to the host is
   * told this time (skb->tstamp). 0: when it is seen.
   */
  stamp = 0
  /** Addressed to this host at the link layer (PACKET_HOST); false for frames seen only by promiscuity. */
  toHost = true
  /**
   * Its destination was the bridge when it came in by a port of it (PACKET_HOST); a DNAT there may have given it another
   * since. Known for promiscuous bridges only.
   */
  toBridge = false
  /** br_netfilter chose the way of a frame that it DNATed: IP keeps to it, and forgets that a redirect was due. */
  routed = false
  /** Addressed to everybody or to a group at the link layer. */
  group = false
  /**
   * A datagram put together from fragments of at most this many bytes goes out in such pieces again; 0: it was whole.
   * Negative: in such pieces only if it does not fit the link.
   */
  fragmentSize = 0
  /** The device that a received datagram came in by, as its index in the namespace (skb_iif); 0: it did not. */
  inputIndex = 0
  /** Several segments were put together (GRO), with so many bytes of payload each (gso_size); 0: none, or not known. */
  segmentSize = 0
  /** Its segment was the whole buffer of its sender (1), or was cut from a larger one (2); 0: not known. What it weighs depends on it. */
  cut = 0
  /** What the host found in the options of the IP header (net/ip-options.ts); 0: none. */
  options = 0
  /**
   * The transport checksums in it are known to be right, inner and outer: they were computed in this world and only
   * patched since (skb->ip_summed). Whoever damages the bytes clears it.
   */
  summed = false
  /** IPVS has sent it on or given it back its address, and does not look at it again (skb->ipvs_property). */
  balanced = false
  /** One number for one packet on all its hops; copies share it. Zero until somebody observes it. */
  packetId = 0
  /** True while the pool holds it: giving it back twice is a bug that must not pass. */
  free = false

  constructor(size: number) {
    this.bytes = new Uint8Array(size)
    this.view = new DataView(this.bytes.buffer)
  }

  get length(): number {
    return this.end - this.start
  }

  /** Makes room for a header in front and returns where it begins. */
  push(length: number): number {
    this.start -= length
    return this.start
  }

  /** skb_scrub_packet: what one namespace knew of the frame is not the next one's. */
  scrub(): void {
    this.tracked = null
    this.trackedInfo = 0
    this.mark = 0
    this.bridgeInput = null
    this.bridgeOutput = null
    this.stamp = 0
    this.toBridge = false
    this.routed = false
    this.fragmentSize = 0
    this.options = 0
    this.inputIndex = 0
    this.balanced = false
  }

  /** Strips a header in front and returns where the rest begins. */
  pull(length: number): number {
    this.start += length
    return this.start
  }
}

/** Hears of every decision about the frames of one world, in the order in which they are taken. Frames are lent. */
export interface Tracer {
  /** `where`: a namespace's name, or a device's place. */
  decided(frame: Frame, where: string, decision: Decision): void
  dropped(frame: Frame, reason: DropReason, where: string): void
}

/** Called for each frame that ends early. The frame is lent. */
export type DropTap = (frame: Frame, reason: DropReason, where: string) => void

export class FramePool {
  /** Zero when nothing is in flight: every test ends by checking it. */
  inUse = 0
  /** How many frames were ever taken from it. */
  taken = 0
  /** How often a queue refused a frame that its own host sent there: the sender compares (NET_XMIT_DROP). */
  refused = 0
  /** How many frames were dropped, by reason. */
  readonly dropped = new Float64Array(dropReasonNames.length)
  dropTap: DropTap | null = null
  /** See World.trace. */
  tracer: Tracer | null = null
  /** Fill returned frames with 0xdb, so that a use after the end shows: on in tests. */
  poison = false
  #small: Frame[] = []
  #large: Frame[] = []
  #packets = 0

  /** Gives and takes back the same frames, and numbers packets by itself from behind `first` on; it counts by itself. */
  branch(first: number): FramePool {
    const other = new FramePool()
    other.#small = this.#small
    other.#large = this.#large
    other.#packets = first
    other.poison = this.poison
    return other
  }

  /** An empty frame with `start` and `end` behind the headroom, for at most `length` bytes from there. */
  take(length = SMALL - HEADROOM): Frame {
    const small = length <= SMALL - HEADROOM
    const frame = (small ? this.#small : this.#large).pop() ?? new Frame(small ? SMALL : LARGE)
    this.inUse++
    this.taken++
    frame.free = false
    frame.start = HEADROOM
    frame.end = HEADROOM
    frame.network = 0
    frame.transport = 0
    frame.mark = 0
    frame.sourceChosen = false
    frame.tracked = null
    frame.trackedInfo = 0
    frame.hash = 0
    frame.bridgeInput = null
    frame.bridgeOutput = null
    frame.stamp = 0
    frame.toHost = true
    frame.toBridge = false
    frame.routed = false
    frame.group = false
    frame.fragmentSize = 0
    frame.segmentSize = 0
    frame.cut = 0
    frame.options = 0
    frame.inputIndex = 0
    frame.summed = false
    frame.balanced = false
    frame.packetId = 0
    return frame
  }

  /** The same bytes, headroom and metadata (skb_clone: conntrack's entry is shared too). */
  copy(frame: Frame): Frame {
    const copy = this.take(frame.bytes.length - HEADROOM)
    copy.bytes.set(frame.bytes)
    copy.start = frame.start
    copy.end = frame.end
    copy.network = frame.network
    copy.transport = frame.transport
    copy.mark = frame.mark
    copy.tracked = frame.tracked
    copy.trackedInfo = frame.trackedInfo
    copy.hash = frame.hash
    copy.bridgeInput = frame.bridgeInput
    copy.bridgeOutput = frame.bridgeOutput
    copy.stamp = frame.stamp
    copy.toHost = frame.toHost
    copy.toBridge = frame.toBridge
    copy.routed = frame.routed
    copy.group = frame.group
    copy.fragmentSize = frame.fragmentSize
    copy.segmentSize = frame.segmentSize
    copy.cut = frame.cut
    copy.options = frame.options
    copy.inputIndex = frame.inputIndex
    copy.summed = frame.summed
    copy.balanced = frame.balanced
    copy.packetId = this.identify(frame)
    return copy
  }

  /** The packet's number, given on first asking. */
  identify(frame: Frame): number {
    if (frame.packetId === 0) frame.packetId = ++this.#packets
    return frame.packetId
  }

  /** Delivered: the normal end of a frame (Linux: consume_skb). */
  consume(frame: Frame): void {
    if (frame.free) throw new Error('podwire bug: a frame was given back twice')
    frame.free = true
    frame.tracked = null
    this.inUse--
    if (this.poison) frame.bytes.fill(0xdb)
    if (frame.bytes.length === SMALL) this.#small.push(frame)
    else this.#large.push(frame)
  }

  /** What a layer decided about the frame, for whoever traces. Ask `journal.open` before making the decision. */
  tell(frame: Frame, where: string, decision: Decision): void {
    if (this.tracer !== null) this.tracer.decided(frame, where, decision)
  }

  /** The early end of a frame: counted, and told to whoever watches. `where`: a namespace's name, or a device's place. */
  drop(frame: Frame, reason: DropReason, where: string): void {
    this.dropped[reason]++
    if (this.dropTap !== null) this.dropTap(frame, reason, where)
    if (this.tracer !== null) this.tracer.dropped(frame, reason, where)
    this.consume(frame)
  }
}
