/**
 * `-j NAME …`: what a rule does to the packets it matches. ACCEPT, DROP, RETURN and jumps need no object; all
 * others are a Target, which parses its options, acts, and knows how iptables spells it.
 */
import { RuleRefused } from './error.ts'
import { type Hook, hookNames, type TableName, type Verdict } from './hook.ts'
import type { Packet } from './packet.ts'
import type { Words } from './words.ts'

export abstract class Target {
  /** Behind `-j`. */
  abstract readonly name: string
  /** The name as `iptables-save` prints it. */
  get spelled(): string {
    return this.name
  }

  /** The only tables it may stand in; empty: all. */
  readonly tables: readonly TableName[] = []
  /** The only built-in chains it may stand in; empty: all. */
  readonly hooks: readonly Hook[] = []

  /** Does it need connection tracking? */
  get tracks(): boolean {
    return false
  }

  /** Does it stay as it was read, so that many rules may have it? */
  get shareable(): boolean {
    return false
  }

  /** Takes the option and its values, or says that it is not its own. */
  abstract option(name: string, words: Words, not: boolean): boolean

  /** When all options were read: throws NetfilterError if some are missing or do not fit. `protocol` is the rule's. */
  check(_protocol: number): void {}

  abstract apply(packet: Packet): Verdict

  /** Its options as iptables-save prints them; empty when there are none. */
  abstract save(): string

  /** Its part of a line of `iptables -L`; `numeric`: no names (-n). */
  abstract list(numeric: boolean): string

  /** The kernel's own check: throws RuleRefused when the target does not belong there. `hook` is null in a user-defined chain. */
  allow(table: TableName, hook: Hook | null): void {
    const what = `x_tables: ip_tables: ${this.name} target:`
    if (this.tables.length > 0 && !this.tables.includes(table)) {
      throw new RuleRefused(`${what} only valid in ${this.tables[0]} table, not ${table}`)
    }
    if (hook !== null && this.hooks.length > 0 && !this.hooks.includes(hook)) {
      const where = [...this.hooks]
        .sort()
        .map((each) => hookNames[each])
        .join('/')
      throw new RuleRefused(`${what} used from hooks ${hookNames[hook]}, but only usable from ${where}`)
    }
  }
}
