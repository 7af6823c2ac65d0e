/**
 * What one layer decided about a frame: the look-up, rule or state that settled its fate, in words and in the spelling of
 * the command that shows the same on a real node. Decisions exist only while somebody traces the world; the layers'
 * own kinds stand beside them (`*-decisions.ts`).
 *
 * An object keeps what was true at its moment (numbers, and rules or routes that do not change); its texts are made when
 * somebody asks.
 */
export type DecisionKind =
  | 'bridge'
  | 'netfilter'
  | 'rule'
  | 'conntrack'
  | 'nat'
  | 'ipvs'
  | 'route'
  | 'neighbour'
  | 'ip'
  | 'tunnel'
  | 'cable'
  | 'queue'
  | 'socket'
  | 'arp'
  | 'icmp'
  | 'drop'

export abstract class Decision {
  abstract readonly kind: DecisionKind

  /** What was decided and why, in one sentence without its full stop. */
  abstract sentence(): string

  /** The entry that decided, letter by letter as `command` prints it; null where there is none. */
  entry(): string | null {
    return null
  }

  /** What to type on a real node to see the entry; null where nothing shows it. */
  command(): string | null {
    return null
  }

  toString(): string {
    const entry = this.entry()
    return entry === null ? this.sentence() : `${this.sentence()}: ${entry}`
  }
}
