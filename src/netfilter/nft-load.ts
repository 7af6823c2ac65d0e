/** What rules read of a packet, into registers (nft_meta.c, nft_ct.c, nft_payload.c, nft_fib_ipv4.c). */
import type { NetDevice } from '../link/device.ts'
import { type Ipv4, isMulticast } from '../wire/address.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'
import type { Flow } from './flow.ts'
import { addressTypes } from './host.ts'
import { Base, CtKey, MetaKey } from './nft-ast.ts'
import type { Packet } from './packet.ts'
import { CtInfo, isReply } from './status.ts'

const NFPROTO_IPV4 = 2
const ARPHRD_ETHER = 1
const ARPHRD_LOOPBACK = 772
/** RTN_* by the place of a type's name in `addressTypes`. */
const UNTRACKED = 64
const INVALID = 1
/** A name has 16 bytes. */
const NAME_WORDS = 4

/** False: the packet has no such thing. */
export function loadMeta(packet: Packet, key: number, to: Int32Array, at: number): boolean {
  const { frame, input, output } = packet
  switch (key) {
    case MetaKey.LENGTH:
      to[at] = packet.length
      return true
    case MetaKey.PROTOCOL:
      to[at] = ethernet.ETH_P_IP
      return true
    case MetaKey.NFPROTO:
      to[at] = NFPROTO_IPV4
      return true
    case MetaKey.L4PROTO:
      to[at] = packet.protocol
      return true
    case MetaKey.MARK:
      to[at] = frame.mark
      return true
    case MetaKey.IIF:
      to[at] = input === null ? 0 : input.index
      return true
    case MetaKey.OIF:
      to[at] = output === null ? 0 : output.index
      return true
    case MetaKey.IIFNAME:
      return loadName(input, to, at)
    case MetaKey.OIFNAME:
      return loadName(output, to, at)
    case MetaKey.IIFTYPE:
      return loadHardware(input, to, at)
    case MetaKey.OIFTYPE:
      return loadHardware(output, to, at)
    case MetaKey.PKTTYPE:
      to[at] = packetType(packet)
      return true
    case MetaKey.RANDOM:
      to[at] = packet.world.random.int32()
      return true
    default:
      to[at] = 0
      return true
  }
}

/** Without a device the name is empty. */
function loadName(device: NetDevice | null, to: Int32Array, at: number): boolean {
  for (let i = 0; i < NAME_WORDS; i++) to[at + i] = 0
  if (device === null) return true
  const { name } = device
  for (let i = 0; i < name.length && i < 15; i++) to[at + (i >> 2)] |= name.charCodeAt(i) << (24 - 8 * (i & 3))
  return true
}

function loadHardware(device: NetDevice | null, to: Int32Array, at: number): boolean {
  if (device === null) return false
  to[at] = device.kind === 'loopback' ? ARPHRD_LOOPBACK : ARPHRD_ETHER
  return true
}

/** Where the link's header began; negative when there is none in front. */
function linkHeader({ network, input }: Packet): number {
  return input === null ? -1 : network - ethernet.HEADER
}

function packetType(packet: Packet): number {
  if (packet.input === null || !packet.frame.group) return 0
  const at = linkHeader(packet)
  return at >= 0 && packet.bytes[at] === 0xff ? 1 : 2
}

/** `direction`: -1 when the key has none, or means both. */
export function loadCt(packet: Packet, key: number, direction: number, to: Int32Array, at: number): boolean {
  const flow = packet.frame.tracked as Flow | null
  const info = packet.frame.trackedInfo
  if (key === CtKey.STATE) {
    if (flow === null) to[at] = info === CtInfo.UNTRACKED ? UNTRACKED : INVALID
    else to[at] = 1 << ((info % CtInfo.ESTABLISHED_REPLY) + 1)
    return true
  }
  if (flow === null) return false
  const tuple = direction === 1 ? flow.reply : flow.original
  switch (key) {
    case CtKey.STATUS:
      to[at] = flow.status
      return true
    case CtKey.MARK:
      to[at] = flow.mark
      return true
    case CtKey.DIRECTION:
      to[at] = isReply(info) ? 1 : 0
      return true
    case CtKey.PROTOCOL:
      to[at] = flow.protocol
      return true
    case CtKey.L3PROTO:
      to[at] = NFPROTO_IPV4
      return true
    case CtKey.SADDR:
      to[at] = tuple.source
      return true
    case CtKey.DADDR:
      to[at] = tuple.destination
      return true
    case CtKey.PROTO_SRC:
      to[at] = tuple.sourcePort
      return true
    case CtKey.PROTO_DST:
      to[at] = tuple.destinationPort
      return true
    case CtKey.EXPIRATION: {
      const left = Math.max(0, flow.due - packet.world.scheduler.now) / 1e6
      split(Math.floor(Number.isFinite(left) ? left : 0), to, at)
      return true
    }
    default:
      split(counted(flow, key, direction), to, at)
      return true
  }
}

function counted(flow: Flow, key: number, direction: number): number {
  const packets = key === CtKey.PACKETS
  const original = packets ? flow.originalPackets : flow.originalBytes
  const reply = packets ? flow.replyPackets : flow.replyBytes
  if (direction < 0) return original + reply
  return direction === 0 ? original : reply
}

/** A number of 64 bits. */
function split(value: number, to: Int32Array, at: number): void {
  to[at] = Math.floor(value / 4_294_967_296)
  to[at + 1] = value | 0
  if (value >= 2_147_483_648) to[at + 1] = (value % 4_294_967_296) | 0
}

/** `length` bytes from `offset` behind a header's beginning; a fragment that is not the first has no transport. */
export function loadPayload(
  packet: Packet,
  base: number,
  offset: number,
  length: number,
  to: Int32Array,
  at: number,
): boolean {
  let from = packet.network
  let end = packet.end
  if (base === Base.TRANSPORT) {
    if (packet.fragment) return false
    from = packet.transport
  } else if (base === Base.LINK) {
    from = linkHeader(packet)
    if (from < 0) return false
    end = packet.end
  }
  from += offset
  if (from + length > end) return false
  const { bytes } = packet
  let word = 0
  for (let i = 0; i < length; i++) {
    word = (word << 8) | bytes[from + i]
    if ((i & 3) === 3 || i === length - 1) {
      to[at + (i >> 2)] = word
      word = 0
    }
  }
  return true
}

/** `address`: 0 the source, 1 the destination; `device`: 1 the one it came by, 2 the one it leaves by. */
export function fib(
  packet: Packet,
  address: number,
  device: number,
  mark: number,
  exists: number,
  to: Int32Array,
  at: number,
): boolean {
  const { host, input, output, source, destination } = packet
  const asked = address === 0 ? source : destination
  const by = device === 1 ? input : device === 2 ? output : null
  if (exists === 0) {
    to[at] = addressTypes.indexOf(host.addressType(asked, by))
    return true
  }
  to[at] = 1
  if (input === null || (source >>> 24 === 0 && (destination === -1 || isMulticast(destination)))) return true
  const tos = ipv4.tos(packet.bytes, packet.network)
  const back = (address === 0 ? destination : source) as Ipv4
  to[at] = host.answersBy(asked, back, input, mark === 0 ? 0 : packet.frame.mark, tos, device === 0, true) ? 1 : 0
  return true
}
