/**
 * The CNI plug-in portmap, iptables backend: hostPort. A chain for each pod, named by a hash of the network and the
 * sandbox, behind chains that all pods share and that stay when the last pod has gone.
 */
import { sha512Hex } from '../../host/sha512.ts'
import type { Netns } from '../../net/netns.ts'
import { NetfilterError } from '../../netfilter/error.ts'
import { formatIpv4, parseIpv4 } from '../../wire/address.ts'
import type { CniResult } from './plugin.ts'

export interface PortMapping {
  readonly hostPort: number
  readonly containerPort: number
  readonly protocol: 'tcp' | 'udp' | 'sctp'
  /** Only at this address of the node; empty: at all. */
  readonly hostIP: string
}

const UDP = 17
const LOCAL = ['-m', 'addrtype', '--dst-type', 'LOCAL']
const DNAT = 'CNI-HOSTPORT-DNAT'
const SETMARK = 'CNI-HOSTPORT-SETMARK'
const MASQ = 'CNI-HOSTPORT-MASQ'
/** xt_multiport takes no more in one rule. */
const MULTIPORT = 15

export class PortMap {
  readonly #netns: Netns
  readonly #network: string
  /** The bridge that the pods are behind. */
  readonly #bridge: string
  readonly #mapped = new Map<string, readonly PortMapping[]>()

  /** `network`: the name of the CNI configuration; flannel's is `cbr0`. */
  constructor(netns: Netns, bridge: string, network = 'cbr0') {
    this.#netns = netns
    this.#bridge = bridge
    this.#network = network
  }

  add(id: string, result: CniResult, mappings: readonly PortMapping[]): void {
    if (mappings.length === 0) return
    this.#mapped.set(id, mappings)
    this.#shared()
    this.#netns.sysctl.set(`net.ipv4.conf.${this.#bridge}.route_localnet`, '1')
    const chain = this.#chain(id)
    this.#ensureChain(chain)
    for (const rule of this.#entries(id)) this.#nat('-A', DNAT, ...rule)
    const address = formatIpv4(result.address)
    for (const { hostPort, containerPort, protocol, hostIP } of mappings) {
      const at = hostIP === '' ? [] : ['-d', hostIP]
      const match = ['-p', protocol, '--dport', String(hostPort)]
      // The pod itself and its neighbours, and the node by 127.0.0.1: answers must come back this way.
      for (const source of [`${address}/${result.prefix}`, '127.0.0.1']) {
        this.#nat('-A', chain, '-s', source, ...at, ...match, '-j', SETMARK)
      }
      this.#nat('-A', chain, ...at, ...match, '-j', 'DNAT', '--to-destination', `${address}:${containerPort}`)
    }
    this.#forgetFlows(mappings)
  }

  del(id: string): void {
    if (!this.#mapped.has(id)) return
    for (const rule of this.#entries(id)) this.#nat('-D', DNAT, ...rule)
    this.#mapped.delete(id)
    this.#nat('-F', this.#chain(id))
    this.#nat('-X', this.#chain(id))
  }

  #shared(): void {
    for (const chain of [DNAT, SETMARK, MASQ]) this.#ensureChain(chain)
    const rules: [string, string, ...string[]][] = [
      ['-A', SETMARK, ...note('CNI portfwd masquerade mark'), '-j', 'MARK', '--set-xmark', '0x2000/0x2000'],
      ['-A', MASQ, '-m', 'mark', '--mark', '0x2000/0x2000', '-j', 'MASQUERADE'],
      ['-A', 'PREROUTING', ...LOCAL, '-j', DNAT],
      ['-A', 'OUTPUT', ...LOCAL, '-j', DNAT],
      ['-I', 'POSTROUTING', ...note('CNI portfwd requiring masquerade'), '-j', MASQ],
    ]
    for (const [how, ...rule] of rules) if (!this.#has(['-C', ...rule])) this.#nat(how, ...rule)
  }

  /** The rules that lead to the pod's chain: one for each protocol and up to fifteen ports. */
  #entries(id: string): string[][] {
    const mappings = this.#mapped.get(id) ?? []
    const name = note(`dnat name: "${this.#network}" id: "${id}"`)
    return (['tcp', 'udp', 'sctp'] as const).flatMap((protocol) => {
      const ports = mappings.filter((mapping) => mapping.protocol === protocol).map((mapping) => mapping.hostPort)
      const count = Math.ceil(ports.length / MULTIPORT)
      return Array.from({ length: count }, (_, i) => {
        const some = ports.slice(i * MULTIPORT, (i + 1) * MULTIPORT).join(',')
        return ['-p', protocol, ...name, '-m', 'multiport', '--destination-ports', some, '-j', this.#chain(id)]
      })
    })
  }

  #chain(id: string): string {
    return `CNI-DN-${sha512Hex(this.#network + id)}`.slice(0, 28)
  }

  #ensureChain(chain: string): void {
    if (!this.#has(['-S', chain])) this.#nat('-N', chain)
  }

  #has(args: readonly string[]): boolean {
    try {
      this.#nat(...args)
      return true
    } catch (error) {
      if (error instanceof NetfilterError) return false
      throw error
    }
  }

  #nat(...args: readonly string[]): void {
    this.#netns.netfilter.iptables(['-t', 'nat', ...args])
  }

  /** Datagrams that came while nobody had the port would go on to nowhere. */
  #forgetFlows(mappings: readonly PortMapping[]): void {
    for (const { hostPort, protocol, hostIP } of mappings) {
      if (protocol !== 'udp') continue
      this.#netns.netfilter.conntrack.delete(({ original }) => {
        const here = hostIP === '' || original.destination === parseIpv4(hostIP)
        return original.protocol === UDP && original.destinationPort === hostPort && here
      })
    }
  }
}

function note(text: string): string[] {
  return ['-m', 'comment', '--comment', text]
}
