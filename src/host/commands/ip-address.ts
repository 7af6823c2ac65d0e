/** `ip addr`: addresses, device by device. */
import type { NetDevice } from '../../link/device.ts'
import { type AddressScope, type DeviceAddress, scopeNumber } from '../../net/device-address.ts'
import { linkOf } from '../../net/lower-link.ts'
import { type Nanos, SECOND } from '../../sim/scheduler.ts'
import { type Cidr, cidrOf, contains, formatIpv4 } from '../../wire/address.ts'
import { addAddress, deleteAddress } from './ip-address-set.ts'
import { type IpContext, record } from './ip-context.ts'
import { formatJson, type Json } from './ip-json.ts'
import {
  briefHead,
  briefJson,
  type DeviceSelection,
  headLine,
  linkJson,
  linkLines,
  namespaceText,
  selected,
  statisticsLines,
  takeSelection,
} from './ip-link.ts'
import { ADDRESS_USAGE } from './ip-usage.ts'
import { abbreviation, notModelled, printed, ToolError, takePrefix, takeScope, type Words } from './ip-words.ts'

const FOREVER = 4_294_967_295

export function ipAddress(context: IpContext, words: Words): number {
  if (words.done) return showAddresses(context, words)
  const verb = words.take()
  const verbs = ['add', 'change', 'chg', 'replace', 'delete', 'show', 'lst', 'list', 'flush', 'save', 'restore', 'help']
  switch (abbreviation(verb, ...verbs)) {
    case 'show':
    case 'lst':
    case 'list':
      return showAddresses(context, words)
    case 'add':
      return addAddress(context, words, 'add')
    case 'replace':
    case 'change':
    case 'chg':
      return addAddress(context, words, 'change')
    case 'delete':
      return deleteAddress(context, words)
    case 'flush':
      return flushAddresses(context, words)
    case 'help':
      throw new ToolError(ADDRESS_USAGE, 255)
    case null:
      throw new ToolError(`Command "${verb}" is unknown, try "ip address help".`, 255)
    default:
      throw notModelled(`ip address ${verb}`)
  }
}

interface AddressSelection extends DeviceSelection {
  readonly within: Cidr | null
  readonly scope: AddressScope | null
  readonly label: RegExp | null
  readonly flags: ReadonlySet<string>
}

/** Flags of addresses that a listing may ask for; those of IPv6 alone match nothing here. */
const FLAGS = ['permanent', 'dynamic', 'secondary', 'temporary', 'primary', 'deprecated', '-deprecated']
const INET6_FLAGS = ['tentative', '-tentative', 'dadfailed', '-dadfailed', 'home', 'nodad', 'mngtmpaddr']

function takeAddressSelection(context: IpContext, words: Words): AddressSelection {
  let within: Cidr | null = null
  let scope: AddressScope | null = null
  let label: RegExp | null = null
  const flags = new Set<string>()
  const selection = takeSelection(context.netns, words, (word) => {
    if (word === 'to') {
      const { address, prefix } = takePrefix(words)
      within = cidrOf(address, prefix)
    } else if (word === 'scope') scope = takeScope(words)
    else if (word === 'label') label = pattern(words.take())
    else if (FLAGS.includes(word)) flags.add(word)
    else if (INET6_FLAGS.includes(word)) flags.add('inet6')
    else if (word === 'vrf') throw notModelled('ip address show vrf')
    else return false
    return true
  })
  return { ...selection, within, scope, label, flags }
}

/** `eth0:*`, as fnmatch(3) reads it. */
function pattern(text: string): RegExp {
  const escaped = text
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${escaped}$`)
}

function scopeText(scope: AddressScope): string {
  if (scope === 200) return 'site'
  return scope === 255 ? 'nowhere' : String(scope)
}

function isDynamic(own: DeviceAddress): boolean {
  return own.validUntil !== Number.POSITIVE_INFINITY
}

function carries(own: DeviceAddress, flag: string, now: Nanos): boolean {
  switch (flag) {
    case 'permanent':
      return !isDynamic(own)
    case 'dynamic':
      return isDynamic(own)
    case 'primary':
      return !own.secondary
    case 'secondary':
    case 'temporary':
      return own.secondary
    case 'deprecated':
      return own.preferredUntil <= now
    case '-deprecated':
      return own.preferredUntil > now
    default:
      return false
  }
}

function addressesShown(context: IpContext, device: NetDevice, selection: AddressSelection): DeviceAddress[] {
  const { within, scope, label, flags } = selection
  const now = context.self.now()
  const all = context.netns
    .addressesOf(device)
    .filter(
      (own) =>
        context.family !== 'inet6' &&
        (within === null || (contains(within, own.address) && own.prefix >= within.prefix)) &&
        (scope === null || scope === -1 || scopeNumber(scope) === scopeNumber(own.scope)) &&
        (label === null || label.test(own.label)) &&
        [...flags].every((flag) => carries(own, flag, now)),
    )
  return [...all.filter((own) => !own.secondary), ...all.filter((own) => own.secondary)]
}

function showAddresses(context: IpContext, words: Words): number {
  const { self, netns } = context
  const selection = takeAddressSelection(context, words)
  const filtered = selection.within !== null || selection.scope !== null || selection.flags.size > 0
  const bare = context.family !== null || selection.within !== null
  const shown = selected(netns, selection)
    .map((device) => ({ device, addresses: addressesShown(context, device, selection) }))
    .filter(({ addresses }) => !(filtered || bare || selection.label !== null) || addresses.length > 0)
  const now = self.now()
  if (context.json) {
    const list: Json[] = shown.map(({ device, addresses }) => ({
      ...(context.brief ? briefJson(context, device) : linkJson(context, device, false)),
      addr_info: addresses.map((own) => (context.brief ? briefAddressJson(own) : addressJson(own, now))),
    }))
    return printed(self, formatJson(list, context.pretty))
  }
  for (const { device, addresses } of shown) {
    if (context.brief) {
      self.out(`${briefHead(context, device)}${addresses.map((own) => `${addressText(own)} `).join('')}\n`)
    } else if (context.oneline) {
      for (const own of addresses) self.out(`${device.index}: ${device.name}${addressLines(own, now).join('\\')}\n`)
    } else {
      const statistics = context.statistics > 0 ? statisticsLines(context, device) : []
      const texts = addresses.flatMap((own) => addressLines(own, now))
      self.out(record(context, [...linkHead(context, device, selection, bare), ...texts, ...statistics]))
    }
  }
  return 0
}

/** What stands above the addresses: nothing when labels were asked for, no link layer when only one family was. */
function linkHead(context: IpContext, device: NetDevice, selection: AddressSelection, bare: boolean): string[] {
  if (selection.label !== null) return []
  const head = headLine(context, device, false)
  if (!bare) return [head, ...linkLines(context, device, false)]
  const netnsid = linkOf(device, context.netns)?.netnsid ?? null
  return [netnsid === null ? head : `${head} ${namespaceText(context, device, netnsid)}`]
}

function addressText(own: DeviceAddress): string {
  const peer = own.peer === own.address ? '' : ` peer ${formatIpv4(own.peer)}`
  const metric = own.metric === 0 ? '' : ` metric ${own.metric}`
  return `${formatIpv4(own.address)}${peer}/${own.prefix}${metric}`
}

/** Whole seconds that are left, as the kernel counts them; null for ever. */
function secondsLeft(until: Nanos, now: Nanos): number | null {
  return until === Number.POSITIVE_INFINITY ? null : Math.max(0, Math.ceil((until - now) / SECOND))
}

export function addressLines(own: DeviceAddress, now: Nanos): string[] {
  const broadcast = own.broadcast === null ? '' : ` brd ${formatIpv4(own.broadcast)}`
  const flags = [
    own.secondary ? ' secondary' : '',
    own.preferredUntil <= now ? ' deprecated' : '',
    isDynamic(own) ? ' dynamic' : '',
    own.noPrefixRoute ? ' noprefixroute' : '',
  ].join('')
  const lifetime = (until: Nanos) => {
    const left = secondsLeft(until, now)
    return left === null ? 'forever' : `${left}sec`
  }
  return [
    `    inet ${addressText(own)}${broadcast} scope ${scopeText(own.scope)}${flags} ${own.label}`,
    `       valid_lft ${lifetime(own.validUntil)} preferred_lft ${lifetime(own.preferredUntil)}`,
  ]
}

function briefAddressJson(own: DeviceAddress): { [key: string]: Json | undefined } {
  return {
    local: formatIpv4(own.address),
    address: own.peer === own.address ? undefined : formatIpv4(own.peer),
    prefixlen: own.prefix,
    metric: own.metric === 0 ? undefined : own.metric,
  }
}

function addressJson(own: DeviceAddress, now: Nanos): Json {
  return {
    family: 'inet',
    ...briefAddressJson(own),
    broadcast: own.broadcast === null ? undefined : formatIpv4(own.broadcast),
    scope: scopeText(own.scope),
    secondary: own.secondary ? true : undefined,
    deprecated: own.preferredUntil <= now ? true : undefined,
    dynamic: isDynamic(own) ? true : undefined,
    noprefixroute: own.noPrefixRoute ? true : undefined,
    label: own.label,
    valid_life_time: secondsLeft(own.validUntil, now) ?? FOREVER,
    preferred_life_time: secondsLeft(own.preferredUntil, now) ?? FOREVER,
  }
}

function flushAddresses(context: IpContext, words: Words): number {
  if (words.done) throw new ToolError('Flush requires arguments.', 1)
  const selection = takeAddressSelection(context, words)
  for (const device of selected(context.netns, selection)) {
    for (const own of addressesShown(context, device, selection)) {
      context.netns.removeAddress(device, own.address, own.prefix, own.peer)
    }
  }
  return 0
}
