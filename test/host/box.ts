/** Machines, or just one, with whatever programs a test needs. */
import { expect } from 'vitest'
import { Machine } from '../../src/host/machine.ts'
import type { Place } from '../../src/host/place.ts'
import type { Io, Program } from '../../src/host/process.ts'
import { Runner } from '../../src/host/run.ts'
import { Veth } from '../../src/link/veth.ts'
import { World } from '../../src/link/world.ts'
import { route } from '../../src/net/route.ts'
import type { Nanos } from '../../src/sim/scheduler.ts'
import { macOf, parseCidr, parseIpv4 } from '../../src/wire/address.ts'

export interface Said {
  readonly code: number
  readonly out: string
  readonly err: string
  /** Virtual time that passed. */
  readonly took: Nanos
}

export class Box {
  readonly world = new World(7)
  readonly runner = new Runner(this.world)
  readonly #programs: ReadonlyMap<string, Program>

  constructor(programs: ReadonlyMap<string, Program>) {
    this.#programs = programs
    this.world.frames.poison = true
  }

  machine(name: string): Machine {
    return new Machine(this.runner, name, this.#programs)
  }

  /** Two machines on one cable, 10.0.0.1 and 10.0.0.2, each with a default route to the other. */
  pair(delay: Nanos = 0): [Machine, Machine] {
    const [a, b] = [this.machine('a'), this.machine('b')]
    const macs = [parseIpv4('10.0.0.1'), parseIpv4('10.0.0.2')].map((address) => macOf(2, 0x42, address))
    const [left, right] = Veth.pair(this.world, 'eth0', macs[0], 'eth0', macs[1], { delay })
    for (const [machine, device, own, other] of [
      [a, left, '10.0.0.1', '10.0.0.2'],
      [b, right, '10.0.0.2', '10.0.0.1'],
    ] as const) {
      machine.netns.adopt(device)
      machine.netns.addAddress(device, parseIpv4(own), 24)
      machine.netns.setUp(device)
      machine.netns.main.add(route({ destination: parseCidr('0.0.0.0/0'), gateway: parseIpv4(other), device }))
    }
    return [a, b]
  }

  /** Types a line at the place and waits for its end. */
  async say(place: Place, line: string, io: Partial<Io> = {}): Promise<Said> {
    let out = ''
    let err = ''
    const began = this.world.scheduler.now
    const running = place.shell(line, {
      out: (text) => {
        out += text
      },
      err: (text) => {
        err += text
      },
      ...io,
    })
    const code = await this.runner.until(running.exit)
    return { code, out, err, took: this.world.scheduler.now - began }
  }

  /** Everything has come to rest, and no frame was lost. */
  async rest(): Promise<void> {
    await this.runner.runFor(200e9)
    expect(this.world.frames.inUse).toBe(0)
  }
}

/** What both streams said, in order. */
export function transcript(): { readonly io: Io; text: () => string } {
  let text = ''
  const add = (more: string) => {
    text += more
  }
  return { io: { out: add, err: add }, text: () => text }
}
