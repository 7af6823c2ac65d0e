/** What a command of iproute2's kind, or sysctl, prints in a namespace at this very moment. */
import { iprouteCommands } from '../../src/host/commands/iproute.ts'
import type { Process } from '../../src/host/process.ts'
import type { Decision } from '../../src/link/decision.ts'
import type { Netns } from '../../src/net/netns.ts'

/** These commands run to their end without waiting for anything. */
export function printed(netns: Netns, line: string): string {
  let text = ''
  const write = (more: string) => {
    text += more
  }
  const { world } = netns
  const machine = { world, namespaces: new Map(), netns }
  const args = line.split(' ')
  const self = {
    args,
    netns,
    out: write,
    err: write,
    env: {},
    place: { machine, netns },
    now: () => world.scheduler.now,
  }
  void iprouteCommands[args[0]](self as unknown as Process)
  return text
}

/** Null: the entry of the decision stands in what its command prints, or it has none. Otherwise what is wrong. */
export function misspelt(netns: Netns | null, where: string, decision: Decision): string | null {
  const entry = decision.entry()
  const command = decision.command()
  if (entry === null) return null
  if (command === null) return `${entry}: no command shows it`
  const text = netns === null ? `no namespace ${where}` : printed(netns, command)
  return text.includes(entry) ? null : `${where}$ ${command}\n${text}has no ${entry}\n(${decision.sentence()})`
}
