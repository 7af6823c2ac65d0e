/** `ip addr`: addresses, device by device. */
import type { NetDevice } from '../../link/device.ts'
import type { DeviceAddress } from '../../net/netns.ts'
import { broadcastOf, type Cidr, cidrOf, contains, formatIpv4, type Ipv4 } from '../../wire/address.ts'
import { type IpContext, record } from './ip-context.ts'
import { findDevice } from './ip-device.ts'
import { formatJson, type Json } from './ip-json.ts'
import {
  briefHead,
  type DeviceSelection,
  headLine,
  linkJson,
  linkLines,
  selected,
  statisticsLines,
  takeSelection,
} from './ip-link.ts'
import { abbreviation, notModelled, printed, ToolError, takeAddress, takePrefix, type Words } from './ip-words.ts'

const FOREVER = 4_294_967_295

export function ipAddress(context: IpContext, words: Words, inetOnly: boolean): number {
  if (words.done) return showAddresses(context, words, inetOnly)
  const verb = words.take()
  const verbs = ['add', 'change', 'chg', 'replace', 'delete', 'show', 'lst', 'list', 'flush', 'save', 'restore', 'help']
  switch (abbreviation(verb, ...verbs)) {
    case 'show':
    case 'lst':
    case 'list':
      return showAddresses(context, words, inetOnly)
    case 'add':
      return addAddress(context, words, false)
    case 'replace':
    case 'change':
    case 'chg':
      return addAddress(context, words, true)
    case 'delete':
      return deleteAddress(context, words)
    case 'flush':
      return flushAddresses(context, words)
    case null:
      throw new ToolError(`Command "${verb}" is unknown, try "ip address help".`, 255)
    default:
      throw notModelled(`ip address ${verb}`)
  }
}

interface AddressSelection extends DeviceSelection {
  readonly within: Cidr | null
  readonly scope: string | null
}

function takeAddressSelection(context: IpContext, words: Words): AddressSelection {
  let within: Cidr | null = null
  let scope: string | null = null
  const selection = takeSelection(context.netns, words, (word) => {
    if (word === 'to') {
      const { address, prefix } = takePrefix(words)
      within = cidrOf(address, prefix)
    } else if (word === 'scope') scope = words.take()
    else if (['primary', 'secondary', 'permanent', 'dynamic', 'label', 'vrf'].includes(word)) {
      throw notModelled(`ip address show ${word}`)
    } else return false
    return true
  })
  return { ...selection, within, scope }
}

function addressesShown(context: IpContext, device: NetDevice, selection: AddressSelection): DeviceAddress[] {
  const all = context.netns
    .addressesOf(device)
    .filter(
      (own) =>
        (selection.within === null || contains(selection.within, own.address)) &&
        (selection.scope === null || selection.scope === own.scope),
    )
  return [...all.filter((own) => !own.secondary), ...all.filter((own) => own.secondary)]
}

function showAddresses(context: IpContext, words: Words, inetOnly: boolean): number {
  const { self, netns } = context
  const selection = takeAddressSelection(context, words)
  const filtered = inetOnly || selection.within !== null || selection.scope !== null
  const shown = selected(netns, selection)
    .map((device) => ({ device, addresses: addressesShown(context, device, selection) }))
    .filter(({ addresses }) => !filtered || addresses.length > 0)
  if (context.json) {
    const list: Json[] = shown.map(({ device, addresses }) => ({
      ...linkJson(context, device, false),
      addr_info: addresses.map(addressJson),
    }))
    return printed(self, formatJson(list, context.pretty))
  }
  for (const { device, addresses } of shown) {
    if (context.brief) {
      self.out(`${briefHead(context, device)}${addresses.map((own) => `${addressText(own)} `).join('')}\n`)
    } else if (context.oneline) {
      for (const own of addresses)
        self.out(`${device.index}: ${device.name}    ${addressLines(own).join('\\').trimStart()}\n`)
    } else {
      const link = inetOnly ? [] : linkLines(context, device, false)
      const statistics = context.statistics > 0 ? statisticsLines(context, device) : []
      self.out(
        record(context, [headLine(context, device, false), ...link, ...addresses.flatMap(addressLines), ...statistics]),
      )
    }
  }
  return 0
}

function addressText(own: DeviceAddress): string {
  return `${formatIpv4(own.address)}/${own.prefix}`
}

function addressLines(own: DeviceAddress): string[] {
  const broadcast = own.broadcast === null ? '' : ` brd ${formatIpv4(own.broadcast)}`
  const secondary = own.secondary ? ' secondary' : ''
  return [
    `    inet ${addressText(own)}${broadcast} scope ${own.scope}${secondary} ${own.device.name}`,
    '       valid_lft forever preferred_lft forever',
  ]
}

function addressJson(own: DeviceAddress): Json {
  return {
    family: 'inet',
    local: formatIpv4(own.address),
    prefixlen: own.prefix,
    broadcast: own.broadcast === null ? undefined : formatIpv4(own.broadcast),
    scope: own.scope,
    secondary: own.secondary ? true : undefined,
    label: own.device.name,
    valid_life_time: FOREVER,
    preferred_life_time: FOREVER,
  }
}

interface GivenAddress {
  readonly device: NetDevice
  readonly address: Ipv4
  readonly prefix: number
  readonly bare: boolean
  readonly broadcast: Ipv4 | null
}

function takeGiven(context: IpContext, words: Words): GivenAddress {
  let local: { address: Ipv4; prefix: number; bare: boolean } | null = null
  let broadcast: Ipv4 | 'last' | 'none' = 'none'
  let name: string | null = null
  while (!words.done) {
    const word = words.peek
    if (words.accept('dev')) name = words.take()
    else if (words.accept('broadcast', 'brd')) {
      if (words.accept('+')) broadcast = 'last'
      else if (words.accept('-')) broadcast = 'none'
      else broadcast = takeAddress(words)
    } else if (
      ['peer', 'remote', 'label', 'scope', 'valid_lft', 'preferred_lft', 'metric', 'noprefixroute'].includes(word)
    ) {
      throw notModelled(`ip address ${word}`)
    } else {
      words.accept('local')
      if (local !== null)
        throw new ToolError(`Error: either "local" is duplicate, or "${words.peek}" is a garbage.`, 255)
      local = takePrefix(words)
    }
  }
  if (name === null) throw new ToolError('Not enough information: "dev" argument is required.', 1)
  if (local === null) throw new ToolError('RTNETLINK answers: Operation not supported', 2)
  const { address, prefix, bare } = local
  const last = broadcast === 'last' ? (prefix < 31 ? broadcastOf(cidrOf(address, prefix)) : null) : broadcast
  return { device: findDevice(context.netns, name), address, prefix, bare, broadcast: last === 'none' ? null : last }
}

function addAddress(context: IpContext, words: Words, replace: boolean): number {
  const { netns } = context
  const { device, address, prefix, broadcast } = takeGiven(context, words)
  if (netns.addressesOf(device).some((own) => own.address === address && own.prefix === prefix)) {
    if (!replace) throw new ToolError('Error: ipv4: Address already assigned.', 2)
    netns.removeAddress(device, address)
  }
  netns.addAddress(device, address, prefix, broadcast)
  return 0
}

function deleteAddress(context: IpContext, words: Words): number {
  const { self, netns } = context
  const { device, address, prefix, bare } = takeGiven(context, words)
  if (bare) {
    self.err(
      'Warning: Executing wildcard deletion to stay compatible with old scripts.\n' +
        `         Explicitly specify the prefix length (${formatIpv4(address)}/32) to avoid this warning.\n` +
        '         This special behaviour is likely to disappear in further releases,\n' +
        '         fix your scripts!\n',
    )
  }
  const found = netns.addressesOf(device).some((own) => own.address === address && (bare || own.prefix === prefix))
  if (!found) throw new ToolError('Error: ipv4: Address not found.', 2)
  netns.removeAddress(device, address)
  return 0
}

function flushAddresses(context: IpContext, words: Words): number {
  if (words.done) throw new ToolError('Flush requires arguments.', 1)
  const selection = takeAddressSelection(context, words)
  for (const device of selected(context.netns, selection)) {
    for (const own of addressesShown(context, device, selection)) context.netns.removeAddress(device, own.address)
  }
  return 0
}
