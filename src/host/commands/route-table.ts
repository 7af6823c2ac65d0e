/** The main routing table as `route` and `netstat -r` print it. */
import type { Netns } from '../../net/netns.ts'
import { gatewayOf, hopsOf, type Route } from '../../net/route.ts'
import { formatIpv4, type Ipv4, mask } from '../../wire/address.ts'

export interface RouteLayout {
  /** Finds the name of an address; null: `-n`, numbers only. */
  readonly nameOf: ((address: Ipv4) => Promise<string | null>) | null
  /** MSS, window and round trip time: 1 in place of metric and references (`-e`, netstat), 2 besides them (`-ee`). */
  readonly extended: number
}

const TITLE = 'Kernel IP routing table'
const PLAIN = 'Destination     Gateway         Genmask         Flags Metric Ref    Use Iface'
const EXTENDED = 'Destination     Gateway         Genmask         Flags   MSS Window  irtt Iface'

const titles = [PLAIN, EXTENDED, `${PLAIN}    MSS   Window irtt`]

/** A name that does not fit its column is cut. */
const NAME_WIDTH = 15

export async function routeTableText(netns: Netns, layout: RouteLayout): Promise<string> {
  const lines = [TITLE, titles[layout.extended]]
  for (const each of netns.main.list()) if (each.type !== 'broadcast') lines.push(await row(each, layout))
  return lines.map((line) => `${line}\n`).join('')
}

/** Of a host or a gateway; networks have no names here. */
async function named(address: Ipv4, layout: RouteLayout): Promise<string> {
  return ((await layout.nameOf?.(address)) ?? formatIpv4(address)).slice(0, NAME_WIDTH)
}

async function row(each: Route, layout: RouteLayout): Promise<string> {
  const { destination } = each
  const rejects = each.type === 'unreachable' || each.type === 'prohibit'
  let network = formatIpv4(destination.network)
  if (destination.prefix === 0 && layout.nameOf !== null) network = 'default'
  else if (destination.prefix === 32) network = await named(destination.network, layout)
  const [hop] = hopsOf(each)
  const via = gatewayOf(hop)
  const gateway = rejects ? '-' : via === null ? formatIpv4(mask(0)) : await named(via, layout)
  const head = `${network.padEnd(15)} ${gateway.padEnd(15)} ${formatIpv4(mask(destination.prefix)).padEnd(15)} `
  const host = destination.prefix === 32 ? 'H' : ''
  const flags = rejects ? `!${host}` : `U${via === null ? '' : 'G'}${host}`
  const name = rejects ? '-' : (hop.device?.name ?? '*')
  if (layout.extended === 1) {
    const zero = rejects ? '-' : '0'
    return `${head}${flags.padEnd(5)} ${zero.padStart(5)} ${zero.padEnd(5)} ${zero.padStart(6)} ${name}`
  }
  const reference = rejects ? '-' : '0'
  const plain = `${head}${flags.padEnd(5)} ${String(each.metric).padEnd(6)} ${reference.padEnd(2)} ${'0'.padStart(7)} `
  const none = rejects ? '-' : '0'
  return layout.extended === 0
    ? `${plain}${name}`
    : `${plain}${name.padEnd(8)} ${none.padEnd(5)} ${none.padEnd(6)} ${none}`
}
