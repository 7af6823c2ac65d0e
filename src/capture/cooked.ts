/**
 * What is captured on `any`: the packets of all devices of a namespace, each behind a header that says on which device it was
 * seen, and which way it went (LINKTYPE_LINUX_SLL2):
 *
 *    0          2          4         8       10     11     12         20
 *   ┌──────────┬──────────┬─────────┬───────┬──────┬──────┬──────────┐
 *   │ EtherType│ reserved │ ifindex │ ARPHRD│ kind │ size │ source   │ the frame's payload
 *   └──────────┴──────────┴─────────┴───────┴──────┴──────┴──────────┘
 */
import type { NetDevice } from '../link/device.ts'
import type { Nanos } from '../sim/scheduler.ts'
import type { Ipv4 } from '../wire/address.ts'
import { put16, put32 } from '../wire/bytes.ts'
import * as ethernet from '../wire/ethernet.ts'
import type { ByteSink } from './byte-sink.ts'
import { SNAPLEN } from './capture-file.ts'
import type { Watched } from './capture-listener.ts'
import { type CaptureStream, commentOf } from './capture-stream.ts'
import type { CapturedInterface } from './captured-interface.ts'
import type { Sighting } from './explainer.ts'
import { BROADCAST, MULTICAST, OUTBOUND, PcapngWriter, PROMISCUOUS } from './pcapng-writer.ts'

export const LINUX_SLL2 = 276
export const COOKED_HEADER = 20

const ARPHRD_ETHER = 1
const ARPHRD_LOOPBACK = 772
const PACKET_HOST = 0
const PACKET_BROADCAST = 1
const PACKET_MULTICAST = 2
const PACKET_OTHERHOST = 3
const PACKET_OUTGOING = 4

/** Room for the longest frame. */
const LONGEST = 66_048

/** Writes the header for a frame; `flags` are epb_flags. */
export function writeCookedHeader(
  to: Uint8Array,
  device: NetDevice,
  flags: number,
  bytes: Uint8Array,
  at: number,
): void {
  put16(to, 0, ethernet.type(bytes, at))
  put16(to, 2, 0)
  put32(to, 4, device.index)
  put16(to, 8, device.kind === 'loopback' ? ARPHRD_LOOPBACK : ARPHRD_ETHER)
  to[10] = kindOf(flags)
  to[11] = 6
  for (let i = 0; i < 6; i++) to[12 + i] = bytes[at + ethernet.SOURCE + i]
  to[18] = 0
  to[19] = 0
}

function kindOf(flags: number): number {
  if ((flags & OUTBOUND) !== 0) return PACKET_OUTGOING
  const reception = flags & RECEPTION
  if (reception === BROADCAST) return PACKET_BROADCAST
  if (reception === MULTICAST) return PACKET_MULTICAST
  return reception === PROMISCUOUS ? PACKET_OTHERHOST : PACKET_HOST
}

const RECEPTION = 7 << 2

/** All interfaces of a namespace as one, called `any`. */
export class CookedStream implements CaptureStream {
  readonly #capture: Watched
  readonly #writer: PcapngWriter
  readonly #snaplen: number
  readonly #since: Nanos
  readonly #cooked = new Uint8Array(LONGEST + COOKED_HEADER)
  #names: Map<Ipv4, string> | null = null
  #frames = 0

  constructor(
    capture: Watched,
    sink: ByteSink,
    header: { readonly name: string; readonly description: string; readonly os?: string; readonly filter?: string },
    snaplen = SNAPLEN,
    batch?: number,
  ) {
    this.#capture = capture
    this.#snaplen = snaplen
    this.#since = capture.now
    this.#writer = new PcapngWriter(sink, capture.section, batch)
    this.#writer.names(capture.names)
    this.#writer.interface({ ...header, linkType: LINUX_SLL2, snaplen })
  }

  get length(): number {
    return this.#writer.length
  }

  appears(): void {}

  frame(
    seen: CapturedInterface,
    _number: number,
    flags: number,
    time: Nanos,
    packetId: number,
    bytes: Uint8Array,
    at: number,
    length: number,
    sighting: Sighting | null,
  ): void {
    // What has no Ethernet header has no place behind a cooked one.
    if (length < ethernet.HEADER) return
    if (this.#names !== null) {
      this.#writer.names(this.#names)
      this.#names = null
    }
    const cooked = this.#cooked
    const whole = COOKED_HEADER + length - ethernet.HEADER
    const captured = Math.min(whole, this.#snaplen)
    writeCookedHeader(cooked, seen.device, flags, bytes, at)
    if (captured > COOKED_HEADER) {
      const from = at + ethernet.HEADER
      cooked.set(bytes.subarray(from, from + captured - COOKED_HEADER), COOKED_HEADER)
    }
    this.#frames++
    const seconds = this.#capture.secondsOf(time)
    const nanos = this.#capture.nanosOf(time)
    const comment = sighting === null ? null : commentOf(sighting)
    this.#writer.packet(0, seconds, nanos, flags, packetId, cooked, 0, captured, whole, comment)
  }

  vanishes(): void {}

  named(address: Ipv4, name: string): void {
    this.#names ??= new Map()
    this.#names.set(address, name)
  }

  flush(): void {
    this.#capture.settle()
    this.#writer.flush()
  }

  finish(): void {
    this.#capture.settle()
    const end = { seconds: this.#capture.secondsOf(this.#capture.now), nanos: this.#capture.nanosOf(this.#capture.now) }
    const start = { seconds: this.#capture.secondsOf(this.#since), nanos: this.#capture.nanosOf(this.#since) }
    const counters = { received: this.#frames, accepted: this.#frames, delivered: this.#frames }
    this.#writer.statistics(0, { ...end, start, end, ...counters })
    this.#writer.flush()
  }
}
