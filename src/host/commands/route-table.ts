/** The main routing table as `route` and `netstat -r` print it. */
import type { Netns } from '../../net/netns.ts'
import type { Route } from '../../net/route.ts'
import { formatIpv4, mask } from '../../wire/address.ts'

export interface RouteLayout {
  readonly numeric: boolean
  /** MSS, window and round trip time: 1 in place of metric and references (`-e`, netstat), 2 besides them (`-ee`). */
  readonly extended: number
}

const TITLE = 'Kernel IP routing table'
const PLAIN = 'Destination     Gateway         Genmask         Flags Metric Ref    Use Iface'
const EXTENDED = 'Destination     Gateway         Genmask         Flags   MSS Window  irtt Iface'

const titles = [PLAIN, EXTENDED, `${PLAIN}    MSS   Window irtt`]

export function routeTableText(netns: Netns, layout: RouteLayout): string {
  const rows = netns.main.list().filter((each) => each.type !== 'broadcast')
  return [TITLE, titles[layout.extended], ...rows.map((each) => row(each, layout))].map((line) => `${line}\n`).join('')
}

function row(each: Route, layout: RouteLayout): string {
  const { destination } = each
  const rejects = each.type === 'unreachable' || each.type === 'prohibit'
  const network = destination.prefix === 0 && !layout.numeric ? 'default' : formatIpv4(destination.network)
  const gateway = rejects ? '-' : formatIpv4(each.gateway ?? mask(0))
  const head = `${network.padEnd(15)} ${gateway.padEnd(15)} ${formatIpv4(mask(destination.prefix)).padEnd(15)} `
  const flags = rejects ? '!' : `U${each.gateway === null ? '' : 'G'}${destination.prefix === 32 ? 'H' : ''}`
  const name = rejects ? '-' : (each.device?.name ?? '*')
  if (layout.extended === 1) {
    const zero = rejects ? '-' : '0'
    return `${head}${flags.padEnd(5)} ${zero.padStart(5)} ${zero.padEnd(5)} ${zero.padStart(6)} ${name}`
  }
  const reference = rejects ? '-' : '0'
  const plain = `${head}${flags.padEnd(5)} ${String(each.metric).padEnd(6)} ${reference.padEnd(2)} ${'0'.padStart(7)} `
  return layout.extended === 0 ? `${plain}${name}` : `${plain}${name.padEnd(8)} ${'0'.padEnd(5)} ${'0'.padEnd(6)} 0`
}
