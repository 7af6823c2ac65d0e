/** Ethernet, and what its EtherTypes announce, as tcpdump prints them. */
import * as ethernet from './ethernet.ts'
import { printArp } from './print-arp.ts'
import { printIpv4 } from './print-ipv4.ts'
import { printIpv6 } from './print-ipv6.ts'
import { printLlc } from './print-llc.ts'
import { printLldp } from './print-lldp.ts'
import { typeNames } from './print-names.ts'
import { hex, type PacketText } from './print-text.ts'

/** EtherTypes for which tcpdump has printers, and podwire has not. */
const undecoded = new Set([0x8847, 0x8848, 0x8863, 0x8864, 0x888e, 0x8809, 0x9000])

/** A frame, or one inside a packet; `length` is what it had on the wire. */
export function printEthernet(out: PacketText, at: number, length: number): void {
  out.protocol = 'ether'
  if (!out.has(at, ethernet.HEADER)) {
    out.truncated()
    return
  }
  let type = out.u16(at + 12)
  const tagged = ethernet.isTag(type)
  if (out.link && tagged && !out.has(at, ethernet.HEADER + 4)) out.text += `${addressesText(out, at)}, `
  else if (out.link) out.text += headText(out, at, type, length)
  let payload = at + ethernet.HEADER
  let left = length - ethernet.HEADER
  while (ethernet.isTag(type)) {
    out.protocol = 'vlan'
    if (!out.has(payload, 4)) {
      out.truncated()
      return
    }
    const tag = out.u16(payload)
    type = out.u16(payload + 2)
    if (out.link) {
      out.text += `vlan ${tag & 0xfff}, p ${tag >> 13}${tag & 0x1000 ? ', DEI' : ''}, `
      out.text += type < 0x600 ? `length ${type}, ` : `${nameOf(out, type)}, `
    }
    payload += 4
    left -= 4
  }
  if (type < 0x600) {
    printLlc(out, at, payload, Math.min(type, left))
    return
  }
  if (printPayload(out, type, payload, left)) return
  if (!out.link) out.text += headText(out, at, type, length)
  out.dumpUnknown(payload)
}

function headText(out: PacketText, at: number, type: number, length: number): string {
  const kind = type < 0x600 ? '802.3' : nameOf(out, type)
  return `${addressesText(out, at)}, ${kind}, length ${type < 0x600 ? type : length}: `
}

function nameOf(out: PacketText, type: number): string {
  if (!out.quick) return `ethertype ${typeText(type)}`
  return typeNames.get(type) ?? `Unknown Ethertype (0x${hex(type, 4)})`
}

function addressesText(out: PacketText, at: number): string {
  return `${out.mac(at + ethernet.SOURCE)} > ${out.mac(at + ethernet.DESTINATION)}`
}

/** `IPv4 (0x0800)`. */
export function typeText(type: number): string {
  return `${typeNames.get(type) ?? 'Unknown'} (0x${hex(type, 4)})`
}

/** False when nobody knows this EtherType. */
export function printPayload(out: PacketText, type: number, at: number, length: number): boolean {
  switch (type) {
    case ethernet.ETH_P_IP:
      printIpv4(out, at, length)
      return true
    case ethernet.ETH_P_ARP:
    case 0x8035:
      printArp(out, at, length)
      return true
    case ethernet.ETH_P_IPV6:
      printIpv6(out, at, length)
      return true
    case 0x88cc:
      printLldp(out, at, length)
      return true
    default:
      if (!undecoded.has(type)) return false
      out.text += `podwire: ${typeNames.get(type)} is not modelled, length ${length}`
      return true
  }
}
