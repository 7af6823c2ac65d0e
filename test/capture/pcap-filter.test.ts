import { describe, expect, it } from 'vitest'
import { compileFilter } from '../../src/capture/pcap-filter.ts'
import { macOf, parseIpv4 } from '../../src/wire/address.ts'
import * as arp from '../../src/wire/arp.ts'
import * as ethernet from '../../src/wire/ethernet.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'

const CLIENT = parseIpv4('10.244.1.2')
const SERVER = parseIpv4('10.96.0.80')

/** An IPv4 frame whose transport header is these bytes. */
function frame(protocol: number, transport: readonly number[], fragment = 0): Uint8Array {
  const bytes = new Uint8Array(34 + transport.length)
  ethernet.write(bytes, 0, macOf(2, 0, SERVER), macOf(2, 0, CLIENT), ethernet.ETH_P_IP)
  ipv4.write(bytes, 14, 20 + transport.length, CLIENT, SERVER, protocol, 64, 0, 1, fragment)
  bytes.set(transport, 34)
  return bytes
}

const ports = (source: number, destination: number) => [source >> 8, source & 255, destination >> 8, destination & 255]
const tcp = (flags: number) => frame(6, [...ports(40000, 80), 0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 1, 0, 0, 0, 0, 0])
const udp = frame(17, [...ports(5353, 53), 0, 8, 0, 0])
const tunnel = frame(17, [...ports(40000, 8472), 0, 16, 0, 0, 8, 0, 0, 0, 0, 0, 1, 0])
const echo = frame(1, [8, 0, 0, 0, 0, 7, 0, 1])

function arpFrame(): Uint8Array {
  const bytes = new Uint8Array(14 + 28)
  ethernet.write(bytes, 0, Uint8Array.of(255, 255, 255, 255, 255, 255), macOf(2, 0, CLIENT), ethernet.ETH_P_ARP)
  arp.write(bytes, 14, 1, macOf(2, 0, CLIENT), CLIENT, new Uint8Array(6), SERVER)
  return bytes
}

const frames: Record<string, Uint8Array> = {
  syn: tcp(2),
  ack: tcp(16),
  udp,
  tunnel,
  echo,
  arp: arpFrame(),
  fragment: frame(17, ports(5353, 53), 185),
}

/** Which of the frames the filter wants. */
function wanted(expression: string): string {
  const filter = compileFilter(expression)
  return Object.entries(frames)
    .filter(([, bytes]) => filter(bytes, 0, bytes.length))
    .map(([name]) => name)
    .join(' ')
}

const ALL = 'syn ack udp tunnel echo arp fragment'

describe('pcap-filter', () => {
  it.each([
    ['', ALL],
    ['tcp', 'syn ack'],
    ['udp', 'udp tunnel fragment'],
    ['icmp', 'echo'],
    ['arp', 'arp'],
    ['ip', 'syn ack udp tunnel echo fragment'],
    ['ip6', ''],
    ['not arp', 'syn ack udp tunnel echo fragment'],
    ['host 10.96.0.80', ALL],
    ['src host 10.96.0.80', ''],
    ['dst 10.96.0.80', ALL],
    ['10.244.1.2', ALL],
    ['ip host 10.96.0.80', 'syn ack udp tunnel echo fragment'],
    ['arp host 10.96.0.80', 'arp'],
    ['net 10.96.0.0/16', ALL],
    ['src net 10.244', ALL],
    ['dst net 10.244.0.0 mask 255.255.0.0', ''],
    ['src and dst net 10.0.0.0/8', ALL],
    ['port 53', 'udp'],
    ['tcp port 80', 'syn ack'],
    ['udp dst port 53', 'udp'],
    ['src port 53', ''],
    ['src or dst port 53', 'udp'],
    ['portrange 50-90', 'syn ack udp'],
    ['port 80 or 53', 'syn ack udp'],
    ['port 80 or port 53 and udp', 'udp'],
    ['tcp and (port 53 or port 80)', 'syn ack'],
    ['! (tcp || udp)', 'echo arp'],
    ['vxlan', 'tunnel'],
    ['vxlan 1', 'tunnel'],
    ['vxlan 2', ''],
    ['ether host 02:00:0a:f4:01:02', ALL],
    ['ether dst 02:00:0a:f4:01:02', ''],
    ['ether proto 0x0806', 'arp'],
    ['ip proto 17', 'udp tunnel fragment'],
    ['ip proto \\icmp', 'echo'],
    ['broadcast', 'arp'],
    ['greater 54', 'syn ack'],
    ['less 42', 'udp echo arp fragment'],
    ['tcp[tcpflags] & tcp-syn != 0', 'syn'],
    ['tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-ack', 'ack'],
    ['(tcp[13] & 2 != 0) or udp port 53', 'syn udp'],
    ['icmp[icmptype] = icmp-echo', 'echo'],
    ['ip[8] < 65 and ip[2:2] > 39', 'syn ack'],
    ['len = 42', 'udp echo arp'],
  ])('%s', (expression, expected) => {
    expect(wanted(expression)).toBe(expected)
  })

  it.each([
    ['tcp port', "can't parse filter expression: syntax error"],
    ['host', "can't parse filter expression: syntax error"],
    ['(tcp', "can't parse filter expression: syntax error"],
    ['port 99999', 'illegal port number 99999 > 65535'],
    ['host nowhere', "unknown host 'nowhere'"],
    ['net 10.0.0.1/8', 'non-network bits set in "10.0.0.1/8"'],
    ['mpls 3', 'podwire: the filter word mpls is not modelled'],
  ])('%s is refused', (expression, message) => {
    expect(() => compileFilter(expression)).toThrow(message)
  })
})
