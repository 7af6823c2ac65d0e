/** A host on cables of its own, for what iproute2 and the kernel say of routes. */
import { expect } from 'vitest'
import { iprouteCommands } from '../../../src/host/commands/iproute.ts'
import { Box } from '../box.ts'

/** A host with e1, e2 and so on, 10.0.1.1/24, 10.0.2.1/24, whose other ends p1, p2 are its own. */
export class Cabled extends Box {
  readonly host = this.machine('host')

  constructor() {
    super(new Map(Object.entries(iprouteCommands)))
  }

  static async up(devices = 3): Promise<Cabled> {
    const made = new Cabled()
    for (let i = 1; i <= devices; i++) {
      await made.do(`ip link add e${i} type veth peer name p${i}`)
      await made.do(`ip addr add 10.0.${i}.1/24 dev e${i}`)
      await made.do(`ip link set e${i} up`)
      await made.do(`ip link set p${i} up`)
    }
    await made.do('sysctl -qw net.ipv4.fib_multipath_hash_seed=12345')
    return made
  }

  /** What a command prints, both streams; then its exit code, unless that is 0. */
  async types(line: string): Promise<string> {
    let text = ''
    const add = (more: string) => {
      text += more
    }
    const code = await this.runner.until(this.host.place.spawn(line.split(' '), { out: add, err: add, stdin: '' }).exit)
    return code === 0 ? text : `${text.trimEnd()} (${code})`
  }

  async do(line: string): Promise<void> {
    expect(await this.types(line), line).toBe('')
  }

  /** The device that `ip route get` names. */
  async goesBy(question: string): Promise<string> {
    return /dev (\S+)/.exec(await this.types(`ip route get ${question}`))?.[1] ?? ''
  }
}
