/** MARK and CONNMARK: notes on the packet and on its flow. CT --notrack: no flow at all. */
import { NetfilterError } from './error.ts'
import { type TableName, Verdict } from './hook.ts'
import type { Packet } from './packet.ts'
import { CtInfo } from './status.ts'
import { Target } from './target.ts'
import { formatMasked, hex, parseMasked, parseNumber, refuseNot, type Words } from './words.ts'

/** Turns any way of setting a mark into (mark & ~mask) ^ value; false when the option is another. */
class MarkChange {
  value = 0
  mask = 0
  given = false

  option(name: string, words: Words): boolean {
    switch (name) {
      case '--set-xmark':
      case '--set-mark': {
        const [value, mask] = parseMasked(words.value(name), name)
        this.value = value
        this.mask = name === '--set-mark' ? mask | value : mask
        break
      }
      case '--and-mark':
        this.value = 0
        this.mask = ~(parseNumber(words.value(name), name) | 0)
        break
      case '--or-mark':
        this.value = parseNumber(words.value(name), name) | 0
        this.mask = this.value
        break
      case '--xor-mark':
        this.value = parseNumber(words.value(name), name) | 0
        this.mask = 0
        break
      default:
        return false
    }
    this.given = true
    return true
  }

  of(mark: number): number {
    return (mark & ~this.mask) ^ this.value
  }

  save(): string {
    return `--set-xmark ${hex(this.value)}/${hex(this.mask)}`
  }

  /** iptables -L names the operation that it amounts to. */
  list(word: string): string {
    if (this.value === 0) return `${word} and ${hex(~this.mask)}`
    if (this.value === this.mask) return `${word} or ${hex(this.value)}`
    if (this.mask === 0) return `${word} xor ${hex(this.value)}`
    if (this.mask === -1) return `${word} set ${hex(this.value)}`
    return `${word} xset ${hex(this.value)}/${hex(this.mask)}`
  }
}

/** `-j MARK --set-xmark 0x4000/0x4000` */
export class MarkTarget extends Target {
  readonly name = 'MARK'
  #change = new MarkChange()

  override get shareable(): boolean {
    return true
  }

  override option(name: string, words: Words, not: boolean): boolean {
    if (!this.#change.option(name, words)) return false
    refuseNot(not, name)
    return true
  }

  override check(): void {
    if (!this.#change.given)
      throw new NetfilterError('MARK: One of the --set-xmark, --{and,or,xor,set}-mark options is required')
  }

  override apply(packet: Packet): Verdict {
    packet.frame.mark = this.#change.of(packet.frame.mark)
    return Verdict.CONTINUE
  }

  override save(): string {
    return this.#change.save()
  }

  override list(): string {
    return this.#change.list('MARK')
  }
}

/** `-j CONNMARK --save-mark`, `--restore-mark`, or a change of the flow's own mark. */
export class ConnmarkTarget extends Target {
  readonly name = 'CONNMARK'
  #change = new MarkChange()
  #mode: 'set' | 'save' | 'restore' = 'set'
  #packetMask = -1
  #flowMask = -1

  override get tracks(): boolean {
    return true
  }

  override option(name: string, words: Words, not: boolean): boolean {
    if (name === '--save-mark' || name === '--restore-mark') this.#mode = name === '--save-mark' ? 'save' : 'restore'
    else if (name === '--nfmask') this.#packetMask = parseNumber(words.value(name), name) | 0
    else if (name === '--ctmask') this.#flowMask = parseNumber(words.value(name), name) | 0
    else if (name === '--mask') {
      this.#packetMask = parseNumber(words.value(name), name) | 0
      this.#flowMask = this.#packetMask
    } else if (!this.#change.option(name, words)) return false
    refuseNot(not, name)
    return true
  }

  override check(): void {
    if (this.#mode === 'set' && !this.#change.given) throw new NetfilterError('CONNMARK target: No operation specified')
  }

  override apply(packet: Packet): Verdict {
    const { flow, frame } = packet
    if (flow === null) return Verdict.CONTINUE
    if (this.#mode === 'set') flow.mark = this.#change.of(flow.mark)
    else if (this.#mode === 'save') flow.mark = (flow.mark & ~this.#flowMask) ^ (frame.mark & this.#packetMask)
    else frame.mark = (frame.mark & ~this.#packetMask) ^ (flow.mark & this.#flowMask)
    return Verdict.CONTINUE
  }

  override save(): string {
    if (this.#mode === 'set') return this.#change.save()
    return `--${this.#mode}-mark --nfmask ${hex(this.#packetMask)} --ctmask ${hex(this.#flowMask)}`
  }

  override list(): string {
    if (this.#mode === 'set') return this.#change.list('CONNMARK')
    if (this.#packetMask === -1 && this.#flowMask === -1) return `CONNMARK ${this.#mode}`
    if (this.#packetMask === this.#flowMask) return `CONNMARK ${this.#mode} mask ${formatMasked(this.#flowMask, -1)}`
    if (this.#mode === 'save') return `CONNMARK save nfmask ${hex(this.#packetMask)} ctmask ~${hex(this.#flowMask)}`
    return `CONNMARK restore ctmask ${hex(this.#flowMask)} nfmask ~${hex(this.#packetMask)}`
  }
}

/** `-j CT --notrack`, also written `-j NOTRACK`. */
export class CtTarget extends Target {
  readonly name = 'CT'

  override get spelled(): string {
    return this.#old ? 'NOTRACK' : 'CT'
  }
  override readonly tables: readonly TableName[] = ['raw']
  /** Written as NOTRACK, and printed so. */
  readonly #old: boolean
  #notrack: boolean

  constructor(old: boolean) {
    super()
    this.#old = old
    this.#notrack = old
  }

  override get tracks(): boolean {
    return true
  }

  override option(name: string, _words: Words, not: boolean): boolean {
    if (!name.startsWith('--')) return false
    if (name !== '--notrack') throw new NetfilterError(`podwire: target CT ${name} is not modelled`)
    refuseNot(not, name)
    this.#notrack = true
    return true
  }

  override apply(packet: Packet): Verdict {
    if (this.#notrack && packet.frame.tracked === null) packet.frame.trackedInfo = CtInfo.UNTRACKED
    return Verdict.CONTINUE
  }

  override save(): string {
    return this.#notrack && !this.#old ? '--notrack' : ''
  }

  override list(): string {
    if (this.#old) return 'NOTRACK'
    return this.#notrack ? 'CT notrack' : 'CT'
  }
}
