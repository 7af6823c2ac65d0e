/**
 * `ip monitor`: prints what changes in the namespace as rtnetlink announces it, until it is killed. The bridge's own
 * announcements (AF_BRIDGE: its FDB, the state of its ports) are not modelled.
 */
import type { NetDevice } from '../../link/device.ts'
import { Veth } from '../../link/veth.ts'
import type { DeviceAddress } from '../../net/device-address.ts'
import { linkOf } from '../../net/lower-link.ts'
import type { Neighbour } from '../../net/neighbour-entry.ts'
import { neighbourLine } from '../../net/neighbour-text.ts'
import type { Listener } from '../../net/notices.ts'
import type { Route } from '../../net/route.ts'
import { routeText } from '../../net/route-text.ts'
import { addressLines } from './ip-address.ts'
import { type IpContext, record } from './ip-context.ts'
import { deviceNamed, namespaceName } from './ip-device.ts'
import { headLine, linkLines } from './ip-link.ts'
import { netconfLines } from './ip-netconf.ts'
import { abbreviation, ToolError, type Words } from './ip-words.ts'

const USAGE = `Usage: ip monitor [ all | OBJECTS ] [ FILE ] [ label ] [ all-nsid ]
                  [ dev DEVICE ]
OBJECTS :=  address | link | mroute | neigh | netconf |
            nexthop | nsid | prefix | route | rule | stats
FILE := file FILENAME`

/** In ip(8)'s order. */
const GROUPS = ['link', 'address', 'route', 'neigh', 'netconf', 'nsid', 'mroute', 'prefix', 'rule', 'nexthop', 'stats']

/** What podwire announces nothing of: whoever asks for one of them is told, `all` is the rest. */
const SILENT = ['mroute', 'prefix', 'rule', 'nexthop', 'stats']

interface Watching {
  readonly groups: ReadonlySet<string>
  readonly label: boolean
  readonly device: NetDevice | null
}

export async function ipMonitor(context: IpContext, words: Words): Promise<number> {
  const { self, netns } = context
  const monitor = new Monitor(context, takeWatching(context, words))
  const stop = netns.listen(monitor)
  const forget = self.world.watchLinks(() => monitor.checkCarriers())
  try {
    await self.forever()
  } finally {
    stop()
    forget()
  }
  return 0
}

function takeWatching(context: IpContext, words: Words): Watching {
  const groups = new Set<string>()
  let label = false
  let device: NetDevice | null = null
  while (!words.done) {
    const word = words.take()
    if (word === 'dev') {
      const name = words.take()
      device = deviceNamed(context.netns, name)
      if (device === null) throw new ToolError(`Error: argument "${name}" is wrong: Device does not exist\n`, 255)
      continue
    }
    const named = abbreviation(word, 'file', 'label', 'help', 'all', 'all-nsid', ...GROUPS)
    if (named === null) throw new ToolError(`Argument "${word}" is unknown, try "ip monitor help".`, 255)
    if (named === 'help') throw new ToolError(USAGE, 255)
    if (named === 'file' || named === 'all-nsid' || SILENT.includes(named))
      throw new ToolError(`podwire: ip monitor ${named} is not modelled`, 2)
    if (named === 'label') label = true
    else if (named === 'all') {
      label = true
      for (const group of GROUPS) groups.add(group)
    } else groups.add(named)
  }
  return { groups: groups.size === 0 ? new Set(GROUPS) : groups, label, device }
}

class Monitor implements Listener {
  readonly #context: IpContext
  readonly #watching: Watching
  /** What each device's carrier was when it was last told of. */
  readonly #carriers = new Map<NetDevice, boolean>()
  readonly #numbers = new Set<number>()

  constructor(context: IpContext, watching: Watching) {
    this.#context = context
    this.#watching = watching
    for (const device of context.netns.devices.values()) {
      this.#carriers.set(device, device.carrier)
      this.#numbers.add(this.#numberOf(device))
    }
  }

  link(device: NetDevice, gone: boolean): void {
    const number = this.#numberOf(device)
    if (number >= 0 && !this.#numbers.has(number)) this.#number(number, device)
    if (gone) this.#carriers.delete(device)
    else this.#carriers.set(device, device.carrier)
    // The kernel has let go of the peer when it announces a cable's end.
    const cut = device instanceof Veth && device.peer === null
    const lines = [
      headLine(this.#context, device, false, { cut, queue: false }),
      ...linkLines(this.#context, device, false),
    ]
    this.#print('link', device, gone, record(this.#context, lines))
  }

  address(own: DeviceAddress, gone: boolean): void {
    const { device } = own
    const lines = addressLines(own, this.#context.self.now())
    lines[0] = `${device.index}: ${device.name}${lines[0]}`
    this.#print('address', device, gone, record(this.#context, lines))
  }

  route(route: Route, table: string, gone: boolean): void {
    const text = routeText(this.#context.netns.fib, route, this.#context, table === 'main' ? {} : { table })
    this.#print('route', route.device, gone, `${text}\n`)
  }

  neighbour(neighbour: Neighbour, gone: boolean): void {
    this.#print('neigh', neighbour.device, gone, `${neighbourLine(neighbour, neighbour.device.name)} \n`)
  }

  netconf(device: NetDevice, gone: boolean): void {
    for (const line of netconfLines(this.#context.netns, device.name, !gone)) {
      this.#print('netconf', device, gone, `${line}\n`)
    }
  }

  /** linkwatch: a device whose other end came or went is told of when that is noticed. */
  checkCarriers(): void {
    for (const device of this.#context.netns.devices.values()) {
      // The end of a cable that is cut goes away next, and is told of then.
      if (device instanceof Veth && device.peer === null) continue
      if (this.#carriers.get(device) !== device.carrier) this.link(device, false)
    }
  }

  /** The number that the device's other namespace has here; -1: it leads to no other. */
  #numberOf(device: NetDevice): number {
    return linkOf(device, this.#context.netns)?.netnsid ?? -1
  }

  #number(number: number, device: NetDevice): void {
    this.#numbers.add(number)
    const name = namespaceName(this.#context, device)
    this.#print('nsid', null, false, `nsid ${number} ${name === null ? '' : `(iproute2 netns name: ${name})`}\n`)
  }

  #print(group: string, device: NetDevice | null, gone: boolean, text: string): void {
    const { self, timestamp } = this.#context
    const { groups, label, device: only } = this.#watching
    if (!groups.has(group) || (only !== null && only !== device)) return
    const title = label ? LABELS[group] : ''
    self.out(
      `${timestamp === null ? '' : stamp(timestamp, self.runner.wallClock)}${title}${gone ? 'Deleted ' : ''}${text}`,
    )
    // It prints from events of the kernel's, which is where no program runs: whoever reads must be told.
    self.runner.wake()
  }
}

const LABELS: Readonly<Record<string, string>> = {
  link: '[LINK]',
  address: '[ADDR]',
  route: '[ROUTE]',
  neigh: '[NEIGH]',
  netconf: '[NETCONF]',
  nsid: '[NSID]',
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** `Timestamp: Sat Nov 21 14:22:53 2026 214248 usec`, or with -ts `[2026-11-21T14:22:53.214467] `. */
function stamp(layout: 'long' | 'short', milliseconds: number): string {
  const at = new Date(milliseconds)
  const clock = at.toISOString()
  const micros = Math.floor((milliseconds % 1000) * 1000)
  if (layout === 'short') return `[${clock.slice(0, 19)}.${String(micros).padStart(6, '0')}] `
  const day = `${DAYS[at.getUTCDay()]} ${MONTHS[at.getUTCMonth()]} ${String(at.getUTCDate()).padStart(2)}`
  return `Timestamp: ${day} ${clock.slice(11, 19)} ${clock.slice(0, 4)} ${micros} usec\n`
}
