/**
 * Options of the IPv4 header (RFC 791 section 3.1, RFC 781, RFC 2113), as net/ipv4/ip_options.c treats them: checked
 * and filled on receipt, filled again at forwarding, carried back by echo replies and errors, left out of fragments.
 *
 * What receipt found is one number on the frame, `frame.options`: where Record Route and Timestamp stand, counted
 * from the IP header, and what is still to be written there. Offsets within an option count from one, as its pointer.
 */
import type { NetDevice } from '../link/device.ts'
import { DropReason, type Frame } from '../link/frame.ts'
import type { Ipv4 } from '../wire/address.ts'
import { i32, put32 } from '../wire/bytes.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import type { HeaderOptions, Namespace } from './namespace.ts'
import type { Route } from './route.ts'

const END = 0
const NOOP = 1
const RECORD_ROUTE = 7
const TIMESTAMP = 0x44
const LOOSE_SOURCE_ROUTE = 0x83
const STRICT_SOURCE_ROUTE = 0x89
const ROUTER_ALERT = 0x94
/** The option goes into every fragment. */
const COPIED = 0x80
/** Times alone, each with its address, and only at the addresses that the sender named. */
const TIME_ONLY = 0
const TIME_AND_ADDRESS = 1
const PRESPECIFIED = 3

/** In `frame.options`: six bits each say where Record Route and Timestamp stand. */
const TIMESTAMP_SHIFT = 6
const PLACE = 0x3f
const ROUTE_WANTS_ADDRESS = 1 << 12
const TIMESTAMP_WANTS_ADDRESS = 1 << 13
const TIMESTAMP_WANTS_TIME = 1 << 14
/** The header differs from what its checksum says. */
const CHANGED = 1 << 15
/** There are options, whichever they are. */
const PRESENT = 1 << 16

const LONGEST = 40

export class IpOptions implements HeaderOptions {
  #netns: Namespace
  /** Options of the next packet that is sent, and what #fill has still to write in them; none while the length is 0. */
  #next: Uint8Array | null = null
  #nextLength = 0
  #nextState = 0
  /** Where the source route that #compile met begins; 0: none. */
  #sourceRoute = 0
  #state = 0

  constructor(netns: Namespace) {
    this.#netns = netns
  }

  /**
   * ip_rcv_options, after the route was found and before it is taken; `local`: it leads here. False, and the frame is
   * taken, if its options are wrong or ask for a way that we do not go.
   */
  accepts(frame: Frame, input: NetDevice, local: boolean): boolean {
    const netns = this.#netns
    this.#state = PRESENT
    this.#sourceRoute = 0
    const wrong = this.#compile(frame, input, local)
    frame.options = this.#state
    if (wrong !== 0) {
      netns.counters.ipInHdrErrors++
      netns.icmp.error(frame, icmp.PARAMETER_PROBLEM, 0, (wrong - frame.network) << 24)
      netns.world.frames.drop(frame, DropReason.IpOptions, netns.name)
      return false
    }
    if (this.#sourceRoute === 0 || this.#arrived(frame, input, local)) return true
    netns.world.frames.drop(frame, DropReason.SourceRoute, netns.name)
    return false
  }

  /**
   * ip_forward_options: Record Route gets our address towards the next hop, and a changed header its checksum. A
   * timestamp keeps the address of receipt: Linux renews it for source routes only.
   */
  forwarded(frame: Frame, route: Route): void {
    const { bytes, network: at, options: state } = frame
    frame.options = 0
    if ((state & ROUTE_WANTS_ADDRESS) !== 0) {
      this.#fill(bytes, at, state & (ROUTE_WANTS_ADDRESS | PLACE), this.#addressTowards(frame, route))
    }
    if ((state & CHANGED) !== 0) resum(bytes, at)
  }

  /**
   * ip_options_echo: what an answer to this frame carries goes with the packet that is sent next.
   * The length of it, or -1 if it cannot be answered.
   */
  echo(frame: Frame): number {
    this.#nextLength = 0
    const { bytes, network: at, options: state } = frame
    if (state === 0 || (bytes[at] & 15) === 5) return 0
    this.#next ??= new Uint8Array(LONGEST)
    const next = this.#next
    let length = 0
    let todo = PRESENT
    const route = state & PLACE
    if (route !== 0) {
      const size = bytes[at + route + 1]
      const pointer = bytes[at + route + 2]
      for (let i = 0; i < size; i++) next[i] = bytes[at + route + i]
      todo |= ipv4.HEADER
      if ((state & ROUTE_WANTS_ADDRESS) !== 0 && pointer <= size) {
        if (pointer + 3 > size) return -1
        next[2] = pointer + 4
        todo |= ROUTE_WANTS_ADDRESS
      }
      length = size
    }
    const stamp = (state >> TIMESTAMP_SHIFT) & PLACE
    if (stamp !== 0) {
      const size = bytes[at + stamp + 1]
      for (let i = 0; i < size; i++) next[length + i] = bytes[at + stamp + i]
      todo |= (ipv4.HEADER + length) << TIMESTAMP_SHIFT
      let pointer = bytes[at + stamp + 2]
      if (pointer <= size) {
        if ((state & TIMESTAMP_WANTS_ADDRESS) !== 0) {
          if (pointer + 3 > size) return -1
          todo |= TIMESTAMP_WANTS_ADDRESS
          pointer += 4
        }
        if ((state & TIMESTAMP_WANTS_TIME) !== 0) {
          if (pointer + 3 > size) return -1
          if ((next[length + 3] & 15) !== PRESPECIFIED) {
            todo |= TIMESTAMP_WANTS_TIME
            pointer += 4
          } else if (pointer + 7 <= size && !this.#elsewhere(i32(next, length + pointer - 1) as Ipv4)) {
            todo |= TIMESTAMP_WANTS_TIME
            pointer += 8
          }
        }
        next[length + 2] = pointer
      }
      length += size
    }
    while (length % 4 !== 0) next[length++] = END
    this.#nextLength = length
    this.#nextState = todo
    return length
  }

  /**
   * Options that a program wants in the packet that is sent next (ip_options_get, ip_options_compile without a packet):
   * Record Route or Timestamp, by itself or behind a no-operation. Our own address and time take the first slot.
   */
  request(options: Uint8Array): void {
    this.#next ??= new Uint8Array(LONGEST)
    const next = this.#next
    next.fill(END)
    next.set(options)
    this.#nextLength = (options.length + 3) & ~3
    this.#nextState = PRESENT
    const at = options[0] === NOOP ? 1 : 0
    const place = ipv4.HEADER + at
    const pointer = next[at + 2]
    if (next[at] === RECORD_ROUTE) {
      this.#nextState |= place | ROUTE_WANTS_ADDRESS
      next[at + 2] = pointer + 4
    } else if (next[at] === TIMESTAMP) {
      this.#nextState |= place << TIMESTAMP_SHIFT
      const flag = next[at + 3] & 15
      if (flag === PRESPECIFIED && this.#elsewhere(i32(next, at + pointer - 1) as Ipv4)) return
      this.#nextState |= TIMESTAMP_WANTS_TIME
      if (flag === TIME_AND_ADDRESS) this.#nextState |= TIMESTAMP_WANTS_ADDRESS
      next[at + 2] = pointer + (flag === TIME_ONLY ? 4 : 8)
    }
  }

  /** Gives the frame, which starts with its transport header, room for the options of `echo`. */
  makeRoom(frame: Frame): void {
    if (this.#nextLength > 0) frame.push(this.#nextLength)
  }

  /** ip_options_build: writes them behind the header that stands in front of the room now. */
  attach(frame: Frame, source: Ipv4): void {
    const length = this.#nextLength
    const next = this.#next
    if (length === 0 || next === null) return
    this.#nextLength = 0
    const { bytes, network: at } = frame
    for (let i = 0; i < length; i++) bytes[at + ipv4.HEADER + i] = next[i]
    bytes[at] += length / 4
    this.#fill(bytes, at, this.#nextState, source)
    resum(bytes, at)
  }

  /** Forgets what no packet took along. */
  cancel(): void {
    this.#nextLength = 0
  }

  /** __ip_options_compile with a packet: where the first mistake stands, 0 if there is none. */
  #compile(frame: Frame, input: NetDevice, local: boolean): number {
    const { bytes, network: at } = frame
    const end = at + ipv4.headerLength(bytes, at)
    let option = at + ipv4.HEADER
    while (option < end) {
      const type = bytes[option]
      if (type === END) {
        for (let i = option + 1; i < end; i++) {
          if (bytes[i] === END) continue
          bytes[i] = END
          this.#state |= CHANGED
        }
        return 0
      }
      if (type === NOOP) {
        option++
        continue
      }
      const length = end - option < 2 ? 0 : bytes[option + 1]
      if (length < 2 || length > end - option) return option
      let wrong = 0
      if (type === RECORD_ROUTE) wrong = this.#recordRoute(frame, option, length, input, local)
      else if (type === TIMESTAMP) wrong = this.#timestamp(frame, option, length, input, local)
      else if (type === LOOSE_SOURCE_ROUTE || type === STRICT_SOURCE_ROUTE) {
        if (length < 3) wrong = option + 1
        else if (bytes[option + 2] < 4) wrong = option + 2
        else if (this.#sourceRoute !== 0) wrong = option
        else this.#sourceRoute = option
      } else if (type === ROUTER_ALERT && length < 4) wrong = option + 1
      if (wrong !== 0) return wrong
      option += length
    }
    return 0
  }

  #recordRoute(frame: Frame, option: number, length: number, input: NetDevice, local: boolean): number {
    const { bytes, network: at } = frame
    if ((this.#state & PLACE) !== 0) return option
    if (length < 3) return option + 1
    const pointer = bytes[option + 2]
    if (pointer < 4) return option + 2
    if (pointer <= length) {
      if (pointer + 3 > length) return option + 2
      put32(bytes, option + pointer - 1, this.#specific(frame, input, local))
      bytes[option + 2] += 4
      this.#state |= ROUTE_WANTS_ADDRESS | CHANGED
    }
    this.#state |= option - at
    return 0
  }

  #timestamp(frame: Frame, option: number, length: number, input: NetDevice, local: boolean): number {
    const { bytes, network: at } = frame
    if (((this.#state >> TIMESTAMP_SHIFT) & PLACE) !== 0) return option
    if (length < 4) return option + 1
    const pointer = bytes[option + 2]
    if (pointer < 5) return option + 2
    const flag = bytes[option + 3] & 15
    if (pointer <= length) {
      if (pointer + 3 > length) return option + 2
      const slot = option + pointer - 1
      if (flag === TIME_ONLY) {
        put32(bytes, slot, this.#netns.world.timeOfDay)
        bytes[option + 2] += 4
        this.#state |= TIMESTAMP_WANTS_TIME | CHANGED
      } else if (flag === TIME_AND_ADDRESS || flag === PRESPECIFIED) {
        if (pointer + 7 > length) return option + 2
        if (flag === TIME_AND_ADDRESS) {
          put32(bytes, slot, this.#specific(frame, input, local))
          this.#state |= TIMESTAMP_WANTS_ADDRESS
        }
        if (flag === TIME_AND_ADDRESS || !this.#elsewhere(i32(bytes, slot) as Ipv4)) {
          put32(bytes, slot + 4, this.#netns.world.timeOfDay)
          bytes[option + 2] += 8
          this.#state |= TIMESTAMP_WANTS_TIME | CHANGED
        }
      }
    } else if (flag !== PRESPECIFIED) {
      // No room left: a count of the hops that went without.
      const overflow = bytes[option + 3] >> 4
      if (overflow === 15) return option + 3
      bytes[option + 3] = flag | ((overflow + 1) << 4)
      this.#state |= CHANGED
    }
    this.#state |= (option - at) << TIMESTAMP_SHIFT
    return 0
  }

  /** ip_options_rcv_srr, as far as the way ends here or passes by; a next hop of the route is not modelled. */
  #arrived(frame: Frame, input: NetDevice, local: boolean): boolean {
    if (!this.#netns.inet(input).acceptSourceRoute || frame.group) return false
    const { bytes } = frame
    const option = this.#sourceRoute
    if (!local) return bytes[option] === LOOSE_SOURCE_ROUTE
    return bytes[option + 2] > bytes[option + 1]
  }

  /** Writes the address and the time into the slots that the pointers have just passed. */
  #fill(bytes: Uint8Array, at: number, state: number, address: Ipv4): void {
    if ((state & ROUTE_WANTS_ADDRESS) !== 0) {
      const option = at + (state & PLACE)
      put32(bytes, option + bytes[option + 2] - 5, address)
    }
    const option = at + ((state >> TIMESTAMP_SHIFT) & PLACE)
    if ((state & TIMESTAMP_WANTS_ADDRESS) !== 0) put32(bytes, option + bytes[option + 2] - 9, address)
    if ((state & TIMESTAMP_WANTS_TIME) !== 0) put32(bytes, option + bytes[option + 2] - 5, this.#netns.world.timeOfDay)
  }

  /** fib_compute_spec_dst: the address that the sender means by us. */
  #specific(frame: Frame, input: NetDevice, local: boolean): Ipv4 {
    const { bytes, network: at } = frame
    if (local) return ipv4.destination(bytes, at)
    const sender = ipv4.source(bytes, at)
    const back = this.#netns.lookup(sender)
    if (back !== null) return this.#netns.sourceFor(back, sender)
    return this.#netns.selectAddress(input, sender) ?? (0 as Ipv4)
  }

  /** ip_rt_get_source of a packet that is passed on. */
  #addressTowards(frame: Frame, route: Route): Ipv4 {
    return this.#netns.sourceFor(route, ipv4.destination(frame.bytes, frame.network))
  }

  #elsewhere(address: Ipv4): boolean {
    return this.#netns.addressType(address) === 'UNICAST'
  }
}

/** ip_options_fragment: in fragments after the first, options that are not to be copied become no-operations. */
export function dropUncopied(bytes: Uint8Array, at: number): void {
  const end = at + ipv4.headerLength(bytes, at)
  let option = at + ipv4.HEADER
  while (option < end && bytes[option] !== END) {
    if (bytes[option] === NOOP) {
      option++
      continue
    }
    const length = end - option < 2 ? 0 : bytes[option + 1]
    if (length < 2 || length > end - option) return
    if ((bytes[option] & COPIED) === 0) bytes.fill(NOOP, option, option + length)
    option += length
  }
}

function resum(bytes: Uint8Array, at: number): void {
  ipv4.setLengthAndFragment(bytes, at, ipv4.totalLength(bytes, at), ipv4.fragmentField(bytes, at))
}
