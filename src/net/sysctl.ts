/**
 * A namespace's sysctls: the names below /proc/sys that podwire knows, as text. What the path of a frame reads
 * is kept as plain fields by whoever reads it; `watch` tells them of changes.
 */

const defaults: Readonly<Record<string, string>> = {
  'net.ipv4.ip_forward': '0',
  'net.ipv4.ip_default_ttl': '64',
  'net.ipv4.ip_local_port_range': '32768\t60999',
  'net.ipv4.icmp_ratelimit': '1000',
  'net.ipv4.icmp_ratemask': '6168',
  'net.ipv4.icmp_echo_ignore_all': '0',
  'net.ipv4.conf.all.route_localnet': '0',
  'net.ipv4.conf.all.forwarding': '0',
  'net.ipv4.conf.all.rp_filter': '0',
  'net.ipv4.conf.default.rp_filter': '0',
  'net.ipv4.ipfrag_time': '30',
  'net.ipv4.route.mtu_expires': '600',
  'net.ipv4.neigh.default.base_reachable_time_ms': '30000',
  'net.ipv4.neigh.default.delay_first_probe_time': '5',
  'net.ipv4.neigh.default.mcast_solicit': '3',
  'net.ipv4.neigh.default.ucast_solicit': '3',
  'net.ipv4.neigh.default.retrans_time_ms': '1000',
  'net.ipv4.tcp_congestion_control': 'cubic',
  'net.ipv4.tcp_fin_timeout': '60',
  'net.ipv4.tcp_rmem': '4096\t131072\t6291456',
  'net.ipv4.tcp_wmem': '4096\t16384\t4194304',
  'net.ipv4.tcp_sack': '1',
  'net.ipv4.tcp_timestamps': '1',
  'net.ipv4.tcp_window_scaling': '1',
  'net.ipv4.tcp_syn_retries': '6',
  'net.ipv4.tcp_synack_retries': '5',
  'net.ipv4.tcp_syn_linear_timeouts': '4',
  'net.ipv4.tcp_retries2': '15',
  'net.bridge.bridge-nf-call-iptables': '1',
  'net.bridge.bridge-nf-call-arptables': '1',
  'net.netfilter.nf_conntrack_max': '262144',
  'net.netfilter.nf_conntrack_tcp_be_liberal': '0',
  'net.netfilter.nf_conntrack_tcp_timeout_syn_sent': '120',
  'net.netfilter.nf_conntrack_tcp_timeout_syn_recv': '60',
  'net.netfilter.nf_conntrack_tcp_timeout_established': '432000',
  'net.netfilter.nf_conntrack_tcp_timeout_fin_wait': '120',
  'net.netfilter.nf_conntrack_tcp_timeout_close_wait': '60',
  'net.netfilter.nf_conntrack_tcp_timeout_last_ack': '30',
  'net.netfilter.nf_conntrack_tcp_timeout_time_wait': '120',
  'net.netfilter.nf_conntrack_tcp_timeout_close': '10',
  'net.netfilter.nf_conntrack_udp_timeout': '30',
  'net.netfilter.nf_conntrack_udp_timeout_stream': '120',
  'net.netfilter.nf_conntrack_icmp_timeout': '30',
  'net.netfilter.nf_conntrack_generic_timeout': '600',
  'net.ipv6.conf.all.disable_ipv6': '1',
  'net.ipv6.conf.default.disable_ipv6': '1',
}

/** Two names for one switch. */
const aliases: Readonly<Record<string, string>> = { 'net.ipv4.conf.all.forwarding': 'net.ipv4.ip_forward' }

export class Sysctl {
  #values = new Map<string, string>()
  #watchers: ((name: string, value: string) => void)[] = []

  /** Null when podwire does not know the name. Slashes may stand for dots, as sysctl(8) allows. */
  get(name: string): string | null {
    const key = canonical(name)
    return this.#values.get(key) ?? defaults[key] ?? null
  }

  /** 0 when the value is not a number. */
  number(name: string): number {
    return Number.parseInt(this.get(name) ?? '0', 10) || 0
  }

  /** False when podwire does not know the name. */
  set(name: string, value: string): boolean {
    const key = canonical(name)
    if (this.get(key) === null) return false
    const stored = value.trim().replace(/\s+/g, '\t')
    this.#values.set(key, stored)
    for (const watcher of this.#watchers) watcher(key, stored)
    return true
  }

  names(): string[] {
    return Object.keys(defaults).sort()
  }

  watch(watcher: (name: string, value: string) => void): void {
    this.#watchers.push(watcher)
  }
}

function canonical(name: string): string {
  // A device name may hold a dot, which sysctl(8) writes as a slash: conf/eth0.100 is rare enough to leave out.
  const dotted = name.includes('/') ? name.replaceAll('/', '.') : name
  return aliases[dotted] ?? dotted
}
