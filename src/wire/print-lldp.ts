/** LLDP (IEEE 802.1AB) as tcpdump prints it: the system's name, or with -v all that neighbours tell. */
import { formatIpv4, type Ipv4 } from './address.ts'
import { i32 } from './bytes.ts'
import { dumpBytes } from './print-icmp6-options.ts'
import { hex, type PacketText, visible } from './print-text.ts'

const END = 0
const CHASSIS = 1
const PORT = 2
const TTL = 3
const PORT_DESCRIPTION = 4
const SYSTEM_NAME = 5
const SYSTEM_DESCRIPTION = 6
const CAPABILITIES = 7
const MANAGEMENT = 8
const ORGANIZATION = 127

const names = new Map([
  [END, 'End'],
  [CHASSIS, 'Chassis ID'],
  [PORT, 'Port ID'],
  [TTL, 'Time to Live'],
  [PORT_DESCRIPTION, 'Port Description'],
  [SYSTEM_NAME, 'System Name'],
  [SYSTEM_DESCRIPTION, 'System Description'],
  [CAPABILITIES, 'System Capabilities'],
  [MANAGEMENT, 'Management Address'],
  [ORGANIZATION, 'Organization specific'],
])
const chassisKinds = [
  '',
  'Chassis component',
  'Interface alias',
  'Port component',
  'MAC address',
  'Network address',
  'Interface name',
  'Local',
]
const portKinds = [
  '',
  'Interface alias',
  'Port component',
  'MAC address',
  'Network address',
  'Interface Name',
  'Agent circuit ID',
  'Local',
]
const capabilities = ['Other', 'Repeater', 'Bridge', 'WLAN AP', 'Router', 'Telephone', 'Docsis', 'Station Only']
const numberings = ['', 'Unknown', 'Interface Index', 'System Port Number']

export function printLldp(out: PacketText, at: number, length: number): void {
  out.protocol = 'lldp'
  out.text += `LLDP, length ${length}`
  const stop = Math.min(out.end, at + length)
  for (let next = at; next + 2 <= stop; ) {
    const head = out.u16(next)
    const kind = head >> 9
    const size = head & 0x1ff
    const value = next + 2
    if (out.verbose > 0) out.text += `\n\t${names.get(kind) ?? 'Unknown'} TLV (${kind}), length ${size}`
    if (kind !== END) out.need(value, size)
    if (kind === END || (size === 0 && kind !== END)) return
    if (out.verbose > 0) {
      printValue(out, kind, value, size)
      if (out.verbose > 1) dumpBytes(out, '\n\t  ', value, value + size)
    } else if (kind === SYSTEM_NAME) {
      out.text += `: ${visible(out.bytes, value, value + size)}`
      return
    }
    next = value + size
  }
}

function printValue(out: PacketText, kind: number, at: number, size: number): void {
  const end = at + size
  switch (kind) {
    case CHASSIS:
    case PORT: {
      const subtype = out.u8(at)
      const isMac = subtype === (kind === CHASSIS ? 4 : 3)
      const subtypes = kind === CHASSIS ? chassisKinds : portKinds
      const text = isMac && size >= 7 ? out.mac(at + 1) : idText(out, subtype, at + 1, end, kind)
      out.text += `\n\t  Subtype ${subtypes[subtype] || 'Unknown'} (${subtype}): ${text}`
      break
    }
    case TTL:
      out.text += `: TTL ${out.u16(at)}s`
      break
    case PORT_DESCRIPTION:
    case SYSTEM_NAME:
      out.text += `: ${visible(out.bytes, at, end)}`
      break
    case SYSTEM_DESCRIPTION:
      out.text += `\n\t  ${visible(out.bytes, at, end)}`
      break
    case CAPABILITIES: {
      const [own, enabled] = [out.u16(at), out.u16(at + 2)]
      out.text += `\n\t  System  Capabilities [${capabilityNames(own)}] (0x${hex(own, 4)})`
      out.text += `\n\t  Enabled Capabilities [${capabilityNames(enabled)}] (0x${hex(enabled, 4)})`
      break
    }
    case MANAGEMENT:
      printManagement(out, at, end)
      break
    case ORGANIZATION:
      out.text += `: podwire: what organizations put into LLDP is not modelled`
  }
}

/** A network address begins with its family. */
function idText(out: PacketText, subtype: number, at: number, end: number, kind: number): string {
  const isAddress = subtype === (kind === CHASSIS ? 5 : 4)
  if (isAddress && end - at >= 5 && out.u8(at) === 1)
    return `AFI IPv4 (1): ${formatIpv4(i32(out.bytes, at + 1) as Ipv4)}`
  return visible(out.bytes, at, end)
}

function capabilityNames(bits: number): string {
  return capabilities.filter((_, i) => bits & (1 << i)).join(', ') || 'none'
}

function printManagement(out: PacketText, at: number, end: number): void {
  const length = out.u8(at)
  const family = out.u8(at + 1)
  let address = ''
  if (family === 1 && length === 5) address = `AFI IPv4 (1): ${out.address(at + 2)}`
  else if (family === 2 && length === 17) address = `AFI IPv6 (2): ${out.ipv6(at + 2)}`
  else address = `AFI ${family}, no AF printer !`
  out.text += `\n\t  Management Address length ${length}, ${address}`
  const numbering = at + 1 + length
  const kind = out.u8(numbering)
  out.text += `\n\t  ${numberings[kind] ?? 'Unknown'} Interface Numbering (${kind}): ${out.u32(numbering + 1)}`
  const objectLength = out.u8(numbering + 5)
  if (objectLength > 0 && numbering + 6 + objectLength <= end)
    out.text += `\n\t  OID length ${objectLength}: ${visible(out.bytes, numbering + 6, numbering + 6 + objectLength)}`
}
