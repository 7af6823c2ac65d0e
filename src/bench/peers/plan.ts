/**
 * What it takes to make built namespaces again in the kernel: every setting of each, read from podwire's own objects, as commands. The peer
 * of the benches and the tests that compare frames with the kernel's (test/linux) have their networks from here.
 */
import { Bridge } from '../../link/bridge.ts'
import type { NetDevice } from '../../link/device.ts'
import { formatFdbMac } from '../../link/fdb.ts'
import { Veth } from '../../link/veth.ts'
import { Netns } from '../../net/netns.ts'
import type { Route } from '../../net/route.ts'
import { TABLE_DEFAULT, TABLE_LOCAL, TABLE_MAIN } from '../../net/rules.ts'
import { VxlanDevice } from '../../tunnel/vxlan.ts'
import { formatIpv4, formatMac } from '../../wire/address.ts'

/** Who takes a device's frames in the end. */
export function namespaceOf(device: NetDevice): Netns | null {
  const receiver = device.master === null ? device.receiver : device.master.receiver
  return receiver instanceof Netns ? receiver : null
}

/** The commands that make one namespace, in the order in which they must run everywhere: phase by phase. */
export interface Plan {
  readonly netns: Netns
  /** `name=value` for sysctl(8). */
  readonly sysctls: readonly string[]
  /** For `ip -batch`: devices of this namespace, cables to those before it in the list included. */
  readonly links: readonly string[]
  /** For `ip -batch`, once all devices of all namespaces are there. */
  readonly settings: readonly string[]
  /** For `bridge -batch`. */
  readonly fdb: readonly string[]
  /** For iptables-restore; empty when there are no rules. */
  readonly rules: string
  /** For nft, behind them; empty when there are none. */
  readonly nft: string
  readonly devices: readonly string[]
}

/** `nameOf`: what a namespace is called in the kernel. */
export function planOf(netns: Netns, nameOf: (netns: Netns) => string, made: Set<NetDevice>): Plan {
  refuse(netns)
  const devices = [...netns.devices.values()].filter((device) => device !== netns.loopback)
  // A tunnel is made when the device below it is there.
  const ordered = [...devices].sort((a, b) => Number(a instanceof VxlanDevice) - Number(b instanceof VxlanDevice))
  const links = ordered.flatMap((device) => {
    if (made.has(device)) return []
    made.add(device)
    return [linkOf(device, nameOf, made)]
  })
  return {
    netns,
    sysctls: sysctlsOf(netns),
    links,
    settings: [...devicesUp(netns, devices), ...addressesOf(netns), ...routesOf(netns), ...neighboursOf(netns)],
    fdb: devices.flatMap(fdbOf),
    rules: netns.netfilter.save(),
    nft: netns.netfilter.runNft({ name: '', text: 'list ruleset' }, () => devices).out,
    devices: devices.map((device) => device.name),
  }
}

/** What is not realised yet is said, lest the comparison blame podwire for it. */
function refuse(netns: Netns): void {
  const known = new Set([TABLE_LOCAL, TABLE_MAIN, TABLE_DEFAULT])
  const changed = netns.fib.rules.list().length !== known.size
  const more = netns.fib.tables().some((table) => !known.has(table.id) && table.list().length > 0)
  if (changed || more) throw new Error(`${netns.name}: policy routing cannot be realised yet`)
  for (const device of netns.devices.values()) {
    if (device instanceof Bridge && device.vlanFiltering)
      throw new Error(`${device.name}: VLANs cannot be realised yet`)
  }
}

function sysctlsOf(netns: Netns): string[] {
  const filtered = [...netns.devices.values()].some((device) => device instanceof Bridge && device.filter !== null)
  return netns.sysctl.names().map((name) => {
    const off = name.startsWith('net.bridge.') && !filtered
    return `${name}=${off ? '0' : netns.sysctl.get(name)}`
  })
}

function linkOf(device: NetDevice, nameOf: (netns: Netns) => string, made: Set<NetDevice>): string {
  const head = `link add ${device.name} address ${formatMac(device.mac)} mtu ${device.mtu}`
  if (device instanceof Bridge) {
    const ageing = Math.round(device.fdb.ageing / 1e7)
    return `${head} type bridge mcast_snooping 0 ageing_time ${ageing}`
  }
  if (device instanceof VxlanDevice) {
    const learning = device.learning ? 'learning' : 'nolearning'
    const on = device.device === null ? '' : `dev ${device.device.name} `
    const below = `id ${device.vni} ${on}local ${formatIpv4(device.local)} dstport ${device.port}`
    return `${head} type vxlan ${below} ${learning}`
  }
  if (device instanceof Veth && device.peer !== null) {
    const { peer } = device
    const beyond = namespaceOf(peer)
    if (beyond === null) throw new Error(`the other end of ${device.name} is in no namespace`)
    made.add(peer)
    return `${head} type veth peer name ${peer.name} address ${formatMac(peer.mac)} mtu ${peer.mtu} netns ${nameOf(beyond)}`
  }
  throw new Error(`a ${device.kind} cannot be realised yet`)
}

function devicesUp(netns: Netns, devices: readonly NetDevice[]): string[] {
  const lines: string[] = []
  for (const device of devices) {
    if (!(device.master instanceof Bridge)) continue
    lines.push(`link set ${device.name} master ${device.master.name}`)
    const port = device.master.portOf(device)
    if (port === null) continue
    const flags = { hairpin: port.hairpin, isolated: port.isolated, learning: port.learning, flood: port.flooding }
    const words = Object.entries(flags).map(([flag, on]) => `${flag} ${on ? 'on' : 'off'}`)
    lines.push(`link set ${device.name} type bridge_slave ${words.join(' ')}`)
  }
  for (const device of [netns.loopback, ...devices]) if (device.up) lines.push(`link set ${device.name} up`)
  return lines
}

function addressesOf(netns: Netns): string[] {
  return [...netns.devices.values()].flatMap((device) =>
    netns
      .addressesOf(device)
      // A loopback that is up has this one already.
      .filter((own) => !(device === netns.loopback && formatIpv4(own.address) === '127.0.0.1'))
      .map((own) => {
        const broadcast = own.broadcast === null ? '' : ` broadcast ${formatIpv4(own.broadcast)}`
        return `addr add ${formatIpv4(own.address)}/${own.prefix}${broadcast} dev ${device.name} scope ${own.scope}`
      }),
  )
}

/** Those that come with addresses are left out; what gateways need comes first. */
function routesOf(netns: Netns): string[] {
  const own = netns.main.list().filter((each) => each.protocol !== 'kernel')
  const direct = own.filter((each) => each.gateway === null && each.multipath === null)
  return [...direct, ...own.filter((each) => !direct.includes(each))].map(routeLine)
}

function routeLine(each: Route): string {
  const words = ['route add', each.type, `${formatIpv4(each.destination.network)}/${each.destination.prefix}`]
  if (each.tos > 0) words.push(`tos ${each.tos.toString(16)}`)
  if (each.gateway !== null) words.push(`via ${formatIpv4(each.gateway)}`)
  if (each.device !== null) words.push(`dev ${each.device.name}`)
  if (each.source !== null) words.push(`src ${formatIpv4(each.source)}`)
  if (each.type === 'unicast' && each.scope !== 'global') words.push(`scope ${each.scope}`)
  if (each.metric > 0) words.push(`metric ${each.metric}`)
  if (each.mtu > 0) words.push(`mtu ${each.mtuLocked ? 'lock ' : ''}${each.mtu}`)
  if (each.onlink) words.push('onlink')
  each.multipath?.hops.forEach((hop, i) => {
    const via = hop.gateway === null ? '' : `via ${formatIpv4(hop.gateway)} `
    const onlink = hop.onlink ? ' onlink' : ''
    words.push(`nexthop ${via}dev ${hop.device?.name} weight ${each.multipath?.weights[i]}${onlink}`)
  })
  return words.join(' ')
}

function neighboursOf(netns: Netns): string[] {
  return netns.neighbours
    .list()
    .filter(({ state }) => state === 'PERMANENT')
    .map(({ device, address, mac }) => {
      return `neigh replace ${formatIpv4(address)} lladdr ${formatMac(mac)} dev ${device.name} nud permanent`
    })
}

/** A tunnel's peers. A bridge's own permanent entries come with its ports. */
function fdbOf(device: NetDevice): string[] {
  if (!(device instanceof VxlanDevice)) return []
  return device.fdb
    .entries()
    .filter((entry) => entry.permanent)
    .map((entry) => `fdb append ${formatFdbMac(entry)} dev ${device.name} dst ${formatIpv4(entry.port)} self permanent`)
}
