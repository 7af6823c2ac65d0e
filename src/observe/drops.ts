/** `observe.drops`: every frame that ends early, with the reason in words and in the kernel's. */
import { Observable } from 'rxjs'
import { DropReason, type DropReasonName, dropReasons } from '../link/drop-reason.ts'
import type { Frame, FramePool } from '../link/frame.ts'
import type { World } from '../link/world.ts'
import type { Nanos } from '../sim/scheduler.ts'
import * as ethernet from '../wire/ethernet.ts'
import { printCaptured, printFrame } from '../wire/print.ts'
import { type LinkType, linkTypeOf, RAW } from '../wire/print-link.ts'
import { Hub, Hubs } from './hub.ts'
import { type LabLike, waker, worldOf } from './source.ts'

export class ObservedDrop {
  readonly time: Nanos
  /** A namespace's name, `w1.example.com`, or a device's place, `w1.example.com/cni0`. */
  readonly where: string
  /** As `podwire drops` lists it. */
  readonly reason: DropReasonName
  /** SKB_DROP_REASON_* of Linux at the same place; SKB_CONSUMED where the kernel does not call it a drop. */
  readonly kernel: string
  /** The reason in words, to follow "dropped: ". */
  readonly words: string
  readonly packetId: number
  /** With what do the bytes begin? IP has taken the Ethernet header off what it drops. */
  readonly layer: 'ethernet' | 'ip'
  /** A copy. */
  readonly bytes: Uint8Array

  constructor(
    time: Nanos,
    where: string,
    reason: DropReason,
    packetId: number,
    layer: 'ethernet' | 'ip',
    bytes: Uint8Array,
  ) {
    const { name, kernel, words } = dropReasons[reason]
    this.time = time
    this.where = where
    this.reason = name
    this.kernel = kernel === 'SKB_CONSUMED' ? kernel : `SKB_DROP_REASON_${kernel}`
    this.words = words
    this.packetId = packetId
    this.layer = layer
    this.bytes = bytes
  }

  /** As `tcpdump -nn` prints it; made when it is asked for. */
  get text(): string {
    const { bytes } = this
    if (this.layer === 'ethernet') return printFrame(bytes, 0, bytes.length)
    return printCaptured(linkTypeOf(RAW) as LinkType, bytes, 0, bytes.length)
  }
}

const taps = new Hubs<FramePool, [Frame, DropReason, string]>(
  (pool) =>
    new Hub(
      () => pool.dropTap,
      (call) => {
        pool.dropTap = call
      },
    ),
)

export function drops(source: LabLike | World): Observable<ObservedDrop> {
  const world = worldOf(source)
  const { frames, scheduler } = world
  return new Observable((subscriber) => {
    const end = taps.at(frames).add((frame, reason, where) => {
      if (subscriber.closed) return
      const from = beginning(frame, reason === DropReason.UnknownProtocol && namespaces(world).has(where))
      const layer = from <= frame.start && from !== frame.network ? 'ethernet' : 'ip'
      const bytes = frame.bytes.slice(from, frame.end)
      subscriber.next(new ObservedDrop(scheduler.now, where, reason, frames.identify(frame), layer, bytes))
    })
    const wake = waker(source)
    return () => {
      end()
      wake()
    }
  })
}

/**
 * What a transport drops begins with its own header: its IP header is still in front. So is the Ethernet header of what a
 * namespace knows no protocol for, if it was for this host.
 */
function beginning({ start, network, transport, toHost }: Frame, unknown: boolean): number {
  if (unknown && toHost) return start - ethernet.HEADER
  return start === transport && network > 0 && network < start ? network : start
}

function namespaces({ devices }: World): ReadonlySet<string> {
  return new Set(devices.values())
}
