/** A built network once more, in network namespaces of the kernel. */
import { execFileSync } from 'node:child_process'
import type { NetDevice } from '../../link/device.ts'
import type { Netns } from '../../net/netns.ts'
import type { Network } from '../networks.ts'
import { type Plan, planOf } from './plan.ts'
import type { Running } from './program.ts'

/** All names of a run begin with this, its process's id and the peer. */
const FAMILY = 'podwire-bench-'

/** What frames meet. All else is as the kernel has it, which is how podwire has it; no IPv6, which podwire has not. */
const READ = /^net\.(ipv4\.ip_forward|ipv4\.conf\.(all|default)\.rp_filter|bridge\.)/
const SYSCTLS = [
  'net.ipv6.conf.all.disable_ipv6=1',
  'net.ipv6.conf.default.disable_ipv6=1',
  // podwire does not prove checksums again that were computed in its own world.
  'net.netfilter.nf_conntrack_checksum=0',
]

export interface Options {
  /** Whose eth0 drops what arrives. */
  readonly sinks: readonly Netns[]
  /** iptables' rules in x_tables instead of nf_tables. */
  readonly legacy: boolean
  /** Segments as large as the cables take, as podwire's TCP makes them. */
  readonly segments: boolean
}

export class Namespaces {
  readonly #peer: string
  readonly #running: Running
  readonly #prefix: string
  #count = 0

  constructor(peer: string, running: Running) {
    this.#peer = peer
    this.#running = running
    this.#prefix = `${FAMILY}${process.pid}-${peer}.`
  }

  /** Returns the names of the network's namespaces. */
  async make(network: Network, options: Options): Promise<ReadonlyMap<Netns, string>> {
    const number = ++this.#count
    const all = [network.a, network.b, ...network.between]
    const names = new Map(all.map((netns, i) => [netns, `${this.#prefix}${number}.${i}`]))
    const nameOf = (netns: Netns) => names.get(netns)!
    const made = new Set<NetDevice>()
    const plans = all.map((netns) => planOf(netns, nameOf, made))
    await this.#running.output(this.#peer, 'sh', ['-s'], script(plans, nameOf, options))
    return names
  }

  /** Those of this peer and run, at once. */
  remove(): void {
    for (const name of namespacesNamed(this.#prefix)) removeNamespace(name)
  }

  /** Those of runs that were killed. */
  static forgetTheDead(): void {
    for (const name of namespacesNamed(FAMILY)) {
      const pid = Number(name.slice(FAMILY.length).split('-')[0])
      if (!isAlive(pid)) removeNamespace(name)
    }
  }
}

/** Phase by phase, since a cable needs both namespaces and a route its device. */
function script(plans: readonly Plan[], nameOf: (netns: Netns) => string, options: Options): string {
  const lines = ['set -e', 'PATH=$PATH:/usr/sbin:/sbin']
  const inside = (netns: Netns) => `nsenter --net=/run/netns/${nameOf(netns)}`
  const fed = (command: string, text: readonly string[]) => {
    if (text.length > 0) lines.push(`${command} <<'END'`, ...text, 'END')
  }
  for (const { netns } of plans) lines.push(`ip netns add ${nameOf(netns)}`)
  for (const { netns, sysctls } of plans) {
    const written = [...sysctls.filter((line) => READ.test(line)), ...SYSCTLS]
    lines.push(`${inside(netns)} sysctl -e -q -w ${written.join(' ')} 2> /dev/null || true`)
  }
  for (const { netns, links } of plans) fed(`ip -n ${nameOf(netns)} -batch -`, links)
  for (const { netns, devices } of options.segments ? plans : []) {
    const each = `for d in ${devices.join(' ')}; do ethtool -K $d tso off gso off gro off; done`
    lines.push(`${inside(netns)} sh -c '${each}' > /dev/null 2>&1 || true`)
  }
  for (const { netns, settings, fdb, rules, nft } of plans) {
    fed(`ip -n ${nameOf(netns)} -batch -`, settings)
    fed(`bridge -n ${nameOf(netns)} -batch -`, fdb)
    if (rules !== '')
      fed(`${inside(netns)} iptables-${options.legacy ? 'legacy' : 'nft'}-restore`, rules.trimEnd().split('\n'))
    if (nft !== '') fed(`${inside(netns)} nft -f -`, nft.trimEnd().split('\n'))
  }
  const drop = 'table netdev sink { chain in { type filter hook ingress device eth0 priority 0; ip version 4 drop; }; }'
  for (const netns of options.sinks) fed(`${inside(netns)} nft -f -`, [drop])
  return lines.join('\n')
}

function namespacesNamed(beginning: string): string[] {
  const all = execFileSync('ip', ['netns', 'list'], { encoding: 'utf8', stdio: 'pipe' })
  const names = all.split('\n').map((line) => line.split(' ')[0])
  return names.filter((name) => name.startsWith(beginning))
}

function removeNamespace(name: string): void {
  try {
    execFileSync('ip', ['netns', 'delete', name], { stdio: 'ignore' })
  } catch {
    // Somebody else was quicker.
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
