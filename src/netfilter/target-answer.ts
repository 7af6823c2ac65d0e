/** REJECT: a refusal that says so. LOG and NFLOG: a line for whoever reads it, and on with the packet. */
import { formatIpv4, formatMac } from '../wire/address.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipv4.ts'
import * as tcp from '../wire/tcp.ts'
import * as udp from '../wire/udp.ts'
import { NetfilterError } from './error.ts'
import { type TableName, Verdict } from './hook.ts'
import type { RejectWith } from './host.ts'
import type { Packet } from './packet.ts'
import { Target } from './target.ts'
import { parseNumber, protocolName, quote, refuseNot, type Words } from './words.ts'

/** What may stand behind --reject-with; some have short names. */
const kinds: Readonly<Record<string, RejectWith>> = {
  'icmp-net-unreachable': 'icmp-net-unreachable',
  'net-unreach': 'icmp-net-unreachable',
  'icmp-host-unreachable': 'icmp-host-unreachable',
  'host-unreach': 'icmp-host-unreachable',
  'icmp-proto-unreachable': 'icmp-proto-unreachable',
  'proto-unreach': 'icmp-proto-unreachable',
  'icmp-port-unreachable': 'icmp-port-unreachable',
  'port-unreach': 'icmp-port-unreachable',
  'icmp-net-prohibited': 'icmp-net-prohibited',
  'net-prohib': 'icmp-net-prohibited',
  'icmp-host-prohibited': 'icmp-host-prohibited',
  'host-prohib': 'icmp-host-prohibited',
  'icmp-admin-prohibited': 'icmp-admin-prohibited',
  'admin-prohib': 'icmp-admin-prohibited',
  'tcp-reset': 'tcp-reset',
  'tcp-rst': 'tcp-reset',
}

/** `-j REJECT --reject-with icmp-port-unreachable` */
export class RejectTarget extends Target {
  readonly name = 'REJECT'
  override readonly tables: readonly TableName[] = ['filter']
  #how: RejectWith = 'icmp-port-unreachable'

  override option(name: string, words: Words, not: boolean): boolean {
    if (name !== '--reject-with') return false
    refuseNot(not, name)
    const text = words.value(name)
    const how = kinds[text]
    if (how === undefined) throw new NetfilterError(`unknown reject type "${text}"`)
    this.#how = how
    return true
  }

  override check(protocol: number): void {
    if (this.#how === 'tcp-reset' && protocol !== IPPROTO_TCP) {
      throw new NetfilterError('REJECT --reject-with tcp-reset needs -p tcp')
    }
  }

  override apply(packet: Packet): Verdict {
    packet.reject = this.#how
    return Verdict.REJECT
  }

  override save(): string {
    return `--reject-with ${this.#how}`
  }

  override list(): string {
    return `reject-with ${this.#how}`
  }
}

const levels = ['emerg', 'alert', 'crit', 'error', 'warning', 'notice', 'info', 'debug']
/** Switches of LOG that add fields; the fields that need sockets are not modelled. */
const switches = ['--log-tcp-sequence', '--log-tcp-options', '--log-ip-options', '--log-uid', '--log-macdecode']

/** `-j LOG --log-prefix "text" --log-level 4` */
export class LogTarget extends Target {
  readonly name = 'LOG'
  #prefix = ''
  #level = 4
  #sequence = false

  override option(name: string, words: Words, not: boolean): boolean {
    if (name === '--log-prefix') this.#prefix = words.value(name).slice(0, 29)
    else if (name === '--log-level') {
      const text = words.value(name)
      const level = levels.indexOf(text)
      this.#level = level >= 0 ? level : parseNumber(text, name, 0, 7)
    } else if (name === '--log-tcp-sequence') this.#sequence = true
    else if (switches.includes(name)) throw new NetfilterError(`podwire: target LOG ${name} is not modelled`)
    else return false
    refuseNot(not, name)
    return true
  }

  override apply(packet: Packet): Verdict {
    if (packet.onLog !== null) packet.onLog(this.#prefix + describe(packet, this.#sequence), -1)
    return Verdict.CONTINUE
  }

  override save(): string {
    const prefix = this.#prefix === '' ? '' : ` --log-prefix ${quote(this.#prefix)}`
    const level = this.#level === 4 ? '' : ` --log-level ${this.#level}`
    return `${prefix}${level}${this.#sequence ? ' --log-tcp-sequence' : ''}`.trimStart()
  }

  override list(): string {
    const prefix = this.#prefix === '' ? '' : ` prefix "${this.#prefix}"`
    return `LOG flags ${this.#sequence ? 1 : 0} level ${this.#level}${prefix}`
  }
}

/** `-j NFLOG --nflog-group 1 --nflog-prefix "text"`: to a program instead of the kernel log. */
export class NflogTarget extends Target {
  readonly name = 'NFLOG'
  #prefix = ''
  #group = 0
  #size = 0
  #threshold = 1

  override option(name: string, words: Words, not: boolean): boolean {
    if (name === '--nflog-prefix') this.#prefix = words.value(name).slice(0, 63)
    else if (name === '--nflog-group') this.#group = parseNumber(words.value(name), name, 0, 65_535)
    else if (name === '--nflog-size') this.#size = parseNumber(words.value(name), name)
    else if (name === '--nflog-threshold') this.#threshold = parseNumber(words.value(name), name, 0, 65_535)
    else return false
    refuseNot(not, name)
    return true
  }

  override apply(packet: Packet): Verdict {
    if (packet.onLog !== null) packet.onLog(this.#prefix + describe(packet, false), this.#group)
    return Verdict.CONTINUE
  }

  override save(): string {
    let text = this.#prefix === '' ? '' : ` --nflog-prefix ${quote(this.#prefix)}`
    if (this.#group !== 0) text += ` --nflog-group ${this.#group}`
    if (this.#size !== 0) text += ` --nflog-size ${this.#size}`
    if (this.#threshold !== 1) text += ` --nflog-threshold ${this.#threshold}`
    return text.trimStart()
  }

  override list(): string {
    return this.save().replaceAll('--nflog', 'nflog')
  }
}

/** The packet as nf_log_ipv4 writes it behind the prefix. */
function describe(packet: Packet, sequence: boolean): string {
  const { bytes, network, transport, frame } = packet
  let text = `IN=${packet.input?.name ?? ''} OUT=${packet.output?.name ?? ''} `
  if (frame.bridgeInput !== null) text += `PHYSIN=${frame.bridgeInput.name} `
  if (frame.bridgeOutput !== null) text += `PHYSOUT=${frame.bridgeOutput.name} `
  if (packet.input !== null && network - ethernet.HEADER >= 0 && packet.output === null) {
    const at = network - ethernet.HEADER
    text += `MAC=${formatMac(bytes, at)}:${formatMac(bytes, at + 6)}:08:00 `
  }
  const tos = ipv4.tos(bytes, network)
  text += `SRC=${formatIpv4(packet.source)} DST=${formatIpv4(packet.destination)} LEN=${packet.length} `
  text += `TOS=0x${(tos & 0x1e).toString(16).padStart(2, '0').toUpperCase()} PREC=0x${(tos & 0xe0).toString(16).padStart(2, '0').toUpperCase()} `
  text += `TTL=${ipv4.ttl(bytes, network)} ID=${ipv4.identification(bytes, network)} `
  if (ipv4.dontFragment(bytes, network)) text += 'DF '
  text += `PROTO=${protocolName(packet.protocol).toUpperCase()} `
  if (packet.protocol === IPPROTO_TCP && packet.carries(tcp.HEADER)) {
    text += `SPT=${tcp.sourcePort(bytes, transport)} DPT=${tcp.destinationPort(bytes, transport)} `
    if (sequence) {
      text += `SEQ=${tcp.sequence(bytes, transport) >>> 0} ACK=${tcp.acknowledgment(bytes, transport) >>> 0} `
    }
    text += `WINDOW=${tcp.window(bytes, transport)} RES=0x00 ${flagWords(tcp.flags(bytes, transport))}URGP=${tcp.urgent(bytes, transport)} `
  } else if (packet.protocol === IPPROTO_UDP && packet.carries(udp.HEADER)) {
    text += `SPT=${udp.sourcePort(bytes, transport)} DPT=${udp.destinationPort(bytes, transport)} LEN=${udp.length(bytes, transport)} `
  } else if (packet.protocol === IPPROTO_ICMP && packet.carries(icmp.HEADER)) {
    const type = icmp.type(bytes, transport)
    text += `TYPE=${type} CODE=${icmp.code(bytes, transport)} `
    if (!icmp.isError(type)) text += `ID=${icmp.identifier(bytes, transport)} SEQ=${icmp.sequence(bytes, transport)} `
  }
  if (frame.mark !== 0) text += `MARK=0x${(frame.mark >>> 0).toString(16)} `
  return text
}

function flagWords(flags: number): string {
  const names: readonly (readonly [number, string])[] = [
    [tcp.CWR, 'CWR '],
    [tcp.ECE, 'ECE '],
    [tcp.URG, 'URG '],
    [tcp.ACK, 'ACK '],
    [tcp.PSH, 'PSH '],
    [tcp.RST, 'RST '],
    [tcp.SYN, 'SYN '],
    [tcp.FIN, 'FIN '],
  ]
  return names.map(([bit, name]) => ((flags & bit) !== 0 ? name : '')).join('')
}
