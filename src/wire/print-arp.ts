/** ARP (RFC 826) and its kin as tcpdump prints them. */
import { ETH_P_IP } from './ethernet.ts'
import { typeNames } from './print-names.ts'
import { hex, type PacketText } from './print-text.ts'

const REQUEST = 1
const REPLY = 2
const operations = new Map([
  [REQUEST, 'Request'],
  [REPLY, 'Reply'],
  [3, 'Reverse Request'],
  [4, 'Reverse Reply'],
  [8, 'Inverse Request'],
  [9, 'Inverse Reply'],
  [10, 'NACK Reply'],
])
const hardware = new Map([
  [1, 'Ethernet'],
  [6, 'TokenRing'],
  [7, 'ArcNet'],
  [15, 'FrameRelay'],
  [17, 'Strip'],
  [24, 'IEEE 1394'],
  [19, 'ATM'],
])

export function printArp(out: PacketText, at: number, length: number): void {
  out.protocol = 'arp'
  const kind = out.u16(at)
  const protocol = out.u16(at + 2)
  const macLength = out.u8(at + 4)
  const addressLength = out.u8(at + 5)
  const operation = out.u16(at + 6)
  const senderMac = at + 8
  const sender = senderMac + macLength
  const targetMac = sender + addressLength
  const target = targetMac + macLength
  if (!out.has(target, addressLength)) {
    out.truncated()
    return
  }
  if (!out.link) out.text += 'ARP, '
  const verbose = out.verbose > 0
  if (protocol !== ETH_P_IP || addressLength !== 4 || macLength === 0 || verbose) {
    const hardwareName = hardware.get(kind) ?? `Unknown Hardware (${kind})`
    const protocolName = typeNames.get(protocol) ?? `Unknown Protocol (0x${hex(protocol, 4)})`
    out.text += `${hardwareName} (len ${macLength}), ${protocolName} (len ${addressLength})`
    if (!verbose) {
      out.text += `, length ${length}`
      return
    }
  }
  const mac = (place: number) =>
    Array.from({ length: macLength }, (_, i) => hex(out.u8(place + i), 2)).join(':') || '<No address>'
  const address = (place: number) => {
    if (protocol !== ETH_P_IP) return '<wrong proto type>'
    return addressLength === 4 ? out.address(place) : '<wrong len>'
  }
  out.text += `${verbose ? ', ' : ''}${operations.get(operation) ?? `Unknown (${operation})`} `
  switch (operation) {
    case REQUEST: {
      let known = false
      for (let i = 0; i < macLength; i++) if (out.u8(targetMac + i) !== 0) known = true
      out.text += `who-has ${address(target)}${known ? ` (${mac(targetMac)})` : ''} tell ${address(sender)}`
      break
    }
    case REPLY:
      out.text += `${address(sender)} is-at ${mac(senderMac)}`
      break
    case 3:
    case 8:
      out.text += `who-is ${mac(targetMac)} tell ${mac(senderMac)}`
      break
    case 4:
      out.text += `${mac(targetMac)} at ${address(target)}`
      break
    case 9:
      out.text += `${mac(senderMac)} at ${address(sender)}`
      break
    default:
      out.dump(at)
      return
  }
  out.text += `, length ${length}`
}
