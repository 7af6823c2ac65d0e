/** What the ICMP of a namespace decides, for whoever traces (see link/decision.ts). */
import { Decision } from '../link/decision.ts'
import type { Frame, FramePool } from '../link/frame.ts'
import { formatIpv4, type Ipv4 } from '../wire/address.ts'
import * as icmp from '../wire/icmp.ts'
import type { RouteExceptions } from './exception.ts'
import { SwitchDecision } from './sysctl-decision.ts'

interface Host {
  readonly name: string
  readonly sysctl: { get(name: string): string | null }
  readonly exceptions: RouteExceptions
  readonly world: { readonly frames: FramePool }
}

abstract class IcmpDecision extends Decision {
  override readonly kind = 'icmp'
}

/** A message of our own, because of a packet that came. */
export class IcmpAnswer extends IcmpDecision {
  /** The packet that it answers. */
  readonly packet: number
  readonly #type: number
  readonly #code: number
  readonly #info: number

  constructor(packet: number, type: number, code: number, info: number) {
    super()
    this.packet = packet
    this.#type = type
    this.#code = code
    this.#info = info
  }

  override sentence(): string {
    return `answers packet ${this.packet}: ${messageText(this.#type, this.#code, this.#info)}`
  }
}

/** What was made of a message, or why there is none. */
export class IcmpVerdict extends IcmpDecision {
  readonly #sentence: string
  readonly #entry: string | null
  readonly #command: string | null

  constructor(sentence: string, entry: string | null = null, command: string | null = null) {
    super()
    this.#sentence = sentence
    this.#entry = entry
    this.#command = command
  }

  override sentence(): string {
    return this.#sentence
  }

  override entry(): string | null {
    return this.#entry
  }

  override command(): string | null {
    return this.#command
  }
}

/** `answer` is about to leave because of the frame. */
export function tellAnswer(host: Host, answer: Frame, frame: Frame, type: number, code: number, info: number): void {
  const { frames } = host.world
  if (frames.tracer === null) return
  frames.tell(answer, host.name, new IcmpAnswer(frames.identify(frame), type, code, info))
}

/** The sender of the frame is told nothing. */
export function tellSilence(host: Host, frame: Frame, type: number, code: number, why: string): void {
  const text = `no ICMP about it (${messageText(type, code, 0)}): ${why}`
  host.world.frames.tell(frame, host.name, new IcmpVerdict(text))
}

/** As `tellSilence`, because of a limit. */
export function tellLimited(host: Host, frame: Frame, type: number, code: number, name: string): void {
  const text = `no ICMP about it (${messageText(type, code, 0)}): there were too many of late`
  host.world.frames.tell(frame, host.name, new SwitchDecision('icmp', host.sysctl, name, text))
}

/** An echo request that a switch tells us to ignore. */
export function tellIgnored(host: Host, frame: Frame, name: string): void {
  host.world.frames.tell(frame, host.name, new SwitchDecision('icmp', host.sysctl, name, 'the echo is not answered'))
}

/** The path to the destination is narrower than we knew. */
export function tellPathMtu(host: Host, frame: Frame, destination: Ipv4, mtu: number): void {
  const to = formatIpv4(destination)
  const known = host.exceptions.get(destination)
  const verdict =
    known?.mtu === mtu && !known.mtuLocked
      ? new IcmpVerdict(`learnt: the path to ${to} takes so much`, `mtu ${mtu}`, `ip route get ${to}`)
      : new IcmpVerdict(`an MTU of ${mtu} on the path to ${to} is not believed, or nothing new`)
  host.world.frames.tell(frame, host.name, verdict)
}

/** A router told of a better gateway. */
export function tellRedirect(host: Host, frame: Frame, destination: Ipv4, gateway: Ipv4): void {
  const to = formatIpv4(destination)
  const via = `via ${formatIpv4(gateway)}`
  const verdict =
    host.exceptions.get(destination)?.redirect?.gateway === gateway
      ? new IcmpVerdict(`learnt: there is a better gateway to ${to}`, via, `ip route get ${to}`)
      : new IcmpVerdict(`the redirect of ${to} ${via} is not followed`)
  host.world.frames.tell(frame, host.name, verdict)
}

const unreachable = ['network', 'host', 'protocol', 'port', 'fragmentation needed', 'source route failed']

function messageText(type: number, code: number, info: number): string {
  switch (type) {
    case icmp.ECHO_REPLY:
      return 'echo reply'
    case icmp.TIMESTAMP_REPLY:
      return 'timestamp reply'
    case icmp.REDIRECT:
      return `redirect, ${formatIpv4(info as Ipv4)} is nearer`
    case icmp.TIME_EXCEEDED:
      return code === 0 ? 'time exceeded in transit' : 'time exceeded while fragments were missing'
    case icmp.PARAMETER_PROBLEM:
      return 'parameter problem'
    case icmp.DESTINATION_UNREACHABLE:
      if (code === icmp.FRAGMENTATION_NEEDED) return `fragmentation needed${info > 0 ? `, to fit ${info} bytes` : ''}`
      return `${unreachable[code] ?? 'prohibited, destination'} unreachable`
    default:
      return `ICMP type ${type}`
  }
}
