/** `observe.frames`: what passes the devices of a lab, as AF_PACKET would show it. */
import { Observable, type Subscriber } from 'rxjs'
import { compileFilter } from '../capture/pcap-filter.ts'
import type { Direction, NetDevice } from '../link/device.ts'
import type { Frame } from '../link/frame.ts'
import type { World } from '../link/world.ts'
import type { Nanos } from '../sim/scheduler.ts'
import { globToRegExp } from '../topology/interface-choice.ts'
import { printFrame } from '../wire/print.ts'
import { type LabLike, waker } from './source.ts'

/** One frame at one device. */
export class ObservedFrame {
  /** Virtual nanoseconds since the world began. */
  readonly time: Nanos
  /** `machine/device`, or `namespace/pod/eth0`. */
  readonly interface: string
  readonly direction: Direction
  /** The same for one packet on all its hops. */
  readonly packetId: number
  /** From the Ethernet header on; a copy. */
  readonly bytes: Uint8Array

  constructor(time: Nanos, place: string, direction: Direction, packetId: number, bytes: Uint8Array) {
    this.time = time
    this.interface = place
    this.direction = direction
    this.packetId = packetId
    this.bytes = bytes
  }

  /** As `tcpdump -nn` prints it, without the time; made when it is asked for. */
  get text(): string {
    return printFrame(this.bytes, 0, this.bytes.length)
  }
}

/** Looks at a frame before it is copied: the bytes are lent, from `at` to `end`. */
export type FrameFilter = (bytes: Uint8Array, at: number, end: number, outgoing: boolean) => boolean

export interface FrameOptions {
  /** Of a lab or world: globs of names such as `w1.example.com/cni0` or `default/web-1/eth0`; all when left out. */
  readonly interfaces?: string | readonly string[]
  /** In the words of pcap-filter(7), `udp port 53`; or a function. */
  readonly filter?: string | FrameFilter
}

/**
 * The frames of one device, which completes when the device leaves its namespace, or of all devices of a lab or world,
 * those that come later included.
 */
export function frames(source: LabLike | World | NetDevice, options: FrameOptions = {}): Observable<ObservedFrame> {
  const wanted = typeof options.filter === 'string' ? compileFilter(options.filter) : (options.filter ?? null)
  const globs = options.interfaces === undefined ? [] : [options.interfaces].flat()
  const patterns = globs.map(globToRegExp)
  const matches = (name: string) => patterns.length === 0 || patterns.some((pattern) => pattern.test(name))
  return new Observable((subscriber) => {
    const ends = new Map<NetDevice, () => void>()
    const detach = (device: NetDevice) => {
      ends.get(device)?.()
      ends.delete(device)
    }
    const stop = 'receiver' in source ? watchOne(source) : watchAll('devices' in source ? source : source.world)
    const wake = waker(source)
    return () => {
      stop()
      for (const device of [...ends.keys()]) detach(device)
      wake()
    }

    function attach(world: World, device: NetDevice): void {
      ends.set(
        device,
        device.listen((frame, from, direction) => show(subscriber, world, wanted, frame, from, direction)),
      )
    }

    function watchOne(device: NetDevice): () => void {
      const world = device.world as World
      attach(world, device)
      return world.watchDevices({
        joined: () => {},
        left: (gone) => {
          if (gone === device) subscriber.complete()
        },
      })
    }

    function watchAll(world: World): () => void {
      const joined = (device: NetDevice) => {
        detach(device)
        if (matches(device.place)) attach(world, device)
      }
      for (const device of world.devices.keys()) joined(device)
      return world.watchDevices({ joined, left: detach })
    }
  })
}

function show(
  subscriber: Subscriber<ObservedFrame>,
  world: World,
  wanted: FrameFilter | null,
  frame: Frame,
  device: NetDevice,
  direction: Direction,
): void {
  if (subscriber.closed) return
  const { bytes, start, end } = frame
  try {
    if (wanted !== null && !wanted(bytes, start, end, direction === 'out')) return
  } catch (error) {
    // A filter of the user's own is the user's, and the world goes on.
    return subscriber.error(error)
  }
  const packetId = world.frames.identify(frame)
  subscriber.next(new ObservedFrame(world.scheduler.now, device.place, direction, packetId, bytes.slice(start, end)))
}
