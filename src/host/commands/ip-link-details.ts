/** The details of `ip -d link`: what kind of device it is, and what its bridge has set on it. */
import { Bridge, type BridgePort } from '../../link/bridge.ts'
import type { NetDevice } from '../../link/device.ts'
import { Macvlan } from '../../link/macvlan.ts'
import { VlanDevice } from '../../link/vlan.ts'
import { linkOf, namespaceOf } from '../../net/lower-link.ts'
import { SECOND } from '../../sim/scheduler.ts'
import { VxlanDevice } from '../../tunnel/vxlan.ts'
import { ANY, formatIpv4 } from '../../wire/address.ts'
import { portCost, portFlagsJson, portId, portState } from './bridge-port.ts'
import { linkKind, portOf } from './ip-device.ts'
import type { Json } from './ip-json.ts'

const NO_TIMER = '   0.00'

function onOff(value: boolean): string {
  return value ? 'on' : 'off'
}

/** Priority and MAC, the bytes without leading zeros: `8000.a:58:a:f4:1:1`. */
function bridgeId(bridge: Bridge): string {
  const priority = bridge.priority.toString(16).padStart(4, '0')
  return `${priority}.${[...bridge.mac].map((byte) => byte.toString(16)).join(':')}`
}

/** Behind the link-layer line: ` promiscuity 1  allmulti 0 minmtu 68 maxmtu 65535 `. */
export function deviceLimits(device: NetDevice): { minimum: number; maximum: number } {
  return device.kind === 'loopback' || device.kind === 'dummy'
    ? { minimum: 0, maximum: 0 }
    : { minimum: device.kind === 'vlan' ? 0 : 68, maximum: 65_535 }
}

/** IPv6 leaves a device that cannot carry its smallest packet, and takes its words with it. */
const LEAST_IPV6_MTU = 1280

/** Linux has two queues for each veth on the machines that podwire takes after, one for all others. */
function queues(device: NetDevice, mode: boolean): string {
  const count = device.kind === 'veth' ? 2 : 1
  return (
    `${mode && device.mtu >= LEAST_IPV6_MTU ? 'addrgenmode eui64 ' : ''}numtxqueues ${count} numrxqueues ${count} gso_max_size 65536 gso_max_segs 65535 ` +
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
  } else if (device instanceof VlanDevice) {
    lines.push(`    vlan protocol 802.1Q id ${device.id} <REORDER_HDR> `)
  } else if (linkKind(device) !== '') lines.push(`    ${linkKind(device)} `)
  const port = portOf(device)
  if (port !== null) lines.push(`    bridge_slave ${portText(port)}`)
  if (lines.length === 0) lines.push('')
  lines[lines.length - 1] += queues(device, mode)
  return lines
}

function bridgeText(bridge: Bridge): string {
  const id = bridgeId(bridge)
  return (
    `forward_delay 1500 hello_time 200 max_age 2000 ageing_time ${Math.round((bridge.fdb.ageing / SECOND) * 100)} ` +
    `stp_state 0 priority ${bridge.priority} vlan_filtering ${Number(bridge.vlanFiltering)} ${vlanText(bridge)}bridge_id ${id} designated_root ${id} root_port 0 root_path_cost 0 ` +
    `topology_change 0 topology_change_detected 0 hello_timer ${NO_TIMER} tcn_timer ${NO_TIMER} ` +
    `topology_change_timer ${NO_TIMER} gc_timer ${NO_TIMER} group_fwd_mask 0 group_address 01:80:c2:00:00:00 ` +
    'mcast_snooping 1 no_linklocal_learn 0 mcast_vlan_snooping 0 mcast_router 1 mcast_query_use_ifaddr 0 ' +
    'mcast_querier 0 mcast_hash_elasticity 16 mcast_hash_max 4096 mcast_last_member_count 2 ' +
    'mcast_startup_query_count 2 mcast_last_member_interval 100 mcast_membership_interval 26000 ' +
    'mcast_querier_interval 25500 mcast_query_interval 12500 mcast_query_response_interval 1000 ' +
    'mcast_startup_query_interval 3124 mcast_stats_enabled 0 mcast_igmp_version 2 mcast_mld_version 1 ' +
    `nf_call_iptables ${Number(bridge.nfCallIptables)} nf_call_ip6tables ${Number(bridge.uncalled.has('nf_call_ip6tables'))} ` +
    `nf_call_arptables ${Number(bridge.uncalled.has('nf_call_arptables'))} `
  )
}

/** Kernels without VLAN filtering have no word for these; neither has podwire before it is turned on. */
function vlanText(bridge: Bridge): string {
  return bridge.vlanFiltering ? `vlan_protocol 802.1Q ` : ''
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

function portText(port: BridgePort): string {
  const id = bridgeId(port.bridge)
  const designated = portId(port)
  const { notes } = port
  return (
    `state ${portState(port)} priority ${notes.priority} cost ${portCost(port)} hairpin ${onOff(port.hairpin)} ` +
    `guard ${onOff(notes.guard)} root_block ${onOff(notes.rootBlock)} fastleave ${onOff(notes.fastLeave)} ` +
    `learning ${onOff(port.learning)} flood ${onOff(port.flooding)} ` +
    `port_id 0x${designated.toString(16)} port_no 0x${port.number.toString(16)} designated_port ${designated} ` +
    `designated_cost 0 designated_bridge ${id} designated_root ${id} hold_timer ${NO_TIMER} ` +
    `message_age_timer ${NO_TIMER} forward_delay_timer ${NO_TIMER} topology_change_ack 0 config_pending 0 ` +
    `proxy_arp off proxy_arp_wifi off mcast_router ${notes.mcastRouter} mcast_fast_leave ${onOff(notes.fastLeave)} ` +
    `mcast_flood ${onOff(port.mcastFlood)} bcast_flood ${onOff(port.bcastFlood)} ` +
    `mcast_to_unicast ${onOff(notes.mcastToUnicast)} neigh_suppress ${onOff(port.neighSuppress)} group_fwd_mask 0 ` +
    `group_fwd_mask_str 0x0 vlan_tunnel ${onOff(notes.vlanTunnel)} isolated ${onOff(port.isolated)} ` +
    `locked ${onOff(port.locked)} `
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
    info.info_data = { ageing_time: Math.round((device.fdb.ageing / SECOND) * 100), bridge_id: bridgeId(device) }
  }
  if (device instanceof VlanDevice) info.info_data = { protocol: '802.1Q', id: device.id, flags: ['REORDER_HDR'] }
  if (device instanceof Macvlan) info.info_data = { mode: device.mode, bcqueuelen: 1000, usedbcqueuelen: 1000 }
  if (port !== null) {
    info.info_slave_kind = 'bridge'
    const { hairpin, guard, root_block, fastleave, learning, flood, mcast_router, ...others } = portFlagsJson(port)
    const { mcast_flood, bcast_flood, mcast_to_unicast, neigh_suppress, vlan_tunnel, isolated, locked } = others
    info.info_slave_data = {
      state: portState(port),
      priority: port.notes.priority,
      cost: portCost(port),
      ...{ hairpin, guard, root_block, fastleave, learning, flood },
      id: `0x${portId(port).toString(16)}`,
      no: `0x${port.number.toString(16)}`,
      designated_port: portId(port),
      designated_cost: 0,
      bridge_id: bridgeId(port.bridge),
      root_id: bridgeId(port.bridge),
      ...{ proxy_arp: false, proxy_arp_wifi: false, multicast_router: mcast_router },
      ...{ mcast_flood, bcast_flood, mcast_to_unicast, neigh_suppress },
      group_fwd_mask: '0',
      group_fwd_mask_str: '0x0',
      ...{ vlan_tunnel, isolated, locked },
    }
  }
  return info
}
