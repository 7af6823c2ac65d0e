/** Hears what a box's netfilter decides, and proves each entry by the command that is said to show it, at that moment. */
import { expect } from 'vitest'
import type { Decision } from '../../src/link/decision.ts'
import type { DropReason, Frame, Tracer } from '../../src/link/frame.ts'
import type { Box } from './box.ts'

export class Listener implements Tracer {
  /** What was decided, a line each. */
  readonly lines: string[] = []
  readonly #box: Box

  constructor(box: Box) {
    this.#box = box
    box.world.trace(this)
  }

  decided(_frame: Frame, where: string, decision: Decision): void {
    expect(where).toBe('node1')
    this.lines.push(String(decision))
    const entry = decision.entry()
    const command = decision.command()
    expect(command === null).toBe(entry === null)
    if (entry !== null && command !== null) expect(this.#run(command), command).toContain(entry)
  }

  dropped(_frame: Frame, _reason: DropReason): void {
    this.lines.push('dropped')
  }

  /** The lines since the last asking. */
  heard(): string[] {
    return this.lines.splice(0)
  }

  stop(): void {
    this.#box.world.untrace()
  }

  #run(command: string): string {
    const { netfilter } = this.#box
    const [program, ...args] = command.split(' ')
    switch (program) {
      case 'iptables':
        return netfilter.iptables(args)
      case 'iptables-legacy':
        return netfilter.iptables(args, netfilter.legacy)
      case 'conntrack':
        expect(args).toEqual(['-L'])
        return this.#box.flows().join('\n')
      case 'ipset':
        return netfilter.ipset(args).out
      case 'nft':
        expect(args[0]).toBe('-s')
        return netfilter.runNft({ name: '', text: args.slice(1).join(' '), stateless: true }, () => this.#box.devices)
          .out
      default:
        throw new Error(`nobody knows ${command}`)
    }
  }
}
