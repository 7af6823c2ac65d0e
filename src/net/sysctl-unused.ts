/**
 * Switches that are kept and read back, but that nothing here reads: what they are about is not modelled. Whoever sets one
 * is told so. Not listed is what changes no frame on Linux either: `tag` and `bootp_relay` (nobody reads them there),
 * ip_early_demux (a short cut), ip_dynaddr, ping_group_range and ip_unprivileged_port_start (everybody is root here).
 */

import { PREFIX, unusedSwitches } from '../netfilter/ipvs/settings.ts'

const IGMP = 'IGMP'
const IPSEC = 'IPsec'

/** Below net.ipv4.conf.DEVICE, net.ipv4.neigh.DEVICE, and whole names: what is missing. */
const missing: Readonly<Record<string, string>> = {
  ...Object.fromEntries(unusedSwitches.map((name) => [PREFIX + name, 'this part of IPVS'])),
  disable_policy: IPSEC,
  disable_xfrm: IPSEC,
  force_igmp_version: IGMP,
  igmpv2_unsolicited_report_interval: IGMP,
  igmpv3_unsolicited_report_interval: IGMP,
  interval_probe_time_ms: 'probing of managed neighbours',
  'net.ipv4.fwmark_reflect': "a reply that takes its packet's mark",
  'net.ipv4.icmp_echo_enable_probe': 'ICMP extended echo (RFC 8335)',
  'net.ipv4.igmp_link_local_mcast_reports': IGMP,
  'net.ipv4.igmp_max_memberships': IGMP,
  'net.ipv4.igmp_max_msf': IGMP,
  'net.ipv4.igmp_qrv': IGMP,
  'net.ipv4.ip_forward_use_pmtu': "forwarding by a learnt path's MTU",
  'net.ipv4.ip_local_reserved_ports': 'a port that is reserved',
  'net.ipv4.tcp_app_win': 'a reserve of the window for the program',
  'net.ipv4.tcp_autocorking': 'autocorking',
  'net.ipv4.tcp_fastopen': 'TCP Fast Open',
  'net.ipv4.tcp_fastopen_blackhole_timeout_sec': 'TCP Fast Open',
  'net.ipv4.tcp_fastopen_key': 'TCP Fast Open',
  'net.ipv4.tcp_limit_output_bytes': 'a queue below TCP',
  'net.ipv4.tcp_migrate_req': 'a listener that inherits from another',
  'net.ipv4.tcp_no_metrics_save': 'what earlier connections to a host have learnt',
  'net.ipv4.tcp_no_ssthresh_metrics_save': 'what earlier connections to a host have learnt',
  'net.ipv4.tcp_plb_enabled': 'protective load balancing',
  'net.ipv4.tcp_workaround_signed_windows': 'peers that take windows for signed',
}

/** What a switch needs that is not modelled; null: it does what it says. `name` has dots. */
export function missingFor(name: string): string | null {
  const device = name.startsWith('net.ipv4.conf.') || name.startsWith('net.ipv4.neigh.')
  return missing[device ? name.slice(name.lastIndexOf('.') + 1) : name] ?? null
}

/** Values besides the initial one with which a switch asks for nothing that is missing. */
const harmless: Readonly<Record<string, readonly string[]>> = {
  'net.ipv4.tcp_autocorking': ['0'],
  'net.ipv4.tcp_fastopen': ['0'],
  'net.ipv4.tcp_no_metrics_save': ['1'],
}

/** The same for one value: null as well when the value is what podwire does anyway. */
export function missingForValue(name: string, value: string, initial: string): string | null {
  return value === initial || harmless[name]?.includes(value) === true ? null : missingFor(name)
}
