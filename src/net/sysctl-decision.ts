/** A decision that a switch made: the entry is the switch, as sysctl(8) prints it. */
import { Decision, type DecisionKind } from '../link/decision.ts'
import { quoted } from './inet-device.ts'

interface Switches {
  get(name: string): string | null
}

/** Of `net.ipv4.conf.all.SWITCH` and the device's own the one that is larger: where either says yes, it is the one that does. */
export function largerOf(sysctl: Switches, device: string, name: string): string {
  const own = `net.ipv4.conf.${quoted(device)}.${name}`
  const all = `net.ipv4.conf.all.${name}`
  return Number(sysctl.get(all)) > Number(sysctl.get(own)) ? all : own
}

export class SwitchDecision extends Decision {
  override readonly kind: DecisionKind
  readonly #sentence: string
  readonly #name: string
  readonly #value: string

  constructor(kind: DecisionKind, sysctl: Switches, name: string, sentence: string) {
    super()
    this.kind = kind
    this.#sentence = sentence
    this.#name = name
    this.#value = sysctl.get(name) ?? ''
  }

  override sentence(): string {
    return this.#sentence
  }

  override entry(): string {
    return `${this.#name} = ${this.#value}`
  }

  override command(): string {
    return `sysctl ${this.#name}`
  }
}
