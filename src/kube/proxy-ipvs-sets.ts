/**
 * The IP sets of kube-proxy's ipvs mode (pkg/proxy/ipvs/ipset.go, 1.32): what its few rules ask. All of them are there
 * from the beginning, most of them empty.
 */
import type { Netfilter } from '../netfilter/netfilter.ts'

type SetType = 'hash:ip' | 'hash:ip,port' | 'hash:ip,port,ip' | 'hash:ip,port,net' | 'bitmap:port'

/** By name: its type, and what rules that ask it say in their comment. */
const kinds = {
  'KUBE-LOOP-BACK': ['hash:ip,port,ip', 'Kubernetes endpoints dst ip:port, source ip for solving hairpin purpose'],
  'KUBE-CLUSTER-IP': ['hash:ip,port', 'Kubernetes service cluster ip + port for masquerade purpose'],
  'KUBE-EXTERNAL-IP': ['hash:ip,port', 'Kubernetes service external ip + port for masquerade and filter purpose'],
  'KUBE-EXTERNAL-IP-LOCAL': ['hash:ip,port', 'Kubernetes service external ip + port with externalTrafficPolicy=local'],
  'KUBE-LOAD-BALANCER': ['hash:ip,port', 'Kubernetes service lb portal'],
  'KUBE-LOAD-BALANCER-FW': [
    'hash:ip,port',
    'Kubernetes service load balancer ip + port for load balancer with sourceRange',
  ],
  'KUBE-LOAD-BALANCER-LOCAL': [
    'hash:ip,port',
    'Kubernetes service load balancer ip + port with externalTrafficPolicy=local',
  ],
  'KUBE-LOAD-BALANCER-SOURCE-IP': [
    'hash:ip,port,ip',
    'Kubernetes service load balancer ip + port + source IP for packet filter purpose',
  ],
  'KUBE-LOAD-BALANCER-SOURCE-CIDR': [
    'hash:ip,port,net',
    'Kubernetes service load balancer ip + port + source cidr for packet filter purpose',
  ],
  'KUBE-NODE-PORT-TCP': ['bitmap:port', 'Kubernetes nodeport TCP port for masquerade purpose'],
  'KUBE-NODE-PORT-LOCAL-TCP': ['bitmap:port', 'Kubernetes nodeport TCP port with externalTrafficPolicy=local'],
  'KUBE-NODE-PORT-UDP': ['bitmap:port', 'Kubernetes nodeport UDP port for masquerade purpose'],
  'KUBE-NODE-PORT-LOCAL-UDP': ['bitmap:port', 'Kubernetes nodeport UDP port with externalTrafficPolicy=local'],
  'KUBE-NODE-PORT-SCTP-HASH': [
    'hash:ip,port',
    "Kubernetes nodeport SCTP port for masquerade purpose with type 'hash ip:port'",
  ],
  'KUBE-NODE-PORT-LOCAL-SCTP-HASH': [
    'hash:ip,port',
    "Kubernetes nodeport SCTP port with externalTrafficPolicy=local with type 'hash ip:port'",
  ],
  'KUBE-HEALTH-CHECK-NODE-PORT': ['bitmap:port', 'Kubernetes health check node port'],
  'KUBE-IPVS-IPS': ['hash:ip', 'Addresses bound to kube-ipvs0'],
} as const satisfies Readonly<Record<string, readonly [SetType, string]>>

export type SetName = keyof typeof kinds

const names = Object.keys(kinds) as SetName[]

export class ProxySets {
  readonly #netfilter: Netfilter
  readonly #wanted = new Map<SetName, Set<string>>(names.map((name) => [name, new Set()]))

  constructor(netfilter: Netfilter) {
    this.#netfilter = netfilter
  }

  comment(name: SetName): string {
    return `-m comment --comment "${kinds[name][1]}"`
  }

  /** Begins anew: makes what is not there, and wants nothing yet. */
  ensure(): void {
    const lines = names.map((name) => {
      const [type] = kinds[name]
      const options = type === 'bitmap:port' ? 'range 0-65535' : 'family inet hashsize 1024 maxelem 65536'
      return `create ${name} ${type} ${options} -exist`
    })
    this.#netfilter.ipset(['restore'], `${lines.join('\n')}\n`)
    for (const entries of this.#wanted.values()) entries.clear()
  }

  want(name: SetName, entry: string): void {
    this.#wanted.get(name)?.add(entry)
  }

  isEmpty(name: SetName): boolean {
    return this.#wanted.get(name)?.size === 0
  }

  /** syncIPSetEntries: what is there and not wanted goes first. */
  apply(): void {
    const lines: string[] = []
    for (const [name, wanted] of this.#wanted) {
      const present = new Set(this.#entries(name))
      for (const entry of [...present].filter((each) => !wanted.has(each)).sort()) lines.push(`del ${name} ${entry}`)
      for (const entry of [...wanted].filter((each) => !present.has(each)).sort())
        lines.push(`add ${name} ${entry} -exist`)
    }
    if (lines.length > 0) this.#netfilter.ipset(['restore'], `${lines.join('\n')}\n`)
  }

  #entries(name: SetName): string[] {
    const { out } = this.#netfilter.ipset(['list', name])
    const members = out.indexOf('Members:\n')
    return members < 0
      ? []
      : out
          .slice(members + 9)
          .split('\n')
          .filter((line) => line !== '')
  }
}
