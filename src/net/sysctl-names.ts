/**
 * The switches of a whole namespace below /proc/sys/net: their defaults, and the numbers they take. Those of one
 * device are in inet-device.ts and neighbour-parameters.ts. Defaults and ranges are those of Linux 6.x.
 */

import { conntrackSwitches } from '../netfilter/conntrack-settings.ts'
import { ipvsSwitches, PREFIX } from '../netfilter/ipvs/settings.ts'

/** What a switch takes: numbers from `least` to `most`, as many as its default has; or any text. */
export interface Switch {
  readonly initial: string
  readonly least: number
  readonly most: number
  readonly text: boolean
}

const INT_MAX = 2_147_483_647

function number(initial: number | string, least = -INT_MAX - 1, most = INT_MAX): Switch {
  return { initial: String(initial), least, most, text: false }
}

/** A `u8` that is used as a boolean, but takes what fits. */
function byte(initial: number): Switch {
  return number(initial, 0, 255)
}

function flag(initial: number): Switch {
  return number(initial, 0, 1)
}

function atLeast(least: number, initial: number | string): Switch {
  return number(initial, least)
}

function text(initial: string): Switch {
  return { initial, least: 0, most: 0, text: true }
}

/** What no namespace has but the machine's own. */
export const ofMachine: ReadonlySet<string> = new Set([
  'net.core.message_burst',
  'net.core.message_cost',
  'net.netfilter.nf_log_all_netns',
])

export const switches: Readonly<Record<string, Switch>> = {
  'net.core.message_burst': number(10),
  'net.core.message_cost': number(5),
  'net.core.somaxconn': number(4096, 0),
  'net.ipv4.fib_multipath_hash_fields': number(7, 1, 4095),
  'net.ipv4.fib_multipath_hash_policy': number(0, 0, 3),
  'net.ipv4.fib_multipath_hash_seed': atLeast(0, 0),
  'net.ipv4.fib_multipath_use_neigh': flag(0),
  'net.ipv4.fwmark_reflect': byte(0),
  'net.ipv4.icmp_echo_enable_probe': flag(0),
  'net.ipv4.icmp_echo_ignore_all': flag(0),
  'net.ipv4.icmp_echo_ignore_broadcasts': flag(1),
  'net.ipv4.icmp_errors_use_inbound_ifaddr': flag(0),
  'net.ipv4.icmp_ignore_bogus_error_responses': flag(1),
  'net.ipv4.icmp_msgs_burst': atLeast(0, 50),
  'net.ipv4.icmp_msgs_per_sec': atLeast(0, 1000),
  'net.ipv4.icmp_ratelimit': atLeast(0, 1000),
  'net.ipv4.icmp_ratemask': number(6168),
  'net.ipv4.igmp_link_local_mcast_reports': byte(1),
  'net.ipv4.igmp_max_memberships': number(20),
  'net.ipv4.igmp_max_msf': number(10),
  'net.ipv4.igmp_qrv': atLeast(1, 2),
  'net.ipv4.ip_autobind_reuse': flag(0),
  'net.ipv4.ip_default_ttl': number(64, 1, 255),
  'net.ipv4.ip_dynaddr': byte(0),
  'net.ipv4.ip_early_demux': byte(1),
  'net.ipv4.ip_forward': number(0),
  'net.ipv4.ip_forward_update_priority': flag(1),
  'net.ipv4.ip_forward_use_pmtu': byte(0),
  'net.ipv4.ip_local_port_range': number('32768\t60999', 1, 65_535),
  'net.ipv4.ip_local_reserved_ports': text(''),
  'net.ipv4.ip_no_pmtu_disc': byte(0),
  'net.ipv4.ip_nonlocal_bind': byte(0),
  'net.ipv4.ip_unprivileged_port_start': number(1024, 0, 65_535),
  'net.ipv4.ipfrag_high_thresh': number(4_194_304, 0),
  'net.ipv4.ipfrag_low_thresh': number(3_145_728, 0),
  'net.ipv4.ipfrag_max_dist': atLeast(0, 64),
  'net.ipv4.ipfrag_time': number(30),
  'net.ipv4.nexthop_compat_mode': flag(1),
  'net.ipv4.ping_group_range': number('1\t0', 0),
  'net.ipv4.raw_l3mdev_accept': flag(1),
  'net.ipv4.route.min_adv_mss': number(256),
  'net.ipv4.route.min_pmtu': atLeast(68, 552),
  'net.ipv4.route.mtu_expires': number(600),
  'net.ipv4.tcp_adv_win_scale': number(1, -31, 31),
  'net.ipv4.tcp_app_win': number(31, 0, 31),
  'net.ipv4.tcp_autocorking': byte(1),
  'net.ipv4.tcp_base_mss': number(1024),
  'net.ipv4.tcp_challenge_ack_limit': number(0x7fffffff, 0),
  'net.ipv4.tcp_comp_sack_delay_ns': number(1_000_000),
  'net.ipv4.tcp_comp_sack_nr': byte(44),
  'net.ipv4.tcp_comp_sack_slack_ns': number(100_000),
  'net.ipv4.tcp_dsack': byte(1),
  'net.ipv4.tcp_early_demux': byte(1),
  'net.ipv4.tcp_early_retrans': number(3, 0, 4),
  'net.ipv4.tcp_ecn': number(2, 0, 2),
  'net.ipv4.tcp_ecn_fallback': flag(1),
  'net.ipv4.tcp_fack': byte(0),
  'net.ipv4.tcp_fastopen': number(1),
  'net.ipv4.tcp_fastopen_blackhole_timeout_sec': number(0, 0),
  'net.ipv4.tcp_fastopen_key': text('00000000-00000000-00000000-00000000'),
  'net.ipv4.tcp_frto': byte(2),
  'net.ipv4.tcp_limit_output_bytes': number(4_194_304),
  'net.ipv4.tcp_max_reordering': number(300),
  'net.ipv4.tcp_min_tso_segs': number(2, 1, 255),
  'net.ipv4.tcp_moderate_rcvbuf': byte(1),
  'net.ipv4.tcp_max_tw_buckets': number(131_072),
  'net.ipv4.tcp_migrate_req': flag(0),
  'net.ipv4.tcp_min_rtt_wlen': number(300, 0, 86_400),
  'net.ipv4.tcp_min_snd_mss': number(48, 48, 65_535),
  'net.ipv4.tcp_mtu_probe_floor': number(48, 48, 65_535),
  'net.ipv4.tcp_mtu_probing': byte(0),
  'net.ipv4.tcp_no_metrics_save': byte(0),
  'net.ipv4.tcp_no_ssthresh_metrics_save': flag(1),
  'net.ipv4.tcp_notsent_lowat': text('4294967295'),
  'net.ipv4.tcp_pacing_ca_ratio': number(120, 0, 1000),
  'net.ipv4.tcp_pacing_ss_ratio': number(200, 0, 1000),
  'net.ipv4.tcp_pingpong_thresh': number(1, 1, 255),
  'net.ipv4.tcp_plb_enabled': flag(0),
  'net.ipv4.tcp_probe_interval': number(600, 0),
  'net.ipv4.tcp_probe_threshold': number(8),
  'net.ipv4.tcp_recovery': byte(1),
  'net.ipv4.tcp_reflect_tos': flag(0),
  'net.ipv4.tcp_reordering': number(3),
  'net.ipv4.tcp_retrans_collapse': byte(1),
  'net.ipv4.tcp_retries1': number(3, 0, 255),
  'net.ipv4.tcp_rto_max_ms': number(120_000, 1000, 120_000),
  'net.ipv4.tcp_rto_min_us': number(200_000, 1),
  'net.ipv4.tcp_shrink_window': flag(0),
  'net.ipv4.tcp_slow_start_after_idle': byte(1),
  'net.ipv4.tcp_thin_linear_timeouts': byte(0),
  'net.ipv4.tcp_tso_rtt_log': byte(9),
  'net.ipv4.tcp_tso_win_divisor': number(3),
  'net.ipv4.tcp_workaround_signed_windows': byte(0),
  'net.ipv4.tcp_congestion_control': text('cubic'),
  'net.ipv4.tcp_available_congestion_control': text('reno bbr cubic'),
  'net.ipv4.tcp_abort_on_overflow': byte(0),
  'net.ipv4.tcp_fin_timeout': number(60),
  'net.ipv4.tcp_keepalive_time': number(7200),
  'net.ipv4.tcp_keepalive_intvl': number(75),
  'net.ipv4.tcp_keepalive_probes': byte(9),
  'net.ipv4.tcp_invalid_ratelimit': number(500),
  'net.ipv4.tcp_max_orphans': number(131_072),
  'net.ipv4.tcp_max_syn_backlog': number(2048),
  'net.ipv4.tcp_orphan_retries': byte(0),
  'net.ipv4.tcp_rfc1337': byte(0),
  'net.ipv4.tcp_stdurg': byte(0),
  'net.ipv4.tcp_syncookies': byte(1),
  'net.ipv4.tcp_tw_reuse': number(2, 0, 2),
  'net.ipv4.tcp_tw_reuse_delay': number(1000, 1, 120_000),
  'net.ipv4.tcp_rmem': atLeast(1, '4096\t131072\t6291456'),
  'net.ipv4.tcp_wmem': atLeast(1, '4096\t16384\t4194304'),
  'net.ipv4.tcp_sack': byte(1),
  'net.ipv4.tcp_timestamps': byte(1),
  'net.ipv4.tcp_window_scaling': byte(1),
  'net.ipv4.tcp_syn_retries': number(6, 1, 127),
  'net.ipv4.tcp_synack_retries': byte(5),
  'net.ipv4.tcp_syn_linear_timeouts': number(4, 0, 127),
  'net.ipv4.tcp_retries2': byte(15),
  'net.bridge.bridge-nf-call-iptables': number(1),
  'net.bridge.bridge-nf-call-arptables': number(1),
  'net.bridge.bridge-nf-call-ip6tables': number(1),
  'net.bridge.bridge-nf-filter-pppoe-tagged': number(0),
  'net.bridge.bridge-nf-filter-vlan-tagged': number(0),
  'net.bridge.bridge-nf-pass-vlan-input-dev': number(0),
  'net.netfilter.nf_log_all_netns': number(0),
  ...Object.fromEntries(conntrackSwitches().map(([name, initial, most]) => [name, number(initial, 0, most)])),
  ...Object.fromEntries(
    Object.entries(ipvsSwitches).map(([key, [initial, most]]) => [PREFIX + key, number(initial, 0, most)]),
  ),
  'net.ipv6.conf.all.disable_ipv6': number(1),
  'net.ipv6.conf.default.disable_ipv6': number(1),
}

/**
 * As the kernel stores what was written (proc_dointvec): the numbers in base 8, 10 or 16, without what stands
 * behind them. Null: refused, EINVAL.
 */
export function parsed(given: string, entry: Switch): string | null {
  if (entry.text) return given.trim().replace(/\s+/g, '\t')
  const wanted = entry.initial.split('\t').length
  const words = given.trim().split(/\s+/)
  if (words.length < wanted) return null
  const numbers = words.slice(0, wanted).map(kernelInteger)
  if (numbers.some((each) => each === null || each < entry.least || each > entry.most)) return null
  return numbers.join('\t')
}

/** An int as proc_dointvec reads it (strtoul with base 0); null: not one. */
export function kernelInteger(word: string): number | null {
  const found = /^(-?)(0x[0-9a-f]+|[0-9]+)$/i.exec(word)
  if (found === null) return null
  const [, sign, digits] = found
  const octal = /^0[0-7]+$/.test(digits)
  const size = octal ? Number.parseInt(digits, 8) : Number(digits)
  const value = sign === '-' ? -size : size
  return value > INT_MAX || value < -INT_MAX - 1 ? null : value + 0
}
