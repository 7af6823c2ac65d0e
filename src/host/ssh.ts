/** ssh MACHINE COMMAND: runs it over there, and prints what it prints. No bytes travel: SSH is not modelled. */
import { type Io, type Program, SIGINT, SIGTERM } from './process.ts'

/** What runs at the other end. */
export interface RemoteCommand {
  readonly process: { kill(signal: number): void }
  readonly exit: Promise<number>
}

/** Where ssh leads to. */
export interface RemoteShell {
  shell(line: string, io: Io): RemoteCommand
}

/** `lookup` finds a machine's place by the name typed; null when there is none. */
export function ssh(lookup: (name: string) => RemoteShell | null): Program {
  return async (self) => {
    const words = self.args.slice(1)
    while (words[0]?.startsWith('-') === true) {
      const option = words.shift() ?? ''
      if (/^-[oipl]$/.test(option)) words.shift()
    }
    const target = words.shift()
    if (target === undefined) {
      self.err('usage: ssh [user@]hostname [command]\n')
      return 255
    }
    const name = target.slice(target.indexOf('@') + 1)
    const place = lookup(name)
    if (place === null) {
      self.err(`ssh: Could not resolve hostname ${name}: Name or service not known\n`)
      return 255
    }
    if (words.length === 0) {
      self.err(`podwire: ssh without a command is not modelled: write  ssh ${target} COMMAND\n`)
      return 255
    }
    const remote = place.shell(words.join(' '), {
      out: (text) => self.out(text),
      err: (text) => self.err(text),
      stdin: self.stdin.pipe,
    })
    const end = { close: () => remote.process.kill(SIGTERM) }
    self.own(end)
    // As with a terminal at both ends (ssh -t): who interrupts ssh interrupts what runs over there.
    for (const signal of [SIGINT, SIGTERM]) self.trap(signal, () => remote.process.kill(signal))
    const code = await remote.exit
    self.disclaim(end)
    return code
  }
}
