/**
 * A packet on its way through one hook: the frame, and what rules ask of it again and again, read once. There is
 * one per namespace, filled anew for each packet (Linux's struct nf_hook_state and xt_action_param).
 */
import type { Decision } from '../link/decision.ts'
import type { NetDevice } from '../link/device.ts'
import { Frame } from '../link/frame.ts'
import type { World } from '../link/world.ts'
import type { Ipv4 } from '../wire/address.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as tcp from '../wire/tcp.ts'
import * as udp from '../wire/udp.ts'
import type { Flow } from './flow.ts'
import { Hook } from './hook.ts'
import { HookDecision } from './hook-decision.ts'
import type { NetfilterHost, RejectWith } from './host.ts'
import type { Ipvs } from './ipvs/ipvs.ts'
import type { Nat } from './nat.ts'
import { CtInfo } from './status.ts'

/** Bits that `--ctstate` tests (XT_CONNTRACK_STATE_*). */
export const CtState = {
  INVALID: 1,
  ESTABLISHED: 2,
  RELATED: 4,
  NEW: 8,
  SNAT: 64,
  DNAT: 128,
  UNTRACKED: 256,
} as const

/** How many `Packet.standing`s there are: five states, each with or without SNAT and DNAT. */
export const STANDINGS = 20

/** Takes what NFLOG writes. */
export type LogReader = (text: string, group: number) => void

export class Packet {
  readonly world: World
  readonly host: NetfilterHost
  readonly nat: Nat
  /** The namespace's. */
  readonly name: string
  onLog: LogReader | null = null
  /** Null until IPVS is loaded. */
  ipvs: Ipvs | null = null
  frame: Frame
  bytes: Uint8Array
  hook: Hook = Hook.PREROUTING
  input: NetDevice | null = null
  output: NetDevice | null = null
  /** Where the IP header begins, where the transport header does, and where the datagram ends (no padding). */
  network = 0
  transport = 0
  end = 0
  /** The IP total length: what rule counters count. */
  length = 0
  protocol = 0
  source = 0 as Ipv4
  destination = 0 as Ipv4
  /** A fragment that is not the first: it has no ports. */
  fragment = false
  /** Bits of `CtState`, and the same as a number below `STANDINGS`. */
  states = 0
  standing = 0
  /** Set by REJECT. */
  reject: RejectWith | null = null
  /** Was the hook named to whoever traces? */
  #announced = false

  constructor(world: World, name: string, host: NetfilterHost, nat: Nat) {
    this.world = world
    this.name = name
    this.host = host
    this.nat = nat
    this.frame = new Frame(0)
    this.bytes = this.frame.bytes
  }

  load(hook: Hook, frame: Frame, input: NetDevice | null, output: NetDevice | null): void {
    this.hook = hook
    this.frame = frame
    this.bytes = frame.bytes
    this.input = input
    this.output = output
    this.network = frame.network
    this.transport = frame.transport
    const { view, network } = frame
    this.length = ipv4.totalLengthIn(view, network)
    this.end = network + this.length
    this.protocol = ipv4.protocol(frame.bytes, network)
    this.fragment = ipv4.fragmentOffsetIn(view, network) !== 0
    this.source = ipv4.sourceIn(view, network)
    this.destination = ipv4.destinationIn(view, network)
    this.reject = null
    this.#announced = false
  }

  /** What was decided about the packet, for whoever traces. Ask `journal.open` before making the decision. */
  tell(decision: Decision): void {
    const { frames } = this.world
    if (frames.tracer === null) return
    if (!this.#announced) {
      this.#announced = true
      frames.tell(this.frame, this.name, new HookDecision(this.hook, this.input, this.output))
    }
    frames.tell(this.frame, this.name, decision)
  }

  /** What NAT changes. */
  readAddresses(): void {
    this.source = ipv4.sourceIn(this.frame.view, this.network)
    this.destination = ipv4.destinationIn(this.frame.view, this.network)
  }

  /** What conntrack and NAT decide; read when rules are walked, which most packets spare themselves at most hooks. */
  readStates(): void {
    const flow = this.frame.tracked as Flow | null
    const info = this.frame.trackedInfo
    if (flow === null) {
      const untracked = info === CtInfo.UNTRACKED
      this.states = untracked ? CtState.UNTRACKED : CtState.INVALID
      this.standing = untracked ? 1 : 0
      return
    }
    // SNAT and DNAT stand beside each other in both.
    const nat = (flow.status >> 4) & 3
    let states: number = CtState.NEW
    let standing = 2
    if (info === CtInfo.ESTABLISHED || info === CtInfo.ESTABLISHED_REPLY) {
      states = CtState.ESTABLISHED
      standing = 3
    } else if (info === CtInfo.RELATED || info === CtInfo.RELATED_REPLY) {
      states = CtState.RELATED
      standing = 4
    }
    this.states = states | (nat << 6)
    this.standing = standing + nat * 5
  }

  /** The flow, or null. */
  get flow(): Flow | null {
    return this.frame.tracked as Flow | null
  }

  /** The least MTU of the ways there and back: what TCPMSS clamps to. */
  pathMtu(): number {
    const back = this.hook === Hook.FORWARD || this.hook === Hook.POSTROUTING ? this.host.mtuTo(this.source) : 65_535
    const there =
      this.output === null
        ? this.host.mtuTo(this.destination)
        : Math.min(this.output.mtu, this.host.mtuTo(this.destination))
    return Math.min(there, back)
  }

  /** Is the transport's checksum right, if it has one that is known? */
  checksumOk(): boolean {
    const { protocol, bytes, transport, end, source, destination } = this
    if (protocol === ipv4.IPPROTO_TCP) return tcp.checksumOk(bytes, transport, end, source, destination)
    return protocol !== ipv4.IPPROTO_UDP || udp.checksumOk(bytes, transport, source, destination)
  }

  /** Is so much of the transport header there? */
  carries(length: number): boolean {
    return !this.fragment && this.end - this.transport >= length
  }
}
