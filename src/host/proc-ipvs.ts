/** /proc/net/ip_vs, ip_vs_conn and ip_vs_stats, in the kernel's columns (ip_vs_ctl.c, ip_vs_conn.c). */
import type { Netns } from '../net/netns.ts'
import type { Connection } from '../netfilter/ipvs/connection.ts'
import { TABLE_SIZE } from '../netfilter/ipvs/ipvs.ts'
import type { VirtualService } from '../netfilter/ipvs/service.ts'
import { stateName } from '../netfilter/ipvs/states.ts'
import { Count } from '../netfilter/ipvs/statistics.ts'
import { HZ } from '../sim/jiffies.ts'
import { SECOND } from '../sim/scheduler.ts'
import type { Ipv4 } from '../wire/address.ts'
import { IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipv4.ts'

const TITLE = `IP Virtual Server version 1.2.1 (size=${TABLE_SIZE})
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
`
const CONNECTIONS = 'Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n'

/** Null: ip_vs is not loaded. */
export function services(netns: Netns): string | null {
  if (!netns.sysctl.hasIpvs) return null
  const { ipvs } = netns.netfilter
  ipvs.connections.purge()
  return TITLE + ipvs.services.map(service).join('')
}

function service({ mark, protocol, address, port, ...rest }: VirtualService): string {
  const { scheduler, onePacket, persistence, netmask, servers } = rest
  const ops = onePacket ? 'ops ' : ''
  // The kernel gives the time in jiffies.
  const sticky = persistence === 0 ? '' : `persistent ${persistence * HZ} ${hex(netmask, 8)}`
  const name =
    mark === 0
      ? `${protocolName(protocol)}  ${place(address, port)} ${scheduler.name} ${ops} `
      : `FWM  ${hex(mark, 8)} ${scheduler.name} ${ops}`
  const rows = servers.map((each) => {
    const connections = `${String(each.active).padEnd(10)} ${String(each.inactive).padEnd(10)}`
    return `  -> ${place(each.address, each.port)}      Masq    ${String(each.weight).padEnd(6)} ${connections}\n`
  })
  return `${name}${sticky}\n${rows.join('')}`
}

export function connections(netns: Netns): string | null {
  if (!netns.sysctl.hasIpvs) return null
  const { now } = netns.world.scheduler
  return (
    CONNECTIONS +
    netns.netfilter.ipvs.connections
      .list()
      .map((each) => line(each, now))
      .join('')
  )
}

function line(each: Connection, now: number): string {
  const ends: readonly (readonly [Ipv4, number])[] = [
    [each.client, each.clientPort],
    [each.virtual, each.virtualPort],
    [each.destination, each.destinationPort],
  ]
  const left = String(Math.max(0, Math.floor((each.due - now) / SECOND)))
  const places = ends.map(([address, port]) => `${hex(address, 8)} ${hex(port, 4)}`).join(' ')
  return `${protocolName(each.protocol).padEnd(3)} ${places} ${stateName(each).padEnd(11)} ${left.padStart(7)}\n`
}

export function statistics(netns: Netns): string | null {
  if (!netns.sysctl.hasIpvs) return null
  const { statistics: all } = netns.netfilter.ipvs
  const kinds = [Count.CONNECTIONS, Count.IN_PACKETS, Count.OUT_PACKETS, Count.IN_BYTES, Count.OUT_BYTES]
  const row = (values: readonly number[]) =>
    values
      .map((value, i) =>
        value
          .toString(16)
          .toUpperCase()
          .padStart(i < 3 ? 8 : 16),
      )
      .join(' ')
  return (
    '   Total Incoming Outgoing         Incoming         Outgoing\n' +
    '   Conns  Packets  Packets            Bytes            Bytes\n' +
    `${row(kinds.map((kind) => all.count(kind)))}\n\n` +
    ' Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n' +
    `${row(kinds.map((kind) => all.rate(kind)))}\n`
  )
}

function place(address: Ipv4, port: number): string {
  return `${hex(address, 8)}:${hex(port, 4)}`
}

function protocolName(protocol: number): string {
  if (protocol === IPPROTO_TCP) return 'TCP'
  return protocol === IPPROTO_UDP ? 'UDP' : 'IP'
}

function hex(value: number, digits: number): string {
  return (value >>> 0).toString(16).toUpperCase().padStart(digits, '0')
}
