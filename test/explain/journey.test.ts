/** What is printed about packets of a small lab: two hosts at one switch, in a world where somebody tells decisions. */
import { describe, expect, it } from 'vitest'
import { choose } from '../../src/explain/choose.ts'
import { journeyOf } from '../../src/explain/journey.ts'
import { journeyJson } from '../../src/explain/journey-json.ts'
import { duration, journeyText } from '../../src/explain/journey-text.ts'
import { recordingOf } from '../../src/explain/lab-recording.ts'
import type { Recording } from '../../src/explain/recording.ts'
import { Lab } from '../../src/topology/lab.ts'
import { loadTopology } from '../../src/topology/load.ts'

const hosts = `
underlay: {cidr: 10.0.0.0/24, cable: {delay: 1ms}}
hosts:
  - {name: a, ip: 10.0.0.1}
  - {name: b, ip: 10.0.0.2}
`

async function played(...lines: string[]): Promise<Recording> {
  const topology = loadTopology('hosts.yaml', hosts)
  const lab = await Lab.build(topology, {
    capture: [],
    explain: true,
    readFile: () => null,
    listFolder: () => null,
  })
  for (const line of lines) await lab.type(line, { out: () => {}, err: () => {} })
  await lab.runner.runFor(5e9)
  lab.recorder?.stopExplaining()
  expect(lab.world.frames.inUse).toBe(0)
  return recordingOf(lab, 'hosts')
}

const first = (recording: Recording, filter: string) => choose(recording, { filter }).frame

describe('a journey', () => {
  it('is every sighting of the packet, in order, with its numbers in the merged capture and in its own', async () => {
    const recording = await played('ssh a ping -c 1 10.0.0.2')
    const { stops, partners } = journeyOf(recording, first(recording, 'icmp[icmptype] == icmp-echo'))
    const name = (index: number) => recording.interfaces[index].name
    expect(stops.map(({ frame }) => `${name(frame.interface)} ${frame.direction} ${frame.ownNumber}`)).toEqual([
      'a/eth0 out 3',
      'switch/p-a in 3',
      'switch/p-b out 3',
      'b/eth0 in 3',
    ])
    // Behind five sightings of the ARP question, which the switch passes up, too, and four of its answer.
    expect(stops.map(({ frame }) => frame.number)).toEqual([10, 11, 12, 13])
    expect(partners.answer?.number).toBe(14)
    expect(partners.question).toBe(null)
    const reply = journeyOf(recording, recording.frames[13])
    expect(reply.partners.question?.number).toBe(10)
    expect(reply.partners.answer).toBe(null)
  })

  it('names the answer of ARP, TCP, DNS-like datagrams and ICMP errors', async () => {
    const recording = await played(
      'ssh b "nc -lk 80 &"',
      'ssh a nc -z -w 1 10.0.0.2 80',
      'ssh a nc -z -w 1 10.0.0.2 81',
      'ssh a "echo x | nc -u -w 1 10.0.0.2 9"',
    )
    const answer = (filter: string) => {
      const { partners } = journeyOf(recording, first(recording, filter))
      if (partners.answer === null) return null
      const { headers } = journeyOf(recording, partners.answer).stops[0]
      return headers?.arp ?? headers?.ip?.tcp?.flags ?? headers?.ip?.icmp?.code
    }
    expect(answer('arp')).toEqual({ request: false, sender: '10.0.0.2', target: '10.0.0.1' })
    // SYN ACK; RST ACK; port unreachable.
    expect(answer('tcp dst port 80 and tcp[tcpflags] == tcp-syn')).toBe(0x12)
    expect(answer('tcp dst port 81')).toBe(0x14)
    expect(answer('udp dst port 9')).toBe(3)
    expect(answer('tcp src port 81')).toBe(null)
  })

  it('is printed as a page', async () => {
    const recording = await played('ssh a ping -c 1 10.0.0.2')
    const text = journeyText(recording, journeyOf(recording, recording.frames[10]))
    // Decisions are another test's matter.
    const lines = text.split('\n').filter((line) => !/^ {4}[├■✗]|^ {4}│ {5}|^End/.test(line))
    const page = lines
      .filter((line) => !/^\d[\d.]+ is /.test(line))
      .join('\n')
      .replace(/id \d+/g, 'id N')
      .replace(/([Pp]acket|packet_id ==) \d+/g, '$1 N')
    expect(page).toBe(`Packet N: ICMP echo request 10.0.0.1 → 10.0.0.2
It is answered by packet N, frame 14: ICMP echo reply 10.0.0.2 → 10.0.0.1

a
  ● 10  eth0 out  at 0.004000 s, frame 3 of a/eth0.pcapng
    │ IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id N, seq 1, length 64

switch
  ● 11  p-a in  +1 ms, frame 3 of switch/p-a.pcapng   ◀ the frame asked for
    │ IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id N, seq 1, length 64
  ● 12  p-b out  +1 ms, frame 3 of switch/p-b.pcapng

b
  ● 13  eth0 in  +2 ms, frame 3 of b/eth0.pcapng

In Wireshark: frame.packet_id == N
`)
  })

  it('counts the sequence numbers of TCP from the beginning of the connection, as tcpdump does at each interface', async () => {
    const recording = await played('ssh b "echo hello | nc -l -q 0 80 &"', 'ssh a nc -w 1 10.0.0.2 80')
    const frame = first(recording, 'tcp src port 80 and tcp[tcpflags] & tcp-push != 0')
    const text = journeyText(recording, journeyOf(recording, frame))
    expect(text).toMatch(/│ IP 10\.0\.0\.2\.80 > 10\.0\.0\.1\.\d+: Flags \[P\.\], seq 1:7, ack 1, /)
  })

  it('is one object as JSON', async () => {
    const recording = await played('ssh a ping -c 1 10.0.0.2')
    const json = JSON.parse(JSON.stringify(journeyJson(recording, journeyOf(recording, recording.frames[10]))))
    expect(json).toMatchObject({
      source: 'hosts',
      packet: recording.frames[9].packetId,
      asked: { frame: 11, interface: 'switch/p-a', interfaceFrame: 3 },
      answers: null,
      answeredBy: { packet: recording.frames[13].packetId, frame: 14, interface: 'b/eth0', interfaceFrame: 4 },
    })
    expect(json.sightings).toHaveLength(4)
    expect(json.sightings[0]).toMatchObject({ direction: 'out', changes: [], headers: { ip: { ttl: 64 } } })
    expect(json.sightings[0].text).toMatch(
      /^IP 10\.0\.0\.1 > 10\.0\.0\.2: ICMP echo request, id \d+, seq 1, length 64$/,
    )
  })

  it('ends with the drop and its reason', async () => {
    const recording = await played('ssh b ip link set eth0 down', 'ssh a ping -c 1 -W 1 10.0.0.2')
    const { ends } = journeyOf(recording, first(recording, 'arp'))
    expect(ends.length).toBeGreaterThan(0)
    for (const end of ends) expect(end.sentence).toMatch(/^dropped/)
    const text = journeyText(recording, journeyOf(recording, first(recording, 'arp')))
    expect(text).toMatch(/\n {4}✗ .*dropped/)
    expect(text).toMatch(/\nEnd at .*: dropped/)
  })
})

describe('choosing a frame', () => {
  const said = (recording: Recording, wanted: Parameters<typeof choose>[1]) => {
    try {
      return choose(recording, wanted).frame.number
    } catch (error) {
      return (error as Error).message
    }
  }

  it('goes by number, interface, filter and packet', async () => {
    const recording = await played('ssh a ping -c 2 10.0.0.2')
    expect(said(recording, { number: 3 })).toBe(3)
    expect(said(recording, { number: 3, on: 'b/eth0' })).toBe(13)
    expect(said(recording, { number: 2, on: 'b/*', filter: 'icmp' })).toBe(14)
    expect(said(recording, { filter: 'icmp' })).toBe(10)
    expect(said(recording, { packet: recording.frames[12].packetId ?? 0 })).toBe(10)
    expect(said(recording, { filter: 'inbound and icmp' })).toBe(11)
    const { others } = choose(recording, { filter: 'icmp[icmptype] == icmp-echo' })
    expect(others.map(({ number }) => number)).toEqual([18])
  })

  it('says what there is instead', async () => {
    const recording = await played('ssh a ping -c 1 10.0.0.2')
    const { length } = recording.frames
    expect(said(recording, { number: 1000 })).toBe(`podwire: hosts has no frame 1000: there are ${length}`)
    expect(said(recording, { number: 9, on: 'b/eth0', filter: 'icmp' })).toBe(
      'podwire: hosts has no frame 9 on b/eth0 that matches "icmp": there are 2',
    )
    expect(said(recording, { filter: 'tcp' })).toBe(
      `podwire: hosts has no frame that matches "tcp": it holds ${length} frames`,
    )
    expect(said(recording, { on: 'b/eth1' })).toBe('podwire: hosts has no interface b/eth1: did you mean b/eth0?')
    expect(said(recording, { filter: 'tpc' })).toMatch(/^podwire: the filter "tpc": /)
    expect(said(recording, { packet: 99 })).toMatch(/^podwire: hosts has no frame of packet 99: /)
  })
})

it('durations are short', () => {
  expect([0, 10_000, 61_184, 1_000_000, 1_234_567_890].map(duration)).toEqual([
    '0 µs',
    '10 µs',
    '61.184 µs',
    '1 ms',
    '1.235 s',
  ])
})
