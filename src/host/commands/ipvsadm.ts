/** ipvsadm(8) 1.31: virtual services and real servers of this namespace. */

import type { Ipvs, IpvsErrno, ServiceName } from '../../netfilter/ipvs/ipvs.ts'
import { Forward, type VirtualService } from '../../netfilter/ipvs/service.ts'
import {
  connectionTitle,
  formatConnection,
  formatService,
  GREETING,
  type Layout,
  NUMERIC,
  type Style,
  sorted,
  title,
} from '../../netfilter/ipvs/text.ts'
import { serviceName, servicePort } from '../../netfilter/services.ts'
import { formatIpv4, type Ipv4 } from '../../wire/address.ts'
import { IPPROTO_TCP, IPPROTO_UDP } from '../../wire/ipv4.ts'
import type { Process } from '../process.ts'
import { resolve, reverse } from '../resolver.ts'
import { notModelled, printed, tool } from './ip-words.ts'
import { HELP, TRY, VERSION } from './ipvsadm-help.ts'
import { type CommandName, type Endpoint, fail, flagsOf, type Given, readOptions } from './ipvsadm-options.ts'

const DEFAULT_SCHEDULER = 'wlc'

export const ipvsadm = tool(async (self) => execute(self, self.args.slice(1), false))

async function execute(self: Process, args: readonly string[], restoring: boolean): Promise<number> {
  const given = readOptions(args)
  if (given.command === 'help') return printed(self, HELP)
  if (given.command === 'version') return printed(self, VERSION)
  const ipvs = self.netns.netfilter.ipvs
  self.netns.sysctl.hasIpvs = true
  switch (given.command) {
    case 'list':
      return list(self, ipvs, given)
    case 'save':
      return save(self, ipvs, given)
    case 'restore':
      if (restoring) throw fail(TRY, 255)
      return restore(self)
    case 'flush':
      ipvs.flush()
      return 0
    case 'set': {
      const [tcp, fin, udp] = given.timeouts
      ipvs.settings.setTimeouts(tcp, fin, udp)
      return 0
    }
    case 'zero':
      return ended(given.command, ipvs.zero(given.service === null ? null : await nameOf(self, given)))
    case 'add-service':
    case 'edit-service':
      return change(self, ipvs, given)
    case 'delete-service':
      return ended(given.command, ipvs.deleteService(await nameOf(self, given)))
    default:
      return changeServer(self, ipvs, given)
  }
}

// ── changes ──────────────────────────────────────────────────────────────

async function change(self: Process, ipvs: Ipvs, given: Given): Promise<number> {
  const name = await nameOf(self, given)
  const scheduler = given.scheduler === '' ? DEFAULT_SCHEDULER : given.scheduler
  if (given.onePacket && name.protocol !== IPPROTO_UDP && name.mark === 0) {
    throw fail('One-Packet Scheduling is only for UDP virtual services')
  }
  const flags = flagsOf(given.flags, scheduler)
  if (name.mark === 0 && name.port === 0 && given.persistence === 0) {
    throw fail('Zero port specified for non-persistent service')
  }
  const { persistence, netmask, onePacket } = given
  const spec = { ...name, scheduler, persistence, netmask, onePacket, flags }
  const adds = given.command === 'add-service'
  return ended(given.command, adds ? ipvs.addService(spec) : ipvs.editService(spec))
}

async function changeServer(self: Process, ipvs: Ipvs, given: Given): Promise<number> {
  const name = await nameOf(self, given)
  const complaint = 'illegal real server address[:port] specified'
  const { host, port } = given.server as Endpoint
  const address = await addressOf(self, host, complaint)
  const server = port === null ? name.port : portOf(port, name.protocol, complaint)
  if (given.command === 'delete-server') return ended(given.command, ipvs.deleteServer(name, address, server))
  if (given.forward === Forward.TUNNEL) throw notModelled('forwarding by tunneling')
  if (given.forward === Forward.ROUTE) throw notModelled('forwarding by gatewaying (the default)')
  const { weight, forward, upper, lower } = given
  const spec = { address, port: server, weight, forward, upper, lower }
  const adds = given.command === 'add-server'
  return ended(given.command, adds ? ipvs.addServer(name, spec) : ipvs.editServer(name, spec))
}

async function nameOf(self: Process, { service }: Given): Promise<ServiceName> {
  if (service === null) throw fail(TRY, 255)
  if ('mark' in service) return { protocol: IPPROTO_TCP, address: 0 as Ipv4, port: 0, mark: service.mark }
  const { protocol, endpoint } = service
  const complaint = 'illegal virtual server address[:port] specified'
  const address = await addressOf(self, endpoint.host, complaint)
  return { protocol, address, port: endpoint.port === null ? 0 : portOf(endpoint.port, protocol, complaint), mark: 0 }
}

async function addressOf(self: Process, host: string, complaint: string): Promise<Ipv4> {
  const found = await resolve(self, host, { family: 4 })
  if ('error' in found) throw fail(complaint)
  return found.addresses[0]
}

function portOf(text: string, _protocol: number, complaint: string): number {
  const port = /^[0-9]+$/.test(text) ? Number(text) : (servicePort(text) ?? -1)
  if (port < 0 || port > 65_535) throw fail(complaint)
  return port
}

/** ipvs_strerror: what an error means depends on what was asked. */
function ended(command: CommandName, error: IpvsErrno | null): number {
  if (error === null) return 0
  throw fail(sentenceOf(command, error), 255)
}

function sentenceOf(command: CommandName, error: IpvsErrno): string {
  const server = command.endsWith('-server')
  switch (error) {
    case 'EEXIST':
      return server ? 'Destination already exists' : 'Service already exists'
    case 'ESRCH':
      return server ? 'Service not defined' : 'No such service'
    case 'ENOENT':
      return server ? 'No such destination' : 'Scheduler or persistence engine not found'
    case 'ERANGE':
      return 'Numerical result out of range'
    case 'EINVAL':
      return 'Invalid operation.  Possibly wrong module version, address not unicast, ...'
  }
}

async function restore(self: Process): Promise<number> {
  const text = await self.stdin.readAll()
  let code = 0
  for (const line of text.split('\n')) {
    const words = line.split(/\s+/).filter((word) => word !== '')
    if (words.length > 0) code = await execute(self, words, true)
  }
  return code
}

// ── lists ────────────────────────────────────────────────────────────────

async function list(self: Process, ipvs: Ipvs, given: Given): Promise<number> {
  const { switches } = given
  if (switches.has('timeout')) {
    return printed(self, `Timeout (tcp tcpfin udp): ${ipvs.settings.timeouts.join(' ')}\n`)
  }
  if (switches.has('daemon')) return 0
  if (switches.has('connection')) return connections(self, ipvs, switches)
  const layouts: Layout[] = ['stats', 'rate', 'thresholds', 'persistent-conn', 'tun-info']
  const layout = layouts.find((each) => switches.has(each)) ?? 'plain'
  // What ended meanwhile is not counted.
  ipvs.connections.purge()
  const numeric = numericIf(switches)
  if (given.service === null) {
    const style = styleOf(layout, switches, numeric ?? (await namesOf(self, ipvs.services)))
    const services = style.sort ? sorted(ipvs.services) : ipvs.services
    const rows = services.map((service) => formatService(service, style))
    return printed(self, GREETING + title(layout) + rows.join(''))
  }
  const service = ipvs.service(await nameOf(self, given))
  if (service === null) throw fail('No such service', 1)
  const style = styleOf(layout, switches, numeric ?? (await namesOf(self, [service])))
  return printed(self, title(layout) + formatService(service, style))
}

async function save(self: Process, ipvs: Ipvs, given: Given): Promise<number> {
  const { switches } = given
  const style = styleOf('rule', switches, numericIf(switches) ?? (await namesOf(self, ipvs.services)))
  return printed(
    self,
    sorted(ipvs.services)
      .map((service) => formatService(service, style))
      .join(''),
  )
}

async function connections(self: Process, ipvs: Ipvs, switches: ReadonlySet<string>): Promise<number> {
  const all = ipvs.connections.list()
  const addresses = all.flatMap(({ client, virtual, destination }) => [client, virtual, destination])
  const endpoint = numericIf(switches) ?? (await endpointNames(self, addresses))
  const { now } = self.netns.world.scheduler
  const rows = all.map((connection) => formatConnection(connection, now, endpoint))
  return printed(self, connectionTitle(switches.has('persistent-conn')) + rows.join(''))
}

function styleOf(layout: Layout, switches: ReadonlySet<string>, endpoint: Style['endpoint']): Style {
  return { layout, exact: switches.has('exact'), sort: !switches.has('nosort'), endpoint }
}

/** -n; nothing is waited for then, and the table is printed at once. */
function numericIf(switches: ReadonlySet<string>): Style['endpoint'] | null {
  return switches.has('numeric') ? NUMERIC.endpoint : null
}

function namesOf(self: Process, services: readonly VirtualService[]): Promise<Style['endpoint']> {
  const addresses = services.flatMap((service) => [service.address, ...service.servers.map(({ address }) => address)])
  return endpointNames(self, addresses)
}

/** The names of hosts and ports where they have some. */
async function endpointNames(self: Process, addresses: readonly Ipv4[]): Promise<Style['endpoint']> {
  const names = new Map<Ipv4, string>()
  for (const address of addresses) {
    if (!names.has(address)) names.set(address, (await reverse(self, address)) ?? formatIpv4(address))
  }
  return (address, port, protocol) => {
    const service = protocol === 0 ? String(port) : serviceName(port, protocol === IPPROTO_TCP ? 'tcp' : 'udp')
    return `${names.get(address) ?? formatIpv4(address)}:${service}`
  }
}
