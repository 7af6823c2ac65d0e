/**
 * Connection tracking (nf_conntrack): which flow a packet belongs to, and what it is to that flow.
 *
 *   PREROUTING, OUTPUT          enter: find or make the flow, judge the packet, frame.tracked and trackedInfo
 *   POSTROUTING, INPUT (last)   confirm: a new flow goes into the table; dropped on the way, it never does
 *
 * A namespace tracks only when a rule needs it (`Netfilter.tracking`): pods do not.
 */
import type { NetDevice } from '../link/device.ts'
import { journal } from '../link/flow-cache.ts'
import type { Frame } from '../link/frame.ts'
import { LogLevel } from '../link/kernel-log.ts'
import type { World } from '../link/world.ts'
import { HZ, JIFFY, jiffies } from '../sim/jiffies.ts'
import { SECOND } from '../sim/scheduler.ts'
import type { Ipv4 } from '../wire/address.ts'
import { u16 } from '../wire/bytes.ts'
import * as icmp from '../wire/icmp.ts'
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipv4.ts'
import * as tcp from '../wire/tcp.ts'
import * as udp from '../wire/udp.ts'
import { Clash, Confirmed, Related, Tracked, Unjudged } from './conntrack-decisions.ts'
import { ConntrackSettings, Timeout } from './conntrack-settings.ts'
import type { Flow, Tuple } from './flow.ts'
import { answerTo } from './flow-quote.ts'
import { noteTracked, type Tracker } from './flow-steps.ts'
import { type FlowReader, FlowTable } from './flow-table.ts'
import { LogFlag, logLine } from './log-line.ts'
import type { Packet } from './packet.ts'
import { CtInfo, isReply, Status } from './status.ts'
import { fault, faultText, Why } from './tcp-fault.ts'
import { TcpTrack, Tracking, tcpStateNames } from './tcp-track.ts'
import { hashOf, inverseIcmpType, isRequest, turnedDestinationPort, turnedSourcePort } from './tuple.ts'

/** How long UDP must go on in both directions to count as a stream, in jiffies. */
const STREAM = 2 * HZ
/** NR_ICMP_TYPES */
const HIGHEST_ICMP = 18
const EVERYTHING = LogFlag.TCP_SEQUENCE | LogFlag.TCP_OPTIONS | LogFlag.IP_OPTIONS | LogFlag.UID

export class Conntrack implements Tracker {
  readonly settings = new ConntrackSettings()
  readonly flows: FlowTable
  /** Packets refused because the table was full; flows that had to go to make room (early_drop). */
  full = 0
  earlyDrops = 0
  /** Told of each packet that a full table refuses: `nf_conntrack: table full, dropping packet` in the kernel's log. */
  onFull: (() => void) | null = null
  /** Flows that `conntrack -I` made. */
  inserted = 0
  /** insert_failed and clash_resolve of `conntrack -S`: the packet was dropped, or went on all the same. */
  clashes = 0
  resolved = 0
  invalid = 0
  /** ICMP messages that were damaged, or errors about no known flow. */
  errors = 0
  #world: World
  /** A frame of a known flow whose segment was found invalid before its turn came. */
  #ahead: Frame | null = null

  constructor(world: World) {
    this.#world = world
    this.flows = new FlowTable(world.scheduler, world.random)
  }

  /** How many flows are in the table: nf_conntrack_count. */
  get count(): number {
    return this.flows.count
  }

  get onEvent(): FlowReader | null {
    return this.flows.onEvent
  }

  /** Told of every flow that begins (confirmed), changes its state, or ends. */
  set onEvent(reader: FlowReader | null) {
    this.flows.onEvent = reader
  }

  /** Living flows, newest first. */
  list(): Flow[] {
    return this.flows.list()
  }

  /** `conntrack -D`: removes what matches and says how many there were. `port`: of the program that does it. */
  delete(match: (flow: Flow) => boolean, port = 0): number {
    const doomed = this.flows.list().filter(match)
    this.flows.port = port
    for (const flow of doomed) this.flows.remove(flow)
    this.flows.port = 0
    return doomed.length
  }

  /** `conntrack -F`. */
  flush(): void {
    this.delete(() => true)
  }

  /** A device went down: what was masqueraded behind it ends (nf_nat_masquerade). */
  forget(device: NetDevice): void {
    this.delete((flow) => flow.masquerade === device)
  }

  /** A device lost an address: what was masqueraded behind it there ends. */
  forgetAddress(device: NetDevice, address: Ipv4): void {
    this.delete((flow) => flow.masquerade === device && flow.reply.destination === address)
  }

  /** An answer made for `from` belongs to its flow (nf_ct_attach): a RST of REJECT is not a flow of its own. */
  attach(answer: Frame, from: Frame): void {
    if (from.tracked === null) return
    answer.tracked = from.tracked
    answer.trackedInfo = isReply(from.trackedInfo) ? CtInfo.RELATED : CtInfo.RELATED_REPLY
  }

  /** False when the table is full: the packet is to be dropped. */
  enter(packet: Packet): boolean {
    const frame = packet.frame
    if (frame.tracked !== null) {
      // Seen already: over the loopback, or at the bridge before it came up to IP.
      if ((frame.tracked as Flow).owner === this.flows) return true
      frame.tracked = null
    } else if (frame.trackedInfo === CtInfo.UNTRACKED) return true
    frame.trackedInfo = 0
    if (packet.fragment) {
      if (journal.open) packet.tell(new Unjudged('has no flow for a fragment that is not the first'))
      return true
    }
    const { bytes, transport, end } = packet
    switch (packet.protocol) {
      case IPPROTO_TCP:
        if (!tcp.valid(bytes, transport, end)) {
          return this.#invalid(packet, end - transport < tcp.HEADER ? '' : 'truncated packet')
        }
        return this.#track(packet, tcp.sourcePort(bytes, transport), tcp.destinationPort(bytes, transport))
      case IPPROTO_UDP:
        if (!udp.valid(bytes, transport, end)) {
          return this.#invalid(packet, end - transport < udp.HEADER ? 'short packet' : 'truncated/malformed packet')
        }
        return this.#track(packet, udp.sourcePort(bytes, transport), udp.destinationPort(bytes, transport))
      case IPPROTO_ICMP: {
        if (!icmp.valid(bytes, transport, end)) {
          return this.#error(packet, end - transport < icmp.HEADER ? 'short packet' : 'bad hw icmp checksum')
        }
        if (bytes[transport] > HIGHEST_ICMP) return this.#error(packet, 'invalid icmp type')
        if (icmp.isError(bytes[transport])) {
          this.#relate(packet)
          return frame.tracked !== null || this.#error(packet, '')
        }
        if (inverseIcmpType(bytes[transport]) < 0) return this.#invalid(packet, '')
        return this.#track(packet, icmp.identifier(bytes, transport), u16(bytes, transport))
      }
      default:
        return this.#track(packet, 0, 0)
    }
  }

  /** Counts an invalid packet and logs why, if somebody wants to know; it goes on without a flow. */
  #invalid(packet: Packet, why: string): true {
    this.invalid++
    if (why !== '') this.#log(packet, why)
    if (journal.open) packet.tell(Unjudged.invalid(why))
    return true
  }

  /** The same of an ICMP message that is damaged, or an error about nothing known. */
  #error(packet: Packet, why: string): true {
    this.errors++
    if (why !== '') this.#log(packet, why)
    if (journal.open) packet.tell(Unjudged.invalid(why === '' ? 'an ICMP error about no known flow' : why))
    return true
  }

  /** nf_ct_l4proto_log_invalid */
  #log(packet: Packet, why: string): void {
    const { logInvalid } = this.settings
    if (logInvalid === 0 || (logInvalid !== 255 && logInvalid !== packet.protocol)) return
    const log = packet.host.packetLog()
    if (log !== null)
      log.print(LogLevel.NOTICE, `nf_ct_proto_${packet.protocol}: ${why} ${logLine(packet, EVERYTHING)}`)
  }

  /** What TcpTrack or the window's check found wrong, a segment that is let through included. */
  #blamed(packet: Packet, invalid: boolean): void {
    const { logInvalid } = this.settings
    if (logInvalid !== 0) this.#log(packet, faultText(tcpStateNames[fault.state]))
    if (journal.open) {
      const why = faultText(tcpStateNames[fault.state])
      packet.tell(invalid ? Unjudged.invalid(why) : new Unjudged(`lets the segment through unjudged: ${why}`))
    }
    fault.why = Why.NONE
  }

  /** The last act at POSTROUTING and INPUT; false when the packet must be dropped. */
  confirm(packet: Packet): boolean {
    const frame = packet.frame
    const flow = frame.tracked as Flow | null
    if (flow === null || isReply(frame.trackedInfo) || (flow.status & (Status.CONFIRMED | Status.DYING)) !== 0)
      return true
    return this.#confirm(packet, flow)
  }

  #confirm(packet: Packet, flow: Flow): boolean {
    const { frame } = packet
    const o = flow.original
    const r = flow.reply
    const twin = this.flows.find(o.protocol, o.source, o.destination, o.sourcePort, o.destinationPort)
    if (twin !== null || this.flows.taken(r.protocol, r.source, r.destination, r.sourcePort, r.destinationPort, flow)) {
      // Two packets of one new flow were under way together: the second joins the first's entry if NAT agrees.
      const agrees = twin?.flow.reply.equals(r.protocol, r.source, r.destination, r.sourcePort, r.destinationPort)
      if (twin !== null && agrees === true) {
        this.resolved++
        frame.tracked = twin.flow
        if (journal.open) packet.tell(new Clash(twin.flow, 'the packet joins the entry that was there first'))
        return true
      }
      if (this.#resolveHarder(flow)) {
        if (journal.open) packet.tell(new Clash(flow, 'its reply direction alone goes into the table, for a second'))
        return true
      }
      this.clashes++
      if (journal.open) packet.tell(new Clash(flow, 'the packet is dropped'))
      return false
    }
    flow.status |= Status.CONFIRMED
    if (flow.start >= 0) flow.start = this.#world.scheduler.now
    this.flows.insert(flow)
    if (journal.open) packet.tell(new Confirmed(flow))
    return true
  }

  /** A flow that is in no table yet, with the extensions that the switches ask for. */
  create(): Flow {
    const flow = this.flows.create()
    const { accounting, timestamps, events } = this.settings
    flow.accounted = accounting
    flow.start = timestamps ? this.#world.scheduler.now : -1
    flow.announced = events === 1 || (events === 2 && this.flows.onEvent !== null)
    return flow
  }

  /**
   * nf_ct_resolve_clash_harder: two UDP packets of one socket, the A and AAAA questions of a resolver say, were DNATed
   * to different endpoints. The later one keeps its own endpoint: its reply tuple alone goes into the table, for a
   * second, so that the answer finds its way back.
   */
  #resolveHarder(flow: Flow): boolean {
    const { reply } = flow
    if (flow.protocol !== IPPROTO_UDP) return false
    if (
      this.flows.taken(reply.protocol, reply.source, reply.destination, reply.sourcePort, reply.destinationPort, flow)
    ) {
      return false
    }
    flow.status |= Status.CONFIRMED | Status.FIXED_TIMEOUT | Status.NAT_CLASH
    flow.due = this.#world.scheduler.now + SECOND
    this.flows.insert(flow)
    this.resolved++
    return true
  }

  #track(packet: Packet, sourcePort: number, destinationPort: number): boolean {
    const { protocol, source, destination } = packet
    for (;;) {
      const tuple = this.flows.find(protocol, source, destination, sourcePort, destinationPort)
      if (
        tuple === null &&
        this.flows.count >= this.settings.max &&
        !this.#makeRoom(packet, sourcePort, destinationPort)
      )
        return false
      const flow = tuple === null ? this.#begin(packet, sourcePort, destinationPort) : tuple.flow
      if (fault.why !== Why.NONE) this.#blamed(packet, flow === null)
      if (flow === null) {
        this.invalid++
        return true
      }
      const verdict = this.#judge(packet, flow, tuple)
      if (fault.why !== Why.NONE) this.#blamed(packet, verdict === Tracking.INVALID)
      if (verdict === Tracking.INVALID) this.invalid++
      if (verdict !== Tracking.REPEAT) return true
      this.flows.remove(flow)
    }
  }

  /** __nf_conntrack_alloc in a full table; false: nothing could be evicted, the packet is to be dropped. */
  #makeRoom(packet: Packet, sourcePort: number, destinationPort: number): boolean {
    const { protocol, source, destination } = packet
    if (this.settings.max === 0) return true
    const dropped = this.flows.earlyDrop(hashOf(protocol, source, destination, sourcePort, destinationPort))
    this.earlyDrops += dropped
    if (dropped > 0) return true
    this.full++
    this.flows.pressed = Math.floor((this.settings.max / 100) * 95)
    if (this.onFull !== null) this.onFull()
    if (journal.open) packet.tell(new Unjudged(`has no room for another flow: ${this.settings.max} are in the table`))
    return false
  }

  /** Null when the packet can begin no flow. */
  #begin(packet: Packet, sourcePort: number, destinationPort: number): Flow | null {
    const { protocol, source, destination, bytes, transport, end } = packet
    const { checksums } = this.settings
    // Only the first packet's checksum is proved here: what follows is proved by the socket it reaches.
    if (checksums && !packet.checksumOk()) {
      this.#log(packet, 'bad checksum')
      if (journal.open) packet.tell(Unjudged.invalid('bad checksum'))
      return null
    }
    if (protocol === IPPROTO_ICMP && !isRequest(destinationPort >> 8)) {
      if (journal.open) packet.tell(Unjudged.invalid('an answer to no known request'))
      return null
    }
    const flow = this.create()
    flow.original.set(protocol, source, destination, sourcePort, destinationPort)
    const back = turnedSourcePort(protocol, sourcePort, destinationPort)
    flow.reply.set(protocol, destination, source, back, turnedDestinationPort(protocol, sourcePort, destinationPort))
    if (protocol === IPPROTO_TCP) {
      flow.tcp = new TcpTrack()
      if (!flow.tcp.begin(bytes, transport, end, this.settings)) return null
    } else if (protocol === IPPROTO_UDP) flow.streamFrom = (jiffies(this.#world.scheduler.now) + STREAM + 1) * JIFFY
    return flow
  }

  #judge(packet: Packet, flow: Flow, tuple: Tuple | null): Tracking {
    const frame = packet.frame
    const reply = tuple?.reply === true
    let timeout: number = Timeout.GENERIC
    let verdict: Tracking = Tracking.ACCEPT
    const status = flow.status
    const state = flow.tcp === null ? 0 : flow.tcp.state
    if (journal.open) noteTracked(this, frame, flow, reply)
    if (flow.tcp !== null) {
      verdict =
        this.#ahead === frame
          ? Tracking.INVALID
          : flow.tcp.segment(status, packet.bytes, packet.transport, packet.end, reply, this.settings)
      if (verdict === Tracking.INVALID || verdict === Tracking.REPEAT) return verdict
      timeout = flow.tcp.timeout
      if (flow.tcp.assured) flow.status |= Status.ASSURED
    } else if (packet.protocol === IPPROTO_UDP) timeout = this.#udp(flow)
    else if (packet.protocol === IPPROTO_ICMP) timeout = Timeout.ICMP

    this.#count(flow, frame, reply, packet.length, verdict === Tracking.END ? -1 : timeout)
    if (reply && verdict !== Tracking.END) flow.status |= Status.SEEN_REPLY
    if (verdict === Tracking.END) this.flows.remove(flow)
    else if (flow.status !== status || (flow.tcp !== null && flow.tcp.state !== state)) this.#changed(flow)
    if (journal.open) packet.tell(new Tracked(flow, reply, state, tuple === null))
    return verdict
  }

  /** `timeout`: which one begins anew; -1 when none does. */
  #count(flow: Flow, frame: Frame, reply: boolean, length: number, timeout: number): void {
    frame.tracked = flow
    if (reply) frame.trackedInfo = CtInfo.ESTABLISHED_REPLY
    else frame.trackedInfo = (flow.status & Status.SEEN_REPLY) !== 0 ? CtInfo.ESTABLISHED : CtInfo.NEW
    this.#add(flow, reply, 1, length, timeout)
  }

  #add(flow: Flow, reply: boolean, packets: number, bytes: number, timeout: number): void {
    if (timeout >= 0 && (flow.status & Status.FIXED_TIMEOUT) === 0)
      flow.due = this.#world.scheduler.now + this.settings.timeouts[timeout]
    flow.add(reply, packets, bytes)
  }

  get now(): number {
    return this.#world.scheduler.now
  }

  belongs(flow: Flow, frame: Frame, reply: boolean, length: number): void {
    this.#count(flow, frame, reply, length, flow.tcp === null ? this.#udp(flow) : flow.tcp.timeout)
  }

  passed(flow: Flow, reply: boolean, packets: number, bytes: number): void {
    this.#add(flow, reply, packets, bytes, flow.tcp === null ? this.#udp(flow) : flow.tcp.timeout)
  }

  judge(frame: Frame, track: TcpTrack, status: number, at: number, end: number, reply: boolean): boolean {
    const verdict = track.segment(status, frame.bytes, at, end, reply, this.settings)
    fault.why = Why.NONE
    if (verdict === Tracking.ACCEPT) return true
    this.#ahead = frame
    return false
  }

  settled(): void {
    this.#ahead = null
  }

  #changed(flow: Flow): void {
    if ((flow.status & Status.CONFIRMED) === 0) return
    this.flows.hasten(flow)
    this.flows.announce('UPDATE', flow)
  }

  #udp(flow: Flow): number {
    if (!flow.has(Status.SEEN_REPLY) || this.#world.scheduler.now < flow.streamFrom) return Timeout.UDP
    flow.status |= Status.ASSURED
    return Timeout.UDP_STREAM
  }

  /** An ICMP error belongs to the flow whose packet it quotes, and counts as going against that packet. */
  #relate(packet: Packet): void {
    const answer = answerTo(this.flows, packet)
    if (answer === null) return
    const { frame } = packet
    frame.tracked = answer.flow
    frame.trackedInfo = answer.reply ? CtInfo.RELATED_REPLY : CtInfo.RELATED
    if (journal.open) packet.tell(new Related(answer.flow))
  }
}
