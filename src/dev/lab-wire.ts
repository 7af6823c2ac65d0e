/** The lab's impairing wire: drops named TCP segments, counted on the innermost TCP, both directions together. */
import type { Frame } from '../link/frame.ts'
import type { Impairment } from '../link/veth.ts'
import { Random } from '../sim/random.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as tcp from '../wire/tcp.ts'
import * as udp from '../wire/udp.ts'
import * as vxlan from '../wire/vxlan.ts'
import type { WireRules } from './lab-file.ts'

/** Only segments with more data than this count as data segments. */
const DATA = 200

export function impairment(rules: WireRules): Impairment {
  const numbers = new Map<string, number>()
  const again = new Map(Object.entries(rules.again ?? {}))
  const random = new Random(rules.seed ?? 1)
  let syns = 0
  return (frame) => {
    const at = innermostTcp(frame.bytes, frame.start, frame.end)
    if (at < 0) return false
    const { bytes } = frame
    const flags = tcp.flags(bytes, at)
    if ((flags & (tcp.SYN | tcp.ACK)) === tcp.SYN) return ++syns <= (rules.syn ?? 0)
    if (rules.rate !== undefined && random.fraction() < rules.rate) return true
    if (dataLength(frame, at) <= DATA) return false
    const key = `${tcp.sourcePort(bytes, at)} ${tcp.destinationPort(bytes, at)} ${tcp.sequence(bytes, at)}`
    const known = numbers.get(key)
    if (known === undefined) {
      numbers.set(key, numbers.size + 1)
      return (rules.data ?? []).includes(numbers.size)
    }
    const left = again.get(String(known)) ?? 0
    if (left > 0) again.set(String(known), left - 1)
    return left > 0
  }
}

/** Where the innermost TCP header begins; -1 when there is none. */
function innermostTcp(bytes: Uint8Array, start: number, end: number): number {
  if (ethernet.type(bytes, start) !== ethernet.ETH_P_IP) return -1
  const at = start + ethernet.HEADER
  const inner = at + ipv4.headerLength(bytes, at)
  const protocol = ipv4.protocol(bytes, at)
  if (protocol === ipv4.IPPROTO_UDP && udp.destinationPort(bytes, inner) === vxlan.PORT_LINUX) {
    return innermostTcp(bytes, inner + udp.HEADER + vxlan.HEADER, end)
  }
  return protocol === ipv4.IPPROTO_TCP && tcp.valid(bytes, inner, end) ? inner : -1
}

function dataLength(frame: Frame, at: number): number {
  return frame.end - at - tcp.headerLength(frame.bytes, at)
}
