/** `ip netconf`: the settings that rtnetlink announces for each device, for all and for new ones. */
import type { Netns } from '../../net/netns.ts'
import type { IpContext } from './ip-context.ts'
import { abbreviation, printed, ToolError, type Words } from './ip-words.ts'

const RP_FILTER = ['off', 'strict', 'loose']

/** One line for IPv4, one for IPv6; without `values` just whom it is about, as deletions are announced. */
export function netconfLines(netns: Netns, name: string, values = true): string[] {
  if (!values) return [`inet ${name} `, `inet6 ${name} `]
  const setting = (key: string) => netns.sysctl.number(`net.ipv4.conf.${name}.${key}`)
  const onOff = (key: string) => (setting(key) === 0 ? 'off' : 'on')
  const linkdown = `ignore_routes_with_linkdown ${onOff('ignore_routes_with_linkdown')} `
  const rest = `mc_forwarding off proxy_neigh ${onOff('proxy_arp')} ${linkdown}`
  return [
    `inet ${name} forwarding ${onOff('forwarding')} rp_filter ${RP_FILTER[setting('rp_filter')] ?? 'off'} ${rest}`,
    `inet6 ${name} forwarding off mc_forwarding off proxy_neigh off ignore_routes_with_linkdown off `,
  ]
}

export function ipNetconf(context: IpContext, words: Words): number {
  const { self, netns } = context
  if (!words.done) {
    const verb = words.take()
    const named = abbreviation(verb, 'show', 'lst', 'list', 'help')
    if (named === null) throw new ToolError(`Command "${verb}" is unknown, try "ip netconf help".`, 255)
    if (named === 'help') throw new ToolError('Usage: ip netconf show [ dev STRING ]', 255)
  }
  const only = words.accept('dev') ? words.take() : null
  if (only !== null && !netns.devices.has(only)) throw new ToolError(`Cannot find device "${only}"`, 1)
  const names = only === null ? [...netns.devices.keys(), 'all', 'default'] : [only]
  const lines = names.map((name) => netconfLines(netns, name))
  if (context.json) throw new ToolError('podwire: ip -j netconf is not modelled', 2)
  return printed(
    self,
    [...lines.map(([inet]) => inet), ...lines.map(([, inet6]) => inet6)].map((l) => `${l}\n`).join(''),
  )
}
