/** ip(8) of iproute2 6.1: global options, then an object, then what to do with it. Words may be cut short. */
import { ipAddress } from './ip-address.ts'
import { runBatch } from './ip-batch.ts'
import type { IpContext } from './ip-context.ts'
import { ipLink } from './ip-link.ts'
import { ipMonitor } from './ip-monitor.ts'
import { ipNeighbour } from './ip-neighbour.ts'
import { ipNetconf } from './ip-netconf.ts'
import { ipNetns, namespaceNamed } from './ip-netns.ts'
import { ipRoute } from './ip-route.ts'
import { ipRule } from './ip-rule.ts'
import { abbreviation, notModelled, printed, ToolError, tool, Words } from './ip-words.ts'

const VERSION = 'ip utility, iproute2-6.1.0, libbpf 1.1.2'

const USAGE = `Usage: ip [ OPTIONS ] OBJECT { COMMAND | help }
       ip [ -force ] -batch filename
where  OBJECT := { address | addrlabel | amt | fou | help | ila | ioam | l2tp |
                   link | macsec | maddress | monitor | mptcp | mroute | mrule |
                   neighbor | neighbour | netconf | netns | nexthop | ntable |
                   ntbl | route | rule | sr | tap | tcpmetrics |
                   token | tunnel | tuntap | vrf | xfrm }
       OPTIONS := { -V[ersion] | -s[tatistics] | -d[etails] | -r[esolve] |
                    -h[uman-readable] | -iec | -j[son] | -p[retty] |
                    -f[amily] { inet | inet6 | mpls | bridge | link } |
                    -4 | -6 | -M | -B | -0 |
                    -l[oops] { maximum-addr-flush-attempts } | -br[ief] |
                    -o[neline] | -t[imestamp] | -ts[hort] | -b[atch] [filename] |
                    -rc[vbuf] [size] | -n[etns] name | -N[umeric] | -a[ll] |
                    -c[olor]}`

/** In the order in which ip(8) compares: `ip a` is address, `ip r` route, `ip n` neighbor, `ip m` maddress. */
const OBJECTS = [
  'address',
  'addrlabel',
  'maddress',
  'route',
  'rule',
  'neighbor',
  'neighbour',
  'ntable',
  'ntbl',
  'link',
  'l2tp',
  'fou',
  'ila',
  'macsec',
  'tunnel',
  'tunl',
  'tuntap',
  'tap',
  'token',
  'tcpmetrics',
  'monitor',
  'xfrm',
  'mroute',
  'mrule',
  'netns',
  'netconf',
  'vrf',
  'sr',
  'nexthop',
  'mptcp',
  'ioam',
  'help',
] as const

interface Settings {
  details: boolean
  statistics: number
  brief: boolean
  json: boolean
  pretty: boolean
  oneline: boolean
  /** `-4`: nothing but IPv4; on addresses it leaves the link line out. */
  family: 'inet' | 'inet6' | null
  timestamp: 'long' | 'short' | null
  human: boolean
  /** `-iec`: with `-h`, powers of 1024; nothing without it. */
  iec: boolean
  everywhere: boolean
  /** `-force`: a batch goes on behind a command that failed. */
  force: boolean
  batch: string | null
  namespace: string | null
}

export const ip = tool(async (self) => {
  const words = new Words(self.args.slice(1))
  const settings: Settings = {
    details: false,
    statistics: 0,
    brief: false,
    json: false,
    pretty: false,
    oneline: false,
    family: null,
    timestamp: null,
    human: false,
    iec: false,
    everywhere: false,
    force: false,
    batch: null,
    namespace: null,
  }
  while (words.peek.startsWith('-')) {
    if (takeOption(words, settings)) return printed(self, `${VERSION}\n`)
  }
  const { batch, force } = settings
  if (words.done && batch === null) throw new ToolError(USAGE, 255)
  const netns = settings.namespace === null ? self.netns : namespaceNamed(self, settings.namespace)
  const human = settings.human ? (settings.iec ? 'iec' : 'si') : null
  const context: IpContext = { self, netns, ...settings, human }
  if (batch !== null) return runBatch(context, { file: batch, force }, dispatch)
  return dispatch(context, words)
})

/** True when only the version was asked for. */
function takeOption(words: Words, settings: Settings): boolean {
  const given = words.take()
  const option = given.startsWith('--') ? given.slice(1) : given
  const named = abbreviation(
    option,
    '-loops',
    '-family',
    '-4',
    '-6',
    '-0',
    '-M',
    '-B',
    '-human-readable',
    '-iec',
    '-stats',
    '-statistics',
    '-details',
    '-resolve',
    '-oneline',
    '-timestamp',
    '-tshort',
    '-Version',
    '-force',
    '-batch',
    '-brief',
    '-json',
    '-rcvbuf',
    '-color',
    '-help',
    '-netns',
    '-Numeric',
    '-all',
    '-pretty',
    '-echo',
  )
  switch (named) {
    case '-4':
      settings.family = 'inet'
      return false
    case '-6':
      settings.family = 'inet6'
      return false
    case '-0':
      settings.family = null
      return false
    case '-timestamp':
      settings.timestamp = 'long'
      return false
    case '-tshort':
      settings.timestamp = 'short'
      return false
    case '-human-readable':
      settings.human = true
      return false
    case '-iec':
      settings.iec = true
      return false
    case '-all':
      settings.everywhere = true
      return false
    case '-force':
      settings.force = true
      return false
    case '-loops':
    case '-rcvbuf':
      words.take()
      return false
    case '-batch':
      if (words.done) throw new ToolError(USAGE, 255)
      settings.batch = words.take()
      return false
    case '-family':
      return takeFamily(words, settings)
    case '-stats':
    case '-statistics':
      settings.statistics++
      return false
    case '-details':
      settings.details = true
      return false
    case '-oneline':
      settings.oneline = true
      return false
    case '-brief':
      settings.brief = true
      return false
    case '-json':
      settings.json = true
      return false
    case '-pretty':
      settings.pretty = true
      return false
    case '-netns':
      settings.namespace = words.take()
      return false
    case '-color':
    case '-Numeric':
    case '-resolve':
      // Without a terminal there is no colour, and podwire's names are numbers.
      return false
    case '-Version':
      return true
    case '-help':
      throw new ToolError(USAGE, 255)
    case null:
      if (option.startsWith('-color=') || option.startsWith('-c=')) return false
      throw new ToolError(`Option "${given}" is unknown, try "ip -help".`, 255)
    default:
      throw notModelled(`ip ${given}`)
  }
}

function takeFamily(words: Words, settings: Settings): false {
  const family = words.take()
  if (family === 'inet' || family === 'inet6') settings.family = family
  else if (['mpls', 'bridge', 'link', 'any', 'mctp'].includes(family)) throw notModelled(`ip -family ${family}`)
  else throw new ToolError(`Error: argument "${family}" is wrong: invalid protocol family\n`, 255)
  return false
}

/** What of IPv6 is listed: nothing, as where net.ipv6.conf.all.disable_ipv6 is set. */
const INET6_EMPTY: readonly string[] = ['route', 'neighbor', 'neighbour', 'maddress', 'tunnel', 'mroute']

function listNothing(words: Words, object: string): number {
  if (!words.done && abbreviation(words.take(), 'show', 'list', 'lst') === null) throw notModelled(`ip -6 ${object}`)
  return 0
}

async function dispatch(context: IpContext, words: Words): Promise<number> {
  const word = words.take()
  const object = abbreviation(word, ...OBJECTS)
  if (context.family === 'inet6' && object !== null && INET6_EMPTY.includes(object)) return listNothing(words, word)
  switch (object) {
    case 'address':
      return ipAddress(context, words)
    case 'link':
      return ipLink(context, words)
    case 'route':
      return ipRoute(context, words)
    case 'neighbor':
    case 'neighbour':
      return ipNeighbour(context, words)
    case 'rule':
      return ipRule(context, words)
    case 'netns':
      return ipNetns(context, words)
    case 'monitor':
      return ipMonitor(context, words)
    case 'netconf':
      return ipNetconf(context, words)
    case 'help':
      throw new ToolError(USAGE, 255)
    case null:
      throw new ToolError(`Object "${word}" is unknown, try "ip help".`, 1)
    default:
      throw notModelled(`ip ${object}`)
  }
}
