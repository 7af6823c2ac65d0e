/** route(8) of net-tools 2.10. */
import type { NetDevice } from '../../link/device.ts'
import { strerror } from '../../net/errno.ts'
import type { Netns } from '../../net/netns.ts'
import { isRefusal, makeRoute } from '../../net/route-config.ts'
import { isMeant } from '../../net/route-match.ts'
import { TABLE_MAIN } from '../../net/rules.ts'
import { type Cidr, cidrOf, type Ipv4, mask, tryParseInterfaceAddress, tryParseIpv4 } from '../../wire/address.ts'
import { hexAddress } from '../proc-net.ts'
import { reverse } from '../resolver.ts'
import { ToolError, tool, Words } from './ip-words.ts'
import { routeTableText } from './route-table.ts'
import { INET_USAGE, ROUTE_FAMILIES, ROUTE_USAGE, ROUTE_VERSION } from './route-usage.ts'

export const route = tool(async (self) => {
  const { netns } = self
  const words = new Words(self.args.slice(1))
  let numeric = false
  let extended = 0
  while (words.peek.startsWith('-') && words.peek !== '-net' && words.peek !== '-host') {
    const option = words.take()
    for (const letter of option.startsWith('--') ? [option] : [...option.slice(1)]) {
      if (letter === 'n' || letter === '--numeric') numeric = true
      else if (letter === 'e' || letter === '--extend') extended++
      else if (letter === 'V' || letter === '--version') {
        self.out(ROUTE_VERSION)
        return 0
      } else if (letter === 'h' || letter === '--help') {
        self.out(ROUTE_USAGE)
        self.err(ROUTE_FAMILIES)
        return 0
      } else if (letter === 'A' || letter === '6' || letter === 'C')
        throw new ToolError(`podwire: route ${option} is not modelled`, 2)
      else if (!['v', '4', 'F', '--inet', '--verbose', '--fib'].includes(letter)) {
        // It complains, shows how it is used, and calls that well done.
        const what = letter.startsWith('--') ? `unrecognized option '${letter}'` : `invalid option -- '${letter}'`
        self.err(`route: ${what}\n`)
        self.out(ROUTE_USAGE)
        self.err(ROUTE_FAMILIES)
        return 0
      }
    }
  }
  if (words.done) {
    const nameOf = numeric ? null : (address: Ipv4) => reverse(self, address)
    self.out(await routeTableText(netns, { nameOf, extended: Math.min(extended, 2) }))
    return 0
  }
  const verb = words.take()
  if (verb === 'flush') throw misused("Flushing `inet' routing table not supported")
  if (verb !== 'add' && verb !== 'del') throw new ToolError((ROUTE_USAGE + ROUTE_FAMILIES).slice(0, -1), 3)
  if (words.done) {
    self.out(INET_USAGE)
    return 0
  }
  const given = take(netns, words)
  if (verb === 'add') add(netns, given)
  else remove(netns, given)
  return 0
})

interface Given {
  destination: Cidr
  gateway: Ipv4 | null
  device: NetDevice | null
  metric: number | null
  reject: boolean
}

function take(netns: Netns, words: Words): Given {
  const kind = words.peek === '-net' || words.peek === '-host' ? words.take() : ''
  if (words.done) throw misused('')
  const target = words.take()
  const given: Given = { destination: cidrOf(mask(0), 0), gateway: null, device: null, metric: null, reject: false }
  // A prefix that cannot be is a name no longer.
  if (/^[0-9.]+\/[0-9]+$/.test(target) && Number(target.split('/')[1]) > 32)
    throw misused("route: netmask doesn't match route address")
  const whole = target === 'default' ? { address: mask(0), prefix: 0 } : tryParseInterfaceAddress(target)
  if (kind === '-host' && whole !== null && whole.prefix < 32 && target.includes('/'))
    throw misused(`route: netmask ${hexAddress(mask(whole.prefix)).toLowerCase()} doesn't make sense with host route`)
  if (whole === null) throw new ToolError(`${target}: Host name lookup failure`, 4)
  let { prefix } = whole
  let netmask: Ipv4 | null = null
  while (!words.done) {
    const word = words.take()
    if (word === 'netmask') netmask = takeAddress(words)
    else if (word === 'gw') given.gateway = takeAddress(words)
    else if (word === 'metric') given.metric = Number(words.take())
    else if (word === 'reject') given.reject = true
    else if (['mss', 'window', 'irtt', 'mod', 'dyn', 'reinstate'].includes(word))
      throw new ToolError(`podwire: route ${word} is not modelled`, 2)
    else given.device = takeDevice(netns, word === 'dev' ? words.take() : word)
  }
  if (netmask !== null) prefix = Math.clz32(~netmask)
  else if (kind === '-net' && !target.includes('/') && target !== 'default') {
    const first = whole.address >>> 24
    prefix = first < 128 ? 8 : first < 192 ? 16 : 24
  }
  if ((whole.address & ~mask(prefix)) !== 0) throw misused("route: netmask doesn't match route address")
  given.destination = cidrOf(whole.address, prefix)
  return given
}

function misused(sentence: string): ToolError {
  return new ToolError(`${sentence === '' ? '' : `${sentence}\n`}${INET_USAGE.trimEnd()}`, 3)
}

function takeAddress(words: Words): Ipv4 {
  const text = words.take()
  const address = tryParseIpv4(text)
  if (address === null) throw new ToolError(`${text}: Host name lookup failure`, 4)
  return address
}

function takeDevice(netns: Netns, name: string): NetDevice {
  const device = netns.devices.get(name)
  if (device === undefined) throw new ToolError('SIOCADDRT: No such device', 7)
  return device
}

/** rtentry_to_fib_config: the new one comes before others of its kind. */
function add(netns: Netns, given: Given): void {
  const { gateway, device, reject, destination } = given
  const made = makeRoute(netns, {
    ...given,
    type: reject ? 'unreachable' : 'unicast',
    destination,
    gateway,
    device: reject ? null : device,
    scope: reject ? 'host' : gateway !== null && netns.addressType(gateway) === 'UNICAST' ? 'global' : 'link',
    metric: given.metric ?? 0,
    table: TABLE_MAIN,
    tos: 0,
    protocol: 'boot',
    source: null,
    mtu: 0,
    mtuLocked: false,
    onlink: false,
    hops: null,
  })
  // The ioctl has no NLM_F_EXCL: another way to the same place goes before those that are there.
  const failed = isRefusal(made) ? made.errno : netns.main.insert(made, 'prepend')
  if (failed !== null) throw new ToolError(`SIOCADDRT: ${strerror(failed)}`, 7)
}

function remove(netns: Netns, given: Given): void {
  const nothing = { tos: 0, type: null, scope: null, protocol: null, source: null, mtu: null, hops: null }
  const query = { ...given, ...nothing }
  const doomed = netns.main.list().find((each) => isMeant(each, query))
  if (doomed === undefined) throw new ToolError('SIOCDELRT: No such process', 7)
  netns.main.remove((each) => each === doomed)
}
