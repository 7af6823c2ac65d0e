import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ANY, BROADCAST, MAC_BROADCAST, MAC_ZERO, parseIpv4 } from '../../src/wire/address.ts'
import * as arp from '../../src/wire/arp.ts'
import * as ethernet from '../../src/wire/ethernet.ts'
import * as icmp from '../../src/wire/icmp.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import { printFrame } from '../../src/wire/print.ts'
import { TcpConversations } from '../../src/wire/print-conversations.ts'
import * as tcp from '../../src/wire/tcp.ts'
import { bytesOf } from '../support/bytes.ts'
import {
  alice,
  arpFrame,
  bob,
  dnsAnswer,
  dnsQuery,
  frameTo,
  icmpMessage,
  inEthernet,
  inIpv4,
  inVxlan,
  nothing,
  payload,
  ping,
  tcpFrame,
  text,
  udpFrame,
} from '../support/packets.ts'

const print = (bytes: Uint8Array) => printFrame(bytes, 0, bytes.length)
const verbose = (bytes: Uint8Array) => printFrame(bytes, 0, bytes.length, { verbose: 2 })

describe('ARP', () => {
  test('asks and answers', () => {
    expect(print(arpFrame(MAC_BROADCAST, alice, arp.REQUEST, MAC_ZERO, bob.address))).toBe(
      'ARP, Request who-has 10.244.1.3 tell 10.244.1.2, length 28',
    )
    expect(print(arpFrame(alice.mac, bob, arp.REPLY, alice.mac, alice.address))).toBe(
      'ARP, Reply 10.244.1.3 is-at 0a:58:0a:f4:01:03, length 28',
    )
    expect(print(arpFrame(MAC_BROADCAST, alice, arp.REQUEST, MAC_BROADCAST, alice.address))).toBe(
      'ARP, Request who-has 10.244.1.2 (ff:ff:ff:ff:ff:ff) tell 10.244.1.2, length 28',
    )
  })

  test('shows the Ethernet header with link', () => {
    const frame = arpFrame(MAC_BROADCAST, alice, arp.REQUEST, MAC_ZERO, bob.address)
    expect(printFrame(frame, 0, frame.length, { link: true })).toBe(
      '0a:58:0a:f4:01:02 > ff:ff:ff:ff:ff:ff, ethertype ARP (0x0806), length 42: Request who-has 10.244.1.3 tell 10.244.1.2, length 28',
    )
  })
})

describe('ICMP', () => {
  test('echo', () => {
    expect(print(ping(bob, alice))).toBe('IP 10.244.1.2 > 10.244.1.3: ICMP echo request, id 7, seq 1, length 64')
  })

  const quoted = (protocol: number) => inIpv4(alice.address, bob.address, protocol, bytesOf('0400 14e9 00080000'))

  test.each([
    [3, 0, ipv4.IPPROTO_UDP, 0, 'net 10.244.1.3 unreachable'],
    [3, 1, ipv4.IPPROTO_UDP, 0, 'host 10.244.1.3 unreachable'],
    [3, 2, 99, 0, '10.244.1.3 protocol 99 unreachable'],
    [3, 3, ipv4.IPPROTO_UDP, 0, '10.244.1.3 udp port 5353 unreachable'],
    [3, 3, ipv4.IPPROTO_TCP, 0, '10.244.1.3 tcp port 5353 unreachable'],
    [3, 3, ipv4.IPPROTO_ICMP, 0, '10.244.1.3 protocol 1 port 5353 unreachable'],
    [3, 4, ipv4.IPPROTO_UDP, 1450, '10.244.1.3 unreachable - need to frag (mtu 1450)'],
    [3, 10, ipv4.IPPROTO_UDP, 0, 'host 10.244.1.3 unreachable - admin prohibited'],
    [3, 13, ipv4.IPPROTO_UDP, 0, 'host 10.244.1.3 unreachable - admin prohibited filter'],
    [11, 0, ipv4.IPPROTO_UDP, 0, 'time exceeded in-transit'],
    [11, 1, ipv4.IPPROTO_UDP, 0, 'ip reassembly time exceeded'],
  ])('error %i/%i about protocol %i', (type, code, protocol, info, words) => {
    const frame = frameTo(alice, bob, ipv4.IPPROTO_ICMP, icmpMessage(type, code, 0, info, quoted(protocol)))
    expect(print(frame)).toBe(`IP 10.244.1.3 > 10.244.1.2: ICMP ${words}, length 36`)
  })

  test('error quotes the packet when verbose', () => {
    const error = icmpMessage(3, 3, 0, 0, quoted(ipv4.IPPROTO_UDP))
    expect(verbose(frameTo(alice, bob, ipv4.IPPROTO_ICMP, error, { tos: 0xc0, id: 9, fragment: 0 }))).toBe(
      [
        'IP (tos 0xc0, ttl 64, id 9, offset 0, flags [none], proto ICMP (1), length 56)',
        '    10.244.1.3 > 10.244.1.2: ICMP 10.244.1.3 udp port 5353 unreachable, length 36',
        '\tIP (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto UDP (17), length 28)',
        '    10.244.1.2.1024 > 10.244.1.3.5353: [no cksum] domain [length 0 < 12] (invalid)',
      ].join('\n'),
    )
  })
})

describe('UDP', () => {
  test('says how long it is', () => {
    expect(print(udpFrame(bob, alice, 4000, 9000, payload(5)))).toBe(
      'IP 10.244.1.2.4000 > 10.244.1.3.9000: UDP, length 5',
    )
  })

  test('tells whether the checksum is right when verbose', () => {
    const frame = udpFrame(bob, alice, 4000, 9000, payload(5))
    expect(verbose(frame)).toContain('10.244.1.2.4000 > 10.244.1.3.9000: [udp sum ok] UDP, length 5')
    frame[40] ^= 1
    expect(verbose(frame)).toMatch(/\[bad udp cksum 0x[0-9a-f]{4} -> 0x[0-9a-f]{4}!\] UDP, length 5$/)
  })

  test('DNS', () => {
    const name = 'web.default.svc.cluster.local'
    expect(print(udpFrame(bob, alice, 5000, 53, dnsQuery(10, name)))).toBe(
      'IP 10.244.1.2.5000 > 10.244.1.3.53: 10+ A? web.default.svc.cluster.local. (47)',
    )
    expect(print(udpFrame(bob, alice, 5000, 53, dnsQuery(10, name, 28)))).toContain(': 10+ AAAA? web.default')
    expect(print(udpFrame(alice, bob, 53, 5000, dnsAnswer(10, name, parseIpv4('10.96.0.80'))))).toBe(
      'IP 10.244.1.3.53 > 10.244.1.2.5000: 10*- 1/0/0 A 10.96.0.80 (63)',
    )
  })

  test('DNS whose name runs in a circle, or out of the packet', () => {
    const circle = bytesOf('000a 0100 0001 0000 0000 0000 c00c 0001 0001')
    expect(print(udpFrame(bob, alice, 5000, 53, circle))).toContain('A? <BAD PTR>')
    const cut = dnsQuery(10, 'web.default').slice(0, 20)
    expect(print(udpFrame(bob, alice, 5000, 53, cut))).toMatch(/10\+ \[\|domain\]$/)
  })

  test('VXLAN, with the frame inside on a line of its own', () => {
    const inside = 'IP 10.244.1.2 > 10.244.1.3: ICMP echo request, id 7, seq 1, length 64'
    expect(print(inVxlan(bob, alice, 4789, 4096, ping(bob, alice)))).toBe(
      `IP 10.244.1.2.45921 > 10.244.1.3.4789: VXLAN, flags [I] (0x08), vni 4096\n${inside}`,
    )
    expect(print(inVxlan(bob, alice, 8472, 1, ping(bob, alice)))).toBe(
      `IP 10.244.1.2.45921 > 10.244.1.3.8472: OTV, flags [I] (0x08), overlay 0, instance 1\n${inside}`,
    )
  })
})

describe('TCP', () => {
  const options = bytesOf('020405b4 0402 080a 00000001 00000000 01 030307')
  const syn = tcpFrame(bob, alice, 4000, 80, { sequence: 1000, flags: tcp.SYN, options })
  const answer = { sequence: 5000, acknowledgment: 1001, flags: tcp.SYN | tcp.ACK, options }
  const request = {
    sequence: 1001,
    acknowledgment: 5001,
    flags: tcp.PSH | tcp.ACK,
    data: text('GET / HTTP/1.1\r\n\r\n'),
  }

  test('options', () => {
    expect(print(syn)).toBe(
      'IP 10.244.1.2.4000 > 10.244.1.3.80: Flags [S], seq 1000, win 64240, options [mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7], length 0',
    )
  })

  test('sequence numbers begin at zero for who remembers the conversation', () => {
    const conversations = new TcpConversations()
    const relative = (bytes: Uint8Array) => printFrame(bytes, 0, bytes.length, { conversations })
    expect(relative(syn)).toContain('seq 1000,')
    expect(relative(tcpFrame(alice, bob, 80, 4000, answer))).toContain('seq 5000, ack 1001,')
    expect(relative(tcpFrame(bob, alice, 4000, 80, request))).toContain('seq 1:19, ack 1,')
    const sack = bytesOf('0101 050a 000003f9 000003fb')
    const duplicate = { sequence: 5001, acknowledgment: 1001, flags: tcp.ACK, options: sack }
    expect(relative(tcpFrame(alice, bob, 80, 4000, duplicate))).toContain(
      'ack 1, win 64240, options [nop,nop,sack 1 {17:19}]',
    )
  })

  test('HTTP shows its first line', () => {
    expect(print(tcpFrame(bob, alice, 4000, 80, request))).toBe(
      'IP 10.244.1.2.4000 > 10.244.1.3.80: Flags [P.], seq 1001:1019, ack 5001, win 64240, length 18: HTTP: GET / HTTP/1.1',
    )
    const body = { ...request, data: text('<html>\n') }
    expect(print(tcpFrame(bob, alice, 4000, 80, body))).toMatch(/length 7: HTTP$/)
    expect(print(tcpFrame(bob, alice, 4000, 9000, request))).toMatch(/length 18$/)
  })

  test('tells whether the checksum is right when verbose', () => {
    expect(verbose(syn)).toMatch(/Flags \[S\], cksum 0x[0-9a-f]{4} \(correct\), seq 1000/)
    const wrong = syn.slice()
    wrong[38] ^= 1
    expect(verbose(wrong)).toMatch(/cksum 0x[0-9a-f]{4} \(incorrect -> 0x[0-9a-f]{4}\)/)
  })

  test('bad options', () => {
    const bad = tcpFrame(bob, alice, 4000, 80, { sequence: 1, flags: tcp.SYN, options: bytesOf('01 02 09 00') })
    expect(print(bad)).toContain('options [nop,[bad opt]]')
  })
})

describe('IPv4', () => {
  test('fields when verbose', () => {
    const frame = frameTo(bob, alice, ipv4.IPPROTO_UDP, bytesOf('0001000200080000'), { tos: 2, id: 77, ttl: 3 })
    expect(verbose(frame)).toBe(
      'IP (tos 0x2,ECT(0), ttl 3, id 77, offset 0, flags [DF], proto UDP (17), length 28)\n' +
        '    10.244.1.2.1 > 10.244.1.3.2: [no cksum] UDP, length 0',
    )
    frame[24] ^= 0xff
    expect(verbose(frame)).toMatch(/length 28, bad cksum [0-9a-f]+ \(->[0-9a-f]+\)!\)/)
  })

  test('fragments', () => {
    const first = frameTo(bob, alice, ipv4.IPPROTO_ICMP, icmpMessage(8, 0, 1, 1, payload(8)), { fragment: ipv4.MF })
    expect(verbose(first)).toContain('flags [+]')
    expect(print(first)).toBe('IP 10.244.1.2 > 10.244.1.3: ICMP echo request, id 1, seq 1, length 16')
    const second = frameTo(bob, alice, ipv4.IPPROTO_ICMP, payload(8), { fragment: 2 })
    expect(print(second)).toBe('IP 10.244.1.2 > 10.244.1.3: ip-proto-1')
  })

  test('a protocol without a printer, and a cut packet', () => {
    expect(print(frameTo(bob, alice, 99, payload(8)))).toBe('IP 10.244.1.2 > 10.244.1.3:  ip-proto-99 8')
    expect(print(ping(bob, alice).slice(0, 60))).toContain('IP truncated-ip - 38 bytes missing! 10.244.1.2 >')
    expect(print(inEthernet(bob.mac, alice.mac, ethernet.ETH_P_IP, nothing))).toBe(' [|ip]')
  })
})

test('what is not modelled says so', () => {
  const frame = inEthernet(bob.mac, alice.mac, ethernet.ETH_P_IPV6, payload(40))
  expect(print(frame)).toBe('IP6 version error: 0 != 6')
  expect(print(inEthernet(bob.mac, alice.mac, 0x8863, payload(40)))).toBe('podwire: PPPoE D is not modelled, length 40')
  expect(print(inEthernet(bob.mac, alice.mac, 0x8100, bytesOf('0005 0800')))).toBe(' [|ip]')
})

describe('any bytes give some text', () => {
  const printed = (bytes: Uint8Array) => {
    for (const link of [false, true]) {
      expect(printFrame(bytes, 0, bytes.length, { link, verbose: link })).not.toBe('')
    }
  }

  test('from nowhere', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 120 }), printed))
  })

  const real = [
    ping(bob, alice),
    udpFrame(bob, alice, 53, 53, dnsAnswer(1, 'web.default', ANY)),
    udpFrame(bob, alice, 53, 53, dnsQuery(1, 'web.default')),
    tcpFrame(bob, alice, 80, 53, {
      sequence: 1,
      flags: 255,
      options: bytesOf('020405b4 0402 0101'),
      data: payload(30),
    }),
    inVxlan(bob, alice, 8472, 1, arpFrame(MAC_BROADCAST, alice, 1, MAC_ZERO, BROADCAST)),
    frameTo(bob, alice, 1, icmpMessage(icmp.DESTINATION_UNREACHABLE, 3, 0, 0, ping(bob, alice).slice(14))),
  ]

  test('from a real frame with some bytes changed, or cut', () => {
    const change = fc.tuple(fc.nat(200), fc.nat(255))
    fc.assert(
      fc.property(fc.constantFrom(...real), fc.array(change, { maxLength: 6 }), fc.nat(200), (frame, changes, keep) => {
        const bytes = frame.slice(0, Math.max(keep, 14))
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value
        printed(bytes)
      }),
      { numRuns: 500 },
    )
  })
})
