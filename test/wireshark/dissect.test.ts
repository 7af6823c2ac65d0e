import { describe, expect, test } from 'vitest'
import { MemorySink } from '../../src/capture/byte-sink.ts'
import { PcapWriter } from '../../src/capture/pcap-writer.ts'
import { INBOUND, OUTBOUND, PcapngWriter } from '../../src/capture/pcapng-writer.ts'
import { MAC_BROADCAST, MAC_ZERO, parseIpv4 } from '../../src/wire/address.ts'
import * as arp from '../../src/wire/arp.ts'
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
  inVxlan,
  payload,
  ping,
  tcpFrame,
  text,
  udpFrame,
} from '../support/packets.ts'
import { Dissector, findings } from './dissect.ts'

const name = 'web.default.svc.cluster.local'
const options = bytesOf('020405b4 0402 080a 00000001 00000000 01 030307')
const request = text('GET / HTTP/1.1\r\nHost: web\r\n\r\n')

const syn = tcpFrame(bob, alice, 4000, 80, { sequence: 1000, flags: tcp.SYN, options })
const good = [
  arpFrame(MAC_BROADCAST, alice, arp.REQUEST, MAC_ZERO, bob.address),
  arpFrame(alice.mac, bob, arp.REPLY, alice.mac, alice.address),
  ping(bob, alice),
  frameTo(alice, bob, 1, icmpMessage(0, 0, 7, 1, payload(56))),
  udpFrame(bob, alice, 5000, 53, dnsQuery(10, name)),
  udpFrame(alice, bob, 53, 5000, dnsAnswer(10, name, parseIpv4('10.96.0.80'))),
  syn,
  tcpFrame(alice, bob, 80, 4000, { sequence: 5000, acknowledgment: 1001, flags: tcp.SYN | tcp.ACK, options }),
  tcpFrame(bob, alice, 4000, 80, { sequence: 1001, acknowledgment: 5001, flags: tcp.ACK }),
  tcpFrame(bob, alice, 4000, 80, { sequence: 1001, acknowledgment: 5001, flags: tcp.ACK | tcp.PSH, data: request }),
  inVxlan(bob, alice, 8472, 1, ping(bob, alice, 2)),
]

function pcap(frames: readonly Uint8Array[]): Uint8Array {
  const memory = new MemorySink()
  const writer = new PcapWriter(memory)
  frames.forEach((frame, index) => {
    writer.packet(1_795_249_207, index * 1000, frame, 0, frame.length)
  })
  writer.flush()
  return memory.file()
}

function pcapng(frames: readonly Uint8Array[]): Uint8Array {
  const memory = new MemorySink()
  const writer = new PcapngWriter(memory)
  writer.names(new Map([[alice.address, 'default/sleep-1']]))
  writer.interface({ name: 'node-1/cni0', description: 'bridge' })
  writer.interface({ name: 'default/sleep-1/eth0', description: 'pod' })
  frames.forEach((frame, index) => {
    const flags = index % 2 === 0 ? INBOUND : OUTBOUND
    const { length } = frame
    writer.packet(1, 1_795_249_207, index * 1000 + 1, flags, index + 1, frame, 0, length, length, `no ${index}`)
  })
  writer.statistics(1, { seconds: 1_795_249_208, nanos: 0, received: frames.length, dropped: 0 })
  writer.flush()
  return memory.file()
}

describe('Wireshark', () => {
  test('finds nothing wrong in a good capture, in either format', async () => {
    expect(await findings(pcap(good))).toEqual([])
    expect(await findings(pcapng(good))).toEqual([])
  })

  test('reads in it what was written', async () => {
    const dissector = await Dissector.open(pcapng(good))
    const numbers = (filter: string) => dissector.frames(filter).map(({ frame }) => frame)
    expect(numbers('')).toHaveLength(good.length)
    expect(numbers('vxlan.vni == 1 && icmp')).toEqual([11])
    expect(numbers('arp')).toEqual([1, 2])
    expect(numbers(`dns.a == 10.96.0.80 && dns.qry.name == "${name}"`)).toEqual([6])
    expect(numbers('http.request.method == "GET"')).toEqual([10])
    expect(numbers('frame.interface_name == "default/sleep-1/eth0"')).toHaveLength(good.length)
    expect(numbers('frame.interface_description == "pod" && frame.packet_flags_direction == 1')).toHaveLength(6)
    expect(numbers('frame.packet_id == 3')).toEqual([3])
    expect(numbers('frame.comment == "no 4"')).toEqual([5])
    expect(numbers('frame.time_epoch == 1795249207.000002001')).toEqual([3])
    expect(() => numbers('no such filter')).toThrow()
    dissector.close()
  })

  /** A copy with one byte turned over. */
  function spoilt(frame: Uint8Array, at: number): Uint8Array {
    const bytes = frame.slice()
    bytes[at] ^= 0x55
    return bytes
  }

  test.each([
    ['an IPv4 checksum', spoilt(good[2], 24), 'bad IPv4 checksum'],
    ['an ICMP checksum', spoilt(good[2], 36), 'bad ICMP checksum'],
    ['a UDP checksum', spoilt(good[4], 40), 'bad UDP checksum'],
    ['a TCP checksum', spoilt(syn, 50), 'bad TCP checksum'],
    ['a checksum inside VXLAN', spoilt(good[10], good[10].length - 1), 'bad ICMP checksum'],
    [
      'a cut TCP option',
      tcpFrame(bob, alice, 4001, 80, { sequence: 1, flags: tcp.SYN, options: bytesOf('0101 080a') }),
      'bad TCP option',
    ],
    [
      'a DNS name that runs out of the packet',
      udpFrame(bob, alice, 5001, 53, dnsQuery(1, name).slice(0, 30)),
      'malformed',
    ],
    ['a cut ARP packet', good[0].slice(0, 30), 'malformed|cut short'],
  ])('finds %s', async (_, frame, what) => {
    const found = await findings(pcap([...good, frame]))
    expect(found.length).toBeGreaterThan(0)
    expect(found.map(({ frame: number }) => number)).toEqual(found.map(() => good.length + 1))
    expect(found.map((finding) => finding.text).join('\n')).toMatch(new RegExp(what))
  })

  test('refuses what is no capture', async () => {
    await expect(findings(new Uint8Array(100))).rejects.toThrow('Wireshark does not read the file')
  })
})
