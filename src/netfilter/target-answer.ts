/** REJECT: a refusal that says so. LOG and NFLOG: a line for whoever reads it, and on with the packet. */
import { IPPROTO_TCP } from '../wire/ipv4.ts'
import { NetfilterError, RuleRefused } from './error.ts'
import { Hook, type TableName, Verdict } from './hook.ts'
import type { RejectWith } from './host.ts'
import { LogFlag, logLine } from './log-line.ts'
import type { Packet } from './packet.ts'
import { Target } from './target.ts'
import { parseNumber, quote, refuseNot, type Words } from './words.ts'

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
  override readonly hooks: readonly Hook[] = [Hook.INPUT, Hook.FORWARD, Hook.OUTPUT]
  #how: RejectWith = 'icmp-port-unreachable'

  override get shareable(): boolean {
    return true
  }

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
      throw new RuleRefused('ipt_REJECT: TCP_RESET invalid for non-tcp')
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

const levels = ['emerg', 'alert', 'crit', 'error', 'warn', 'notice', 'info', 'debug']
const otherLevels: Readonly<Record<string, number>> = { panic: 0, err: 3, warning: 4 }
/** Switches of LOG that add fields, by bit, in the order in which they are printed. */
const switches: readonly (readonly [option: string, bit: number])[] = [
  ['--log-tcp-sequence', LogFlag.TCP_SEQUENCE],
  ['--log-tcp-options', LogFlag.TCP_OPTIONS],
  ['--log-ip-options', LogFlag.IP_OPTIONS],
  ['--log-uid', LogFlag.UID],
  ['--log-macdecode', LogFlag.MAC_DECODE],
]

function parseLevel(text: string): number {
  const level = levels.indexOf(text.toLowerCase())
  if (level >= 0) return level
  if (text in otherLevels) return otherLevels[text]
  if (/^[0-7]$/.test(text)) return Number(text)
  throw new NetfilterError(`log level "${text}" unknown\n`)
}

/** `-j LOG --log-prefix "text" --log-level 4`. --log-uid is taken and printed; who owns a socket is not modelled. */
export class LogTarget extends Target {
  readonly name = 'LOG'
  #prefix = ''
  #level = 4
  #flags = 0

  override option(name: string, words: Words, not: boolean): boolean {
    const found = switches.find(([option]) => option === name)
    if (name === '--log-prefix') this.#prefix = words.value(name).slice(0, 29)
    else if (name === '--log-level') this.#level = parseLevel(words.value(name))
    else if (found !== undefined) this.#flags |= found[1]
    else return false
    refuseNot(not, name, 'LOG')
    return true
  }

  override apply(packet: Packet): Verdict {
    const log = packet.host.packetLog()
    if (log !== null) log.print(this.#level, this.#prefix + logLine(packet, this.#flags))
    return Verdict.CONTINUE
  }

  override save(): string {
    const parts: string[] = []
    if (this.#prefix !== '') parts.push(`--log-prefix ${quote(this.#prefix)}`)
    if (this.#level !== 4) parts.push(`--log-level ${this.#level}`)
    return [...parts, ...this.#switches()].join(' ')
  }

  override list(numeric: boolean): string {
    const prefix = this.#prefix === '' ? '' : ` prefix "${this.#prefix}"`
    if (numeric) return `LOG flags ${this.#flags} level ${this.#level}${prefix}`
    const names = this.#switches().map((option) => ` ${option.slice('--log-'.length)}`)
    return `LOG level ${levels[this.#level]}${names.join('')}${prefix}`
  }

  #switches(): string[] {
    return switches.filter(([, bit]) => (this.#flags & bit) !== 0).map(([option]) => option)
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
    if (packet.onLog !== null) packet.onLog(this.#prefix + logLine(packet, 0), this.#group)
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
