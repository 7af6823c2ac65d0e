/** `ip addr add`, `change` and `del`: addresses come and go. */
import type { NetDevice } from '../../link/device.ts'
import type { AddressOptions } from '../../net/device-address.ts'
import type { Nanos } from '../../sim/scheduler.ts'
import { SECOND } from '../../sim/scheduler.ts'
import { broadcastOf, cidrOf, formatIpv4, type Ipv4 } from '../../wire/address.ts'
import type { IpContext } from './ip-context.ts'
import { findDevice } from './ip-device.ts'
import {
  notModelled,
  refused,
  ToolError,
  takeAddress,
  takeNumber,
  takePrefix,
  takeScope,
  type Words,
} from './ip-words.ts'

interface GivenAddress {
  readonly device: NetDevice
  readonly address: Ipv4
  readonly prefix: number
  /** Neither it nor its peer had a prefix length. */
  readonly bare: boolean
  readonly broadcast: Ipv4 | null
  readonly peer: Ipv4
  readonly options: AddressOptions
  /** Seconds; Infinity for ever. */
  readonly valid: number
  readonly preferred: number
}

type Prefix = ReturnType<typeof takePrefix>
type MutableOptions = { -readonly [K in keyof AddressOptions]: AddressOptions[K] }

function takeGiven(context: IpContext, words: Words): GivenAddress {
  let local: Prefix | null = null
  let peer: Prefix | null = null
  let broadcast: Ipv4 | 'last' | null = null
  let name: string | null = null
  let valid = Number.POSITIVE_INFINITY
  let preferred: number | null = null
  const options: MutableOptions = {}
  while (!words.done) {
    if (words.accept('dev')) name = words.take()
    else if (words.accept('peer', 'remote')) peer = takePrefix(words)
    else if (words.accept('broadcast', 'brd')) {
      if (words.accept('+')) broadcast = 'last'
      else if (words.accept('-')) broadcast = null
      else broadcast = takeAddress(words)
    } else if (words.accept('scope')) options.scope = takeScope(words)
    else if (words.accept('label')) options.label = words.take()
    else if (words.accept('metric', 'priority', 'preference')) options.metric = takeNumber(words, 'metric')
    else if (words.accept('noprefixroute')) options.noPrefixRoute = true
    else if (words.accept('valid_lft')) {
      valid = takeLifetime(words, 'valid_lft')
      if (valid === 0) throw new ToolError('valid_lft is zero', 1)
    } else if (words.accept('preferred_lft')) preferred = takeLifetime(words, 'preferred_lft')
    else if (['anycast', 'home', 'nodad', 'mngtmpaddr', 'autojoin', 'proto'].includes(words.peek)) {
      throw notModelled(`ip address ${words.peek}`)
    } else {
      words.accept('local')
      if (local !== null)
        throw new ToolError(`Error: either "local" is duplicate, or "${words.peek}" is a garbage.`, 255)
      local = takePrefix(words)
    }
  }
  if (name === null) throw new ToolError('Not enough information: "dev" argument is required.', 1)
  if (local === null) throw new ToolError('RTNETLINK answers: Operation not supported', 2)
  if (preferred !== null && preferred > valid) throw new ToolError('preferred_lft is greater than valid_lft', 1)
  const other = peer ?? local
  const prefix = peer === null ? local.prefix : peer.prefix
  const network = cidrOf(other.address, prefix)
  const last = prefix < 31 ? broadcastOf(network) : null
  return {
    device: findDevice(context.netns, name),
    address: local.address,
    prefix,
    bare: local.bare && peer === null,
    broadcast: broadcast === 'last' ? last : broadcast,
    peer: other.address,
    options,
    valid,
    preferred: preferred ?? valid,
  }
}

/** `forever` or seconds. */
function takeLifetime(words: Words, name: string): number {
  const text = words.take()
  if (text === 'forever') return Number.POSITIVE_INFINITY
  if (!/^[0-9]+$/.test(text)) throw new ToolError(`Error: argument "${text}" is wrong: ${name} value`, 255)
  return Number(text)
}

/** `change` and `replace` give a known address new lifetimes, and add one that is not there. */
export function addAddress(context: IpContext, words: Words, how: 'add' | 'change'): number {
  const { self, netns } = context
  const { device, address, prefix, broadcast, peer, options, valid, preferred } = takeGiven(context, words)
  const ends = (seconds: number): Nanos => self.now() + seconds * SECOND
  if (netns.addressesOf(device).some((own) => own.address === address && own.prefix === prefix && own.peer === peer)) {
    if (how === 'add') throw new ToolError('Error: ipv4: Address already assigned.', 2)
    netns.renewAddress(device, address, prefix, ends(valid), ends(preferred))
    return 0
  }
  if (options.label !== undefined && options.label.length > 15) throw refused('Numerical result out of range')
  const lifetimes = { validUntil: ends(valid), preferredUntil: ends(preferred) }
  netns.addAddress(device, address, prefix, broadcast, { ...options, peer, ...lifetimes })
  return 0
}

export function deleteAddress(context: IpContext, words: Words): number {
  const { self, netns } = context
  const { device, address, prefix, bare, peer } = takeGiven(context, words)
  if (bare) {
    self.err(
      'Warning: Executing wildcard deletion to stay compatible with old scripts.\n' +
        `         Explicitly specify the prefix length (${formatIpv4(address)}/32) to avoid this warning.\n` +
        '         This special behaviour is likely to disappear in further releases,\n' +
        '         fix your scripts!\n',
    )
  }
  const given = peer === address ? undefined : peer
  if (!netns.removeAddress(device, address, bare ? undefined : prefix, given)) {
    throw new ToolError('Error: ipv4: Address not found.', 2)
  }
  return 0
}
