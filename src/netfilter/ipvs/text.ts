/**
 * What `ipvsadm -L` and `-S` print (version 1.31). The layouts were compared with the program itself, column by column;
 * only the numbers in them came from a library in place of a kernel.
 */

import { type Nanos, SECOND } from '../../sim/scheduler.ts'
import { compareIpv4, formatIpv4, type Ipv4 } from '../../wire/address.ts'
import { IPPROTO_TCP, IPPROTO_UDP } from '../../wire/ipv4.ts'
import type { Connection } from './connection.ts'
import { TABLE_SIZE } from './ipvs.ts'
import { Forward, type RealServer, ScheduleFlag, type VirtualService } from './service.ts'
import { type ConnectionState, stateName } from './states.ts'
import { Count, type Statistics } from './statistics.ts'

export type Layout = 'plain' | 'stats' | 'rate' | 'thresholds' | 'persistent-conn' | 'tun-info' | 'rule'

export interface Style {
  readonly layout: Layout
  /** No suffixes for large numbers. */
  readonly exact: boolean
  readonly sort: boolean
  /** How an address and a port are written, by numbers or names; the protocol chooses the names. */
  readonly endpoint: (address: Ipv4, port: number, protocol: number) => string
}

export const GREETING = `IP Virtual Server version 1.2.1 (size=${TABLE_SIZE})\n`

const NARROW = '  -> RemoteAddress:Port\n'

export function title(layout: Layout): string {
  const wide = 'Prot LocalAddress:Port'.padEnd(33)
  switch (layout) {
    case 'stats':
      return `${wide} ${columns(['Conns', 'InPkts', 'OutPkts', 'InBytes', 'OutBytes'])}\n${NARROW}`
    case 'rate':
      return `${wide} ${columns(['CPS', 'InPPS', 'OutPPS', 'InBPS', 'OutBPS'])}\n${NARROW}`
    case 'thresholds':
      return `${wide} Uthreshold Lthreshold ActiveConn InActConn \n${NARROW}`
    case 'persistent-conn':
      return `${wide} Weight    PersistConn ActiveConn InActConn \n${NARROW}`
    case 'tun-info':
      return 'Prot LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port           Forward TunnelInfo    Weight ActiveConn InActConn\n'
    case 'rule':
      return ''
    default:
      return 'Prot LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n'
  }
}

function columns(names: readonly string[]): string {
  return names.map((name) => name.padStart(8)).join(' ')
}

/** By mark, protocol, address and port. */
export function sorted(services: readonly VirtualService[]): VirtualService[] {
  return [...services].sort(
    (a, b) =>
      (a.mark >>> 0) - (b.mark >>> 0) ||
      a.protocol - b.protocol ||
      compareIpv4(a.address, b.address) ||
      a.port - b.port,
  )
}

/** A service and its servers. */
export function formatService(service: VirtualService, style: Style): string {
  const servers = style.sort
    ? [...service.servers].sort((a, b) => compareIpv4(a.address, b.address) || a.port - b.port)
    : service.servers
  const rows = servers.map((server) => (style.layout === 'rule' ? rule(server, style) : row(server, style)))
  return `${formatHead(service, style)}\n${rows.map((each) => `${each}\n`).join('')}`
}

/** As `-n` prints: by numbers. */
export const NUMERIC: Style = {
  layout: 'plain',
  exact: false,
  sort: true,
  endpoint: (address, port) => `${formatIpv4(address)}:${port}`,
}

/** The line of a service, without its servers. */
export function formatHead(service: VirtualService, style: Style): string {
  const { layout } = style
  if (layout === 'rule') return `-A ${named(service, style)} -s ${service.scheduler.name}${saved(service)}`
  const name = shown(service, style)
  if (layout === 'stats' || layout === 'rate') return name.padEnd(33) + numbers(service.statistics, style)
  let text = `${name} ${service.scheduler.name}`
  const flags = flagText(service)
  if (flags !== '') text += ` (${flags})`
  if (service.persistence > 0) {
    text += ` persistent ${service.persistence}`
    if (service.netmask !== -1) text += ` mask ${formatIpv4(service.netmask)}`
  }
  return service.onePacket ? `${text} ops` : text
}

function shown({ mark, protocol, address, port }: VirtualService, style: Style): string {
  if (mark !== 0) return `FWM  ${mark >>> 0}`
  const name = `${protocol === IPPROTO_TCP ? 'TCP' : 'UDP'}  ${style.endpoint(address, port, protocol)}`
  return name.slice(0, 33)
}

/** As an argument. */
function named({ mark, protocol, address, port }: VirtualService, style: Style): string {
  if (mark !== 0) return `-f ${mark >>> 0}`
  return `${protocol === IPPROTO_TCP ? '-t' : '-u'} ${style.endpoint(address, port, protocol)}`
}

function saved(service: VirtualService): string {
  let text = ''
  if (service.persistence > 0) {
    text += ` -p ${service.persistence}`
    if (service.netmask !== -1) text += ` -M ${formatIpv4(service.netmask)}`
  }
  if (service.onePacket) text += ' -o'
  const flags = flagText(service)
  return flags === '' ? text : `${text} -b ${flags}`
}

function flagText({ flags, scheduler: { name } }: VirtualService): string {
  const own = name === 'sh' || name === 'mh'
  const names: string[] = []
  if ((flags & ScheduleFlag.FIRST) !== 0) names.push(own ? `${name}-fallback` : 'flag-1')
  if ((flags & ScheduleFlag.SECOND) !== 0) names.push(own ? `${name}-port` : 'flag-2')
  if ((flags & ScheduleFlag.THIRD) !== 0) names.push('flag-3')
  return names.join(',')
}

function rule(server: RealServer, style: Style): string {
  const { service } = server
  const how = server.forward === Forward.MASQUERADE ? '-m' : server.forward === Forward.TUNNEL ? '-i' : '-g'
  const where = style.endpoint(server.address, server.port, service.protocol)
  return `-a ${named(service, style)} -r ${where} ${how} -w ${server.weight}`
}

function row(server: RealServer, style: Style): string {
  const { active, inactive, weight, persistent } = server
  const start = serverStart(server, style)
  const ten = (value: number) => String(value).padEnd(10)
  switch (style.layout) {
    case 'stats':
    case 'rate':
      return start + numbers(server.statistics, style)
    case 'thresholds':
      return `${start} ${ten(server.upper)} ${ten(server.lower)} ${ten(active)} ${ten(inactive)}`
    case 'persistent-conn':
      return `${start} ${String(weight).padEnd(9)} ${String(persistent).padEnd(11)} ${ten(active)} ${ten(inactive)}`
    case 'tun-info':
      return `${start} ${forwardText(server)} ${'n/a'.padEnd(13)} ${String(weight).padEnd(6)} ${ten(active)} ${ten(inactive)}`
    default:
      return `${formatServer(server, style)} ${ten(active)} ${ten(inactive)}`
  }
}

/** A server's line as far as its connections do not change it. */
export function formatServer(server: RealServer, style: Style): string {
  return `${serverStart(server, style)} ${forwardText(server)} ${String(server.weight).padEnd(6)}`
}

function serverStart({ address, port, service }: RealServer, style: Style): string {
  return `  -> ${style.endpoint(address, port, service.protocol).slice(0, 28).padEnd(28)}`
}

function forwardText({ forward }: RealServer): string {
  const name = forward === Forward.MASQUERADE ? 'Masq' : forward === Forward.TUNNEL ? 'Tunnel' : 'Route'
  return name.padEnd(7)
}

const kinds = [Count.CONNECTIONS, Count.IN_PACKETS, Count.OUT_PACKETS, Count.IN_BYTES, Count.OUT_BYTES] as const

function numbers(statistics: Statistics, { layout, exact }: Style): string {
  const value = (kind: Count) => (layout === 'rate' ? statistics.rate(kind) : statistics.count(kind))
  return kinds.map((kind) => large(value(kind), exact)).join('')
}

/** Nine columns at least; from a hundred millions on in thousands, from a thousand millions on in millions. */
function large(value: number, exact: boolean): string {
  if (exact) return String(value).padStart(String(value).length <= 8 ? 9 : String(value).length + 1)
  if (value < 100_000_000) return String(value).padStart(9)
  if (value < 1_000_000_000) return scaled(value, 1_000, 'K')
  if (value < 100_000_000_000) return scaled(value, 1_000_000, 'M')
  if (value < 100_000_000_000_000) return scaled(value, 1_000_000_000, 'G')
  return scaled(value, 1_000_000_000_000, 'T')
}

function scaled(value: number, unit: number, suffix: string): string {
  return String(Math.floor(value / unit)).padStart(8) + suffix
}

/** `ipvsadm -Lc`: the two lines above the connections. */
export function connectionTitle(persistent: boolean): string {
  const columns = `pro expire ${'state'.padEnd(11)} ${'source'.padEnd(18)} ${'virtual'.padEnd(18)} `
  const last = persistent ? `${'destination'.padEnd(18)} ${'pe name'.padEnd(16)} pe_data` : 'destination'
  return `IPVS connection entries\n${columns}${last}\n`
}

export function formatConnection(connection: Connection, now: Nanos, endpoint: Style['endpoint']): string {
  const left = Math.max(0, Math.floor((connection.due - now) / SECOND))
  const expires = `${String(Math.floor(left / 60)).padStart(2, '0')}:${String(left % 60).padStart(2, '0')}`
  return `${protocolName(connection.protocol).padEnd(3)} ${expires.padEnd(6)} ${formatWay(connection, endpoint)}\n`
}

/** What of a connection its line tells. */
export type Way = ConnectionState &
  Pick<Connection, 'client' | 'clientPort' | 'virtual' | 'virtualPort' | 'destination' | 'destinationPort'>

/** The line behind the time that it has left. */
export function formatWay(way: Way, endpoint: Style['endpoint']): string {
  const { protocol, client, clientPort, virtual, virtualPort, destination, destinationPort } = way
  const from = endpoint(client, clientPort, protocol).padEnd(18)
  const to = endpoint(virtual, virtualPort, protocol).padEnd(18)
  return `${stateName(way).padEnd(11)} ${from} ${to} ${endpoint(destination, destinationPort, protocol)}`
}

function protocolName(protocol: number): string {
  if (protocol === IPPROTO_TCP) return 'TCP'
  return protocol === IPPROTO_UDP ? 'UDP' : 'IP'
}
