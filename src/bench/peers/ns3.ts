/** ns-3, the network simulator: Debian's library and a program of ours (bench/peers/ns3). */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Counterpart, Point } from '../points.ts'
import { header, machine, mustBeLinux, mustHave, sharedCore, tool } from './machine.ts'
import type { Opened, Peer } from './peer.ts'
import { built, Running } from './program.ts'

const HEADER = 'ns3/core-module.h'
const MODULES = ['core', 'network', 'internet', 'csma', 'bridge', 'point-to-point', 'applications']
/** It has no netfilter, no conntrack and no VXLAN. */
const WORKLOADS = ['W1', 'W2', 'W5']

export class Ns3Peer implements Peer {
  readonly name: string
  /** ns-3 leaves checksums out unless it is told. */
  readonly #checksums: boolean
  readonly #running = new Running()
  #program = ''
  #core = 0

  constructor(name: string, checksums: boolean) {
    this.name = name
    this.#checksums = checksums
  }

  get description(): string {
    const checksums = this.#checksums ? 'checksums on' : "checksums off, which is ns-3's default"
    return `ns-3${version()}, ${checksums}, on core ${this.#core}; its W5 has neither a Service nor VXLAN`
  }

  has({ workload }: Point): boolean {
    return WORKLOADS.includes(workload)
  }

  async ready(): Promise<void> {
    mustBeLinux(this.name)
    mustHave(this.name, [tool('c++', 'g++'), header(HEADER, 'libns3-dev'), tool('taskset', 'util-linux')])
    const options = ['-O3', '-DNDEBUG', '-std=c++17', `-I${machine.header(HEADER)}`]
    const libraries = MODULES.map((module) => `-lns3-${module}`)
    this.#program = built({ peer: 'ns3', compiler: 'c++', suffix: '.cc', options, libraries })
    this.#core = sharedCore()
  }

  async open({ workload, frame }: Point, _: Counterpart): Promise<Opened> {
    const checksums = this.#checksums ? 'on' : 'off'
    const measure = (seconds: number) => {
      const args = [workload, String(seconds), String(frame), checksums]
      return this.#running.line(this.name, 'taskset', ['-c', String(this.#core), this.#program, ...args])
    }
    return { buildMs: 0, measure, close: () => this.close() }
  }

  close(): void {
    this.#running.stop()
  }
}

/** Debian's: `libns3.37-core.so` or `libns3-core.so.37`. Empty when it is kept elsewhere. */
function version(): string {
  const base = '/usr/lib'
  const folders = existsSync(base) ? readdirSync(base).filter((name) => name.endsWith('-linux-gnu')) : []
  for (const folder of folders) {
    for (const name of readdirSync(join(base, folder))) {
      const found = /^libns3(?:\.(\d+))?-core\.so(?:\.(\d+))?$/.exec(name)
      if (found !== null && (found[1] ?? found[2]) !== undefined) return ` 3.${found[1] ?? found[2]}`
    }
  }
  return ''
}
