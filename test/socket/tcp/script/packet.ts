/** Segments as the scripts write them: built from a line, and printed as one, numbers relative to the first SYN. */

import { parseIpv4 } from '../../../../src/wire/address.ts'
import { add, finish, pseudoHeader } from '../../../../src/wire/checksum.ts'

export const LOCAL = '192.168.0.1'
export const REMOTE = '192.0.2.1'
/** Our side's initial sequence number, always. */
export const PEER_ISN = 10_000

const flagLetters: readonly [string, number][] = [
  ['F', 1],
  ['S', 2],
  ['R', 4],
  ['P', 8],
  ['.', 16],
  ['U', 32],
  ['E', 64],
  ['W', 128],
]

/** What is known of one connection: numbers printed are relative to it. */
export interface Flow {
  remotePort: number
  localPort: number
  /** Of the stack under test; 0 until its SYN was seen. */
  isn: number
  /** Its latest timestamp. */
  stamp: number
  /** Its latest packet. */
  last: Buffer | null
}

function checksum(bytes: Uint8Array, sum = 0): number {
  return finish(add(sum, bytes, 0, bytes.length))
}

function ipPacket(protocol: number, payload: Buffer, tos: number): Buffer {
  const ip = Buffer.alloc(20)
  ip.writeUInt8(0x45, 0)
  ip.writeUInt8(tos, 1)
  ip.writeUInt16BE(20 + payload.length, 2)
  ip.writeUInt8(64, 8)
  ip.writeUInt8(protocol, 9)
  ip.writeInt32BE(parseIpv4(REMOTE), 12)
  ip.writeInt32BE(parseIpv4(LOCAL), 16)
  ip.writeUInt16BE(checksum(ip), 10)
  return Buffer.concat([ip, payload])
}

/** `S. 0 ack 1 win 1000 <mss 1460> urg 5 ce badsum`, from the peer. */
export function build(line: string, flow: Flow): Buffer {
  const [, head, options = '', tail] = /^([^<]*)(?:<(.*)>)?(.*)$/.exec(line) as RegExpExecArray
  const words = `${head} ${tail}`.trim().split(/\s+/)
  const letters = words.shift() as string
  let flags = 0
  for (const [letter, bit] of flagLetters) if (letter.includes(letter) && letters.includes(letter)) flags |= bit
  let [begin, end] = [0, 0]
  if (/^-?\d/.test(words[0] ?? '')) {
    const [from, to = from] = (words.shift() as string).split(':').map(Number)
    begin = from
    end = to
  }
  const number = (name: string, otherwise: number) => {
    const at = words.indexOf(name)
    return at < 0 ? otherwise : Number(words[at + 1])
  }
  const option = Buffer.from(optionBytes(options, flow))
  const header = 20 + option.length
  const tcp = Buffer.alloc(header + end - begin)
  tcp.writeUInt16BE(flow.remotePort, 0)
  tcp.writeUInt16BE(flow.localPort, 2)
  tcp.writeUInt32BE((PEER_ISN + begin) >>> 0, 4)
  tcp.writeUInt32BE((flags & 16) !== 0 ? (flow.isn + number('ack', 0)) >>> 0 : 0, 8)
  tcp.writeUInt8((header / 4) << 4, 12)
  tcp.writeUInt8(flags, 13)
  tcp.writeUInt16BE(number('win', 65_535), 14)
  if (words.includes('urg')) {
    tcp.writeUInt8(flags | 32, 13)
    tcp.writeUInt16BE(number('urg', 0), 18)
  }
  option.copy(tcp, 20)
  const sum = checksum(tcp, pseudoHeader(parseIpv4(REMOTE), parseIpv4(LOCAL), 6, tcp.length))
  tcp.writeUInt16BE(words.includes('badsum') ? sum ^ 0x5555 : sum, 16)
  return ipPacket(6, tcp, words.includes('ce') ? 3 : words.includes('ect0') ? 2 : 0)
}

function optionBytes(text: string, flow: Flow): number[] {
  const bytes: number[] = []
  const put32 = (value: number) =>
    bytes.push((value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255)
  for (const each of text.split(',').filter((word) => word !== '')) {
    const [name, ...values] = each.trim().split(/\s+/)
    if (name === 'mss') bytes.push(2, 4, Number(values[0]) >> 8, Number(values[0]) & 255)
    else if (name === 'nop') bytes.push(1)
    else if (name === 'wscale') bytes.push(3, 3, Number(values[0]))
    else if (name === 'sackOK') bytes.push(4, 2)
    else if (name === 'TS') {
      bytes.push(8, 10)
      put32(Number(values[0]))
      put32(values[1] === 'ecr' ? flow.stamp + Number(values[2]) : flow.stamp)
    } else if (name === 'sack') {
      bytes.push(5, 2 + 8 * values.length)
      for (const block of values) for (const edge of block.split(':')) put32(flow.isn + Number(edge))
    } else throw new Error(`option ${each}?`)
  }
  while (bytes.length % 4 !== 0) bytes.push(0)
  return bytes
}

/** `icmp 3 4 mtu 1200 seq 1001`: an error about the latest packet of the flow. */
export function buildIcmp(line: string, flow: Flow): Buffer {
  const words = line.trim().split(/\s+/)
  if (flow.last === null) throw new Error('an ICMP error about what?')
  const quoted = Buffer.from(flow.last.subarray(0, 28))
  const seq = words.indexOf('seq')
  if (seq > 0) quoted.writeUInt32BE((flow.isn + Number(words[seq + 1])) >>> 0, 24)
  const icmp = Buffer.concat([Buffer.alloc(8), quoted])
  icmp.writeUInt8(Number(words[1]), 0)
  icmp.writeUInt8(Number(words[2]), 1)
  const mtu = words.indexOf('mtu')
  if (mtu > 0) icmp.writeUInt16BE(Number(words[mtu + 1]), 6)
  icmp.writeUInt16BE(checksum(icmp), 2)
  return ipPacket(1, icmp, 0)
}

/** The packet as a line. `window`: whether the script is interested in it. */
export function print(packet: Buffer, flowOf: (remotePort: number) => Flow, window: boolean): [string, Flow | null] {
  const ihl = (packet[0] & 15) * 4
  const ecn = ['', '', ' ect0', ' ce'][packet[1] & 3]
  if (packet[9] !== 6) return [`icmp ${packet[ihl]} ${packet[ihl + 1]}`, null]
  const tcp = packet.subarray(ihl, packet.readUInt16BE(2))
  const flow = flowOf(tcp.readUInt16BE(2))
  const bits = tcp[13]
  const header = (tcp[12] >> 4) * 4
  const length = tcp.length - header
  if ((bits & 2) !== 0) flow.isn = tcp.readUInt32BE(4)
  flow.localPort = tcp.readUInt16BE(0)
  flow.last = Buffer.from(packet)
  const relative = (value: number, base: number) => (value - base) | 0
  const begin = relative(tcp.readUInt32BE(4), flow.isn)
  const letters = flagLetters.filter(([, bit]) => (bits & bit) !== 0).map(([letter]) => letter)
  const parts = [
    letters.sort((a, b) => order(a) - order(b)).join(''),
    length > 0 ? `${begin}:${begin + length}` : `${begin}`,
  ]
  if ((bits & 16) !== 0) parts.push(`ack ${relative(tcp.readUInt32BE(8), PEER_ISN)}`)
  if (window) parts.push(`win ${tcp.readUInt16BE(14)}`)
  if ((bits & 32) !== 0) parts.push(`urg ${tcp.readUInt16BE(18)}`)
  const options = printOptions(tcp.subarray(20, header), flow)
  if (options !== '') parts.push(`<${options}>`)
  return [parts.join(' ') + ecn, flow]
}

function order(letter: string): number {
  return 'SFRPUEW.'.indexOf(letter)
}

function printOptions(bytes: Buffer, flow: Flow): string {
  const out: string[] = []
  for (let at = 0; at < bytes.length; ) {
    const kind = bytes[at]
    if (kind === 0) break
    if (kind === 1) {
      out.push('nop')
      at++
      continue
    }
    const length = bytes[at + 1]
    if (kind === 2) out.push(`mss ${bytes.readUInt16BE(at + 2)}`)
    else if (kind === 3) out.push(`wscale ${bytes[at + 2]}`)
    else if (kind === 4) out.push('sackOK')
    else if (kind === 8) {
      flow.stamp = bytes.readUInt32BE(at + 2)
      out.push(`TS ecr ${bytes.readUInt32BE(at + 6)}`)
    } else if (kind === 5) {
      const blocks: string[] = []
      for (let b = at + 2; b < at + length; b += 8) {
        blocks.push([b, b + 4].map((edge) => (bytes.readUInt32BE(edge) - PEER_ISN) | 0).join(':'))
      }
      out.push(`sack ${blocks.join(' ')}`)
    } else out.push(`opt-${kind}`)
    at += Math.max(length, 2)
  }
  return out.join(',')
}
