/**
 * IPv4 and MAC addresses. On the path of a frame an IPv4 address is a signed 32-bit integer (V8 keeps it
 * unboxed) and a MAC is six bytes; text is for people.
 */

declare const ipv4Brand: unique symbol
/** An IPv4 address as a signed 32-bit integer, first octet highest. */
export type Ipv4 = number & { readonly [ipv4Brand]: true }

/** Six bytes. */
export type Mac = Uint8Array

/** A network: its first address and its prefix length, 0 to 32. */
export interface Cidr {
  readonly network: Ipv4
  readonly prefix: number
}

/** An address with the prefix length of its network, as `ip addr add` takes it. */
export interface InterfaceAddress {
  readonly address: Ipv4
  readonly prefix: number
}

export const ANY = 0 as Ipv4
export const BROADCAST = -1 as Ipv4
export const LOOPBACK = 0x7f000001 as Ipv4

/** The address that a number means: only the low 32 bits count. */
export function ipv4(value: number): Ipv4 {
  return (value | 0) as Ipv4
}

/** Null when the text is not four decimal octets; leading zeros are refused, as inet_pton does. */
export function tryParseIpv4(text: string): Ipv4 | null {
  const octets = text.split('.')
  if (octets.length !== 4) return null
  let value = 0
  for (const octet of octets) {
    if (!/^(0|[1-9][0-9]{0,2})$/.test(octet) || Number(octet) > 255) return null
    value = (value << 8) | Number(octet)
  }
  return ipv4(value)
}

/** @throws RangeError when the text is not an IPv4 address. */
export function parseIpv4(text: string): Ipv4 {
  const address = tryParseIpv4(text)
  if (address === null) throw new RangeError(`${JSON.stringify(text)} is not an IPv4 address`)
  return address
}

export function formatIpv4(address: Ipv4): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`
}

/** The netmask of a prefix length: 24 gives 255.255.255.0. */
export function mask(prefix: number): Ipv4 {
  return (prefix === 0 ? 0 : -1 << (32 - prefix)) as Ipv4
}

/** `10.1.2.3/24` as an address in its network, host bits kept; a bare address is a /32. Null when it is neither. */
export function tryParseInterfaceAddress(text: string): InterfaceAddress | null {
  const slash = text.indexOf('/')
  const address = tryParseIpv4(slash < 0 ? text : text.slice(0, slash))
  const digits = slash < 0 ? '32' : text.slice(slash + 1)
  if (address === null || !/^[0-9]{1,2}$/.test(digits) || Number(digits) > 32) return null
  return { address, prefix: Number(digits) }
}

/** Null when the text is no network in CIDR notation; host bits are cleared, a bare address is a /32. */
export function tryParseCidr(text: string): Cidr | null {
  const found = tryParseInterfaceAddress(text)
  return found === null ? null : cidrOf(found.address, found.prefix)
}

/** @throws RangeError when the text is no network in CIDR notation. */
export function parseCidr(text: string): Cidr {
  const cidr = tryParseCidr(text)
  if (cidr === null) throw new RangeError(`${JSON.stringify(text)} is not a network in CIDR notation`)
  return cidr
}

/** The network of this prefix length that holds the address. */
export function cidrOf(address: Ipv4, prefix: number): Cidr {
  return { network: (address & mask(prefix)) as Ipv4, prefix }
}

export function formatCidr(cidr: Cidr): string {
  return `${formatIpv4(cidr.network)}/${cidr.prefix}`
}

export function contains(cidr: Cidr, address: Ipv4): boolean {
  return (address & mask(cidr.prefix)) === cidr.network
}

/** The last address of the network: what `brd +` sets. */
export function broadcastOf(cidr: Cidr): Ipv4 {
  return (cidr.network | ~mask(cidr.prefix)) as Ipv4
}

/** The address `offset` places after the network's first. */
export function nth(cidr: Cidr, offset: number): Ipv4 {
  return ((cidr.network + offset) | 0) as Ipv4
}

export function isMulticast(address: Ipv4): boolean {
  return address >>> 28 === 0xe
}

export function isLoopback(address: Ipv4): boolean {
  return address >>> 24 === 127
}

/** Orders addresses as unsigned numbers. */
export function compareIpv4(a: Ipv4, b: Ipv4): number {
  return (a >>> 0) - (b >>> 0)
}

export const MAC_BROADCAST: Mac = Uint8Array.of(255, 255, 255, 255, 255, 255)
export const MAC_ZERO: Mac = new Uint8Array(6)

/** Null when the text is not six colon-separated hexadecimal octets. */
export function tryParseMac(text: string): Mac | null {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) return null
  return Uint8Array.from(text.split(':'), (octet) => Number.parseInt(octet, 16))
}

/** @throws RangeError when the text is not a MAC address. */
export function parseMac(text: string): Mac {
  const mac = tryParseMac(text)
  if (mac === null) throw new RangeError(`${JSON.stringify(text)} is not a MAC address`)
  return mac
}

export function formatMac(bytes: Uint8Array, at = 0): string {
  let text = ''
  for (let i = 0; i < 6; i++) text += (i === 0 ? '' : ':') + bytes[at + i].toString(16).padStart(2, '0')
  return text
}

/** A MAC of two given octets and an IPv4 address: CNI's `0a:58`, Docker's `02:42`. */
export function macOf(first: number, second: number, address: Ipv4): Mac {
  return Uint8Array.of(first, second, address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255)
}

export function sameMac(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number): boolean {
  return (
    a[aAt + 5] === b[bAt + 5] &&
    a[aAt + 4] === b[bAt + 4] &&
    a[aAt + 3] === b[bAt + 3] &&
    a[aAt + 2] === b[bAt + 2] &&
    a[aAt + 1] === b[bAt + 1] &&
    a[aAt] === b[bAt]
  )
}

export function copyMac(to: Uint8Array, toAt: number, from: Uint8Array, fromAt: number): void {
  to[toAt] = from[fromAt]
  to[toAt + 1] = from[fromAt + 1]
  to[toAt + 2] = from[fromAt + 2]
  to[toAt + 3] = from[fromAt + 3]
  to[toAt + 4] = from[fromAt + 4]
  to[toAt + 5] = from[fromAt + 5]
}
