/** The details of `ip -d link`: what kind of device it is, and what its bridge has set on it. */
import { Bridge, type BridgePort } from '../../link/bridge.ts'
import type { NetDevice } from '../../link/device.ts'
import { Macvlan } from '../../link/macvlan.ts'
import { SECOND } from '../../sim/scheduler.ts'
import { VxlanDevice } from '../../tunnel/vxlan.ts'
import { ANY, formatIpv4, type Mac } from '../../wire/address.ts'
import { linkKind, linkOf, namespaceOf, portOf } from './ip-device.ts'
import type { Json } from './ip-json.ts'

const NO_TIMER = '   0.00'

function onOff(value: boolean): string {
  return value ? 'on' : 'off'
}

/** Priority and MAC, the bytes without leading zeros: `8000.a:58:a:f4:1:1`. */
function bridgeId(mac: Mac): string {
  return `8000.${[...mac].map((byte) => byte.toString(16)).join(':')}`
}

/** Behind the link-layer line: ` promiscuity 1  allmulti 0 minmtu 68 maxmtu 65535 `. */
export function deviceLimits(device: NetDevice): { minimum: number; maximum: number } {
  return device.kind === 'loopback' || device.kind === 'dummy'
    ? { minimum: 0, maximum: 0 }
    : { minimum: 68, maximum: 65_535 }
}

/** Linux has two queues for each veth on the machines that podwire takes after, one for all others. */
function queues(device: NetDevice, mode: boolean): string {
  const count = device.kind === 'veth' ? 2 : 1
  return (
    `${mode ? 'addrgenmode eui64 ' : ''}numtxqueues ${count} numrxqueues ${count} gso_max_size 65536 gso_max_segs 65535 ` +
    'tso_max_size 524280 tso_max_segs 65535 gro_max_size 65536 '
  )
}

/** The lines below the link-layer line; the first one joins it for devices without a kind. `mode`: for `ip link`. */
export function detailLines(device: NetDevice, mode: boolean): string[] {
  const lines: string[] = []
  if (device instanceof Bridge) lines.push(`    bridge ${bridgeText(device)}`)
  else if (device instanceof VxlanDevice) lines.push(`    vxlan ${vxlanText(device)}`)
  else if (device instanceof Macvlan) {
    lines.push(`    macvlan mode ${device.mode} bcqueuelen 1000 usedbcqueuelen 1000 `)
  } else if (linkKind(device) !== '') lines.push(`    ${linkKind(device)} `)
  const port = portOf(device)
  if (port !== null) lines.push(`    bridge_slave ${portText(port)}`)
  if (lines.length === 0) lines.push('')
  lines[lines.length - 1] += queues(device, mode)
  return lines
}

function bridgeText(bridge: Bridge): string {
  const id = bridgeId(bridge.mac)
  return (
    `forward_delay 1500 hello_time 200 max_age 2000 ageing_time ${Math.round((bridge.fdb.ageing / SECOND) * 100)} ` +
    `stp_state 0 priority 32768 vlan_filtering 0 bridge_id ${id} designated_root ${id} root_port 0 root_path_cost 0 ` +
    `topology_change 0 topology_change_detected 0 hello_timer ${NO_TIMER} tcn_timer ${NO_TIMER} ` +
    `topology_change_timer ${NO_TIMER} gc_timer ${NO_TIMER} group_fwd_mask 0 group_address 01:80:c2:00:00:00 ` +
    'mcast_snooping 1 no_linklocal_learn 0 mcast_vlan_snooping 0 mcast_router 1 mcast_query_use_ifaddr 0 ' +
    'mcast_querier 0 mcast_hash_elasticity 16 mcast_hash_max 4096 mcast_last_member_count 2 ' +
    'mcast_startup_query_count 2 mcast_last_member_interval 100 mcast_membership_interval 26000 ' +
    'mcast_querier_interval 25500 mcast_query_interval 12500 mcast_query_response_interval 1000 ' +
    'mcast_startup_query_interval 3124 mcast_stats_enabled 0 mcast_igmp_version 2 mcast_mld_version 1 ' +
    'nf_call_iptables 0 nf_call_ip6tables 0 nf_call_arptables 0 '
  )
}

function vxlanText(device: VxlanDevice): string {
  const here = namespaceOf(device)
  const foreign = here !== null && linkOf(device, here) !== null
  // Tunnels that run in another namespace name neither address nor device.
  const local = foreign || device.local === ANY ? '' : `local ${formatIpv4(device.local)} `
  const path = foreign || device.device === null ? local : `${local}dev ${device.device.name} `
  const words: [boolean, string][] = [
    [!device.learning, 'nolearning '],
    [device.proxy, 'proxy '],
    [device.l2miss, 'l2miss '],
    [device.l3miss, 'l3miss '],
  ]
  const flags = words.map(([set, word]) => (set ? word : '')).join('')
  return (
    `id ${device.vni} ${path}srcport 0 0 dstport ${device.port} ${flags}ttl auto ` +
    `ageing ${Math.round(device.fdb.ageing / SECOND)} udpcsum noudp6zerocsumtx noudp6zerocsumrx `
  )
}

/** br_state as rtnetlink names it. */
export function portState(port: BridgePort): 'forwarding' | 'disabled' {
  return port.bridge.up && port.device.up && port.device.carrier ? 'forwarding' : 'disabled'
}

/** port_cost: by link speed, which a veth gives as 10 Gbit/s and a tunnel not at all. */
export function portCost(port: BridgePort): number {
  return port.device.kind === 'veth' ? 2 : 100
}

function portText(port: BridgePort): string {
  const id = bridgeId(port.bridge.mac)
  const designated = 0x8000 + port.number
  return (
    `state ${portState(port)} priority 32 cost ${portCost(port)} hairpin ${onOff(port.hairpin)} guard off ` +
    `root_block off fastleave off learning ${onOff(port.learning)} flood ${onOff(port.flooding)} ` +
    `port_id 0x${designated.toString(16)} port_no 0x${port.number.toString(16)} designated_port ${designated} ` +
    `designated_cost 0 designated_bridge ${id} designated_root ${id} hold_timer ${NO_TIMER} ` +
    `message_age_timer ${NO_TIMER} forward_delay_timer ${NO_TIMER} topology_change_ack 0 config_pending 0 ` +
    'proxy_arp off proxy_arp_wifi off mcast_router 1 mcast_fast_leave off mcast_flood on bcast_flood on ' +
    'mcast_to_unicast off neigh_suppress off group_fwd_mask 0 group_fwd_mask_str 0x0 vlan_tunnel off ' +
    `isolated ${onOff(port.isolated)} locked off `
  )
}

/** The second line of `bridge -d link`. */
export function portFlags(port: BridgePort): string {
  return (
    `hairpin ${onOff(port.hairpin)} guard off root_block off fastleave off learning ${onOff(port.learning)} ` +
    `flood ${onOff(port.flooding)} mcast_flood on bcast_flood on mcast_router 1 mcast_to_unicast off ` +
    `neigh_suppress off vlan_tunnel off isolated ${onOff(port.isolated)} locked off `
  )
}

/** `linkinfo` of `ip -j -d link`: what podwire's devices really have. */
export function detailJson(device: NetDevice): Json | undefined {
  const kind = linkKind(device)
  if (kind === '') return undefined
  const port = portOf(device)
  const info: { [key: string]: Json } = { info_kind: kind }
  if (device instanceof VxlanDevice) {
    info.info_data = {
      id: device.vni,
      local: formatIpv4(device.local),
      link: device.device?.name,
      port: device.port,
      learning: device.learning,
    }
  } else if (device instanceof Bridge) {
    info.info_data = { ageing_time: Math.round((device.fdb.ageing / SECOND) * 100), bridge_id: bridgeId(device.mac) }
  }
  if (device instanceof Macvlan) info.info_data = { mode: device.mode, bcqueuelen: 1000, usedbcqueuelen: 1000 }
  if (port !== null) {
    info.info_slave_kind = 'bridge'
    info.info_slave_data = {
      state: portState(port),
      cost: portCost(port),
      hairpin: port.hairpin,
      learning: port.learning,
      flood: port.flooding,
      no: `0x${port.number.toString(16)}`,
      isolated: port.isolated,
    }
  }
  return info
}
