/**
 * `-m name …`: something a rule asks of a packet beyond its header. Each kind parses its own options, tests a
 * packet, and knows how iptables-save and iptables -L spell it.
 */
import type { Decision } from '../link/decision.ts'
import type { Hook, TableName } from './hook.ts'
import type { Packet } from './packet.ts'
import type { Words } from './words.ts'

export abstract class Match {
  /** Behind `-m`. */
  abstract readonly name: string

  /** Does it need connection tracking? */
  get tracks(): boolean {
    return false
  }

  /**
   * Does it look only at what all packets of a settled flow share: addresses, ports, devices, mark, the flow's status? A
   * match that counts, remembers, or looks at anything else says no.
   */
  get steady(): boolean {
    return false
  }

  /** Does it stay as it was read, so that many rules may have it? */
  get shareable(): boolean {
    return false
  }

  /** Takes the option and its values, or says that it is not its own. `not`: a `!` stood in front. */
  abstract option(name: string, words: Words, not: boolean): boolean

  /** When all options were read: throws NetfilterError if some are missing or do not fit the rule's protocol. */
  check(_protocol: number): void {}

  /** The kernel's own check: throws RuleRefused when the match does not belong there. */
  allow(_table: TableName, _hook: Hook | null): void {}

  abstract test(packet: Packet): boolean

  /** Why the last test came out as it did, for whoever traces; empty when the rule's text says it all. */
  reason(): string {
    return ''
  }

  /** What is to be told besides when the last test held: an element of a set. */
  further(): Decision | null {
    return null
  }

  /** Is it worth telling that the packet missed the rule because of this? Where chance or a count decides, it is. */
  get fickle(): boolean {
    return false
  }

  /** Its options as iptables-save prints them; empty when there are none. */
  abstract save(): string

  /** Its part of a line of `iptables -L`; `numeric`: no names (-n). `protocol` is the rule's. */
  abstract list(numeric: boolean, protocol: number): string
}

/** `! ` or nothing. */
export function bang(not: boolean): string {
  return not ? '! ' : ''
}
