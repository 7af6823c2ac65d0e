/** The kernel of this machine, in namespaces that are made after podwire's own networks (bench/peers/kernel tells how frames get there). */
import { existsSync } from 'node:fs'
import { release } from 'node:os'
import { Veth } from '../../link/veth.ts'

import { BACKEND_PORT, bridge, type Network } from '../networks.ts'
import type { Counterpart, Point } from '../points.ts'
import { answerOf, requestOf } from '../traffic.ts'
import { header, mustBeLinux, mustHave, sharedCore, tool } from './machine.ts'
import { Namespaces } from './namespaces.ts'
import type { Line, Opened, Peer } from './peer.ts'
import { namespaceOf } from './plan.ts'
import { built, Running } from './program.ts'

const BRIDGE_FILTER = '/proc/sys/net/bridge/bridge-nf-call-iptables'
/** Enough to see whether this kernel lets frames be injected. */
const TRIAL = 0.001

export class KernelPeer implements Peer {
  readonly name: string
  /** iptables' rules in x_tables, not in nf_tables. */
  readonly #legacy: boolean
  readonly #running = new Running()
  readonly #namespaces: Namespaces
  #program = ''
  #core = 0

  constructor(name: string, legacy: boolean) {
    this.name = name
    this.#legacy = legacy
    this.#namespaces = new Namespaces(name, this.#running)
  }

  get description(): string {
    const rules = this.#legacy ? 'iptables-legacy' : 'iptables-nft'
    return `Linux ${release()}, rules of iptables by ${rules}, one process on core ${this.#core}`
  }

  has({ counterpart }: Point): boolean {
    return counterpart !== null
  }

  async ready(points: readonly Point[]): Promise<void> {
    mustBeLinux(this.name)
    if (process.getuid?.() !== 0) {
      throw new RangeError(`podwire: --against ${this.name} needs root: it injects frames into namespaces of its own`)
    }
    const restore = this.#legacy ? 'iptables-legacy-restore' : 'iptables-nft-restore'
    mustHave(this.name, [
      tool('cc', 'gcc'),
      header('stdio.h', 'libc6-dev'),
      tool('ip', 'iproute2'),
      tool(restore, 'iptables'),
      tool('nft', 'nftables'),
      tool('ethtool', 'ethtool'),
      tool('sysctl', 'procps'),
      tool('nsenter', 'util-linux'),
    ])
    const filtered = points.some(({ counterpart }) => counterpart !== null && counterpart.traffic !== 'there')
    // Loading it here would change what the machine's own bridges do.
    if (filtered && !existsSync(BRIDGE_FILTER)) {
      throw new RangeError(`podwire: --against ${this.name} needs the module br_netfilter: modprobe br_netfilter`)
    }
    const options = ['-O2', '-std=gnu11', '-Wall']
    this.#program = built({ peer: 'kernel', compiler: 'cc', suffix: '.c', options, libraries: [] })
    this.#core = sharedCore()
    Namespaces.forgetTheDead()
    const trial: Counterpart = { traffic: 'there', network: bridge, services: 1 }
    const opened = await this.#open('trial', 64, trial)
    try {
      await opened.measure(TRIAL)
    } finally {
      opened.close()
    }
  }

  open({ workload, frame }: Point, counterpart: Counterpart): Promise<Opened> {
    return this.#open(workload, frame, counterpart)
  }

  close(): void {
    this.#running.stop()
    if (this.#program !== '') this.#namespaces.remove()
  }

  async #open(workload: string, frame: number, { traffic, network, services }: Counterpart): Promise<Opened> {
    const built = network(false)
    const tcp = traffic === 'tcp'
    const options = { sinks: tcp ? [] : [built.a, built.b], legacy: this.#legacy, segments: tcp }
    const began = performance.now()
    let names: Awaited<ReturnType<Namespaces['make']>>
    try {
      names = await this.#namespaces.make(built, options)
    } catch (error) {
      this.close()
      throw error
    }
    const buildMs = performance.now() - began
    const nameOf: NameOf = (netns) => names.get(netns)!
    const words = wordsOf[traffic](built, frame, services, nameOf)
    const measure = (seconds: number): Promise<Line> => {
      const [kind, ...rest] = words
      const args = [workload, kind, String(seconds), String(this.#core), ...rest]
      return this.#running.line(this.name, this.#program, args)
    }
    return { buildMs, measure, close: () => this.close() }
  }
}

type NameOf = (netns: Network['a']) => string

/** What the program is told: the kind, and what follows its seconds and its core. */
const wordsOf: Readonly<
  Record<Counterpart['traffic'], (network: Network, frame: number, services: number, nameOf: NameOf) => string[]>
> = {
  there: (network, frame, _, nameOf) => ['inject', ...ends(network, nameOf), ...wayThere(network, frame, nameOf)],
  'there and back': (network, frame, _, nameOf) => {
    const back = [...hostEnd(network.bDevice, nameOf), hexadecimal(answerOf(network, frame))]
    return ['inject', ...ends(network, nameOf), ...wayThere(network, frame, nameOf), ...back]
  },
  tcp: (network, _frame, _services, nameOf) => {
    const { target, targetPort, backend } = network
    return ['tcp', ...ends(network, nameOf), target, String(targetPort), backend, String(BACKEND_PORT)]
  },
  connections: (network, frame, services, nameOf) => {
    const call = hexadecimal(requestOf(network, frame))
    return ['connect', ...ends(network, nameOf), nameOf(network.between[0]), call, String(services)]
  },
}

function ends({ a, b }: Network, nameOf: NameOf): string[] {
  return [nameOf(a), nameOf(b)]
}

function wayThere(network: Network, frame: number, nameOf: NameOf): string[] {
  return [...hostEnd(network.aDevice, nameOf), hexadecimal(requestOf(network, frame))]
}

/** The namespace and the name of a pod's cable's other end. */
function hostEnd(device: Network['aDevice'], nameOf: NameOf): string[] {
  const far = device instanceof Veth ? device.peer : null
  const netns = far === null ? null : namespaceOf(far)
  if (far === null || netns === null) throw new Error(`${device.name} is no cable`)
  return [nameOf(netns), far.name]
}

function hexadecimal(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
