import { afterEach, describe, expect, it } from 'vitest'
import * as icmp from '../../src/wire/icmp.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import { ACK, RST, SYN } from '../../src/wire/tcp.ts'
import { addresses, Box, prove } from './box.ts'
import { KUBE_RULES } from './kube-rules.ts'

let box = new Box()
afterEach(() => expect(box.world.frames.inUse).toBe(0))

/** A node with one NAT rule set of its own. */
function nat(...rules: string[]): Box {
  box = new Box(`*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n${rules.join('\n')}\nCOMMIT\n`)
  return box
}

const CLIENT = '10.244.1.2:37066'
const TO_POD = '-A PREROUTING -d 10.96.0.80/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.244.2.2:8080'

describe('DNAT', () => {
  it('sends a ClusterIP to the endpoint and brings the answer back from the ClusterIP', () => {
    nat(TO_POD)
    expect(box.through(box.tcp(CLIENT, '10.96.0.80:80', SYN))).toEqual({
      source: '10.244.1.2',
      destination: '10.244.2.2',
      sport: 37066,
      dport: 8080,
    })
    const answer = box.tcp('10.244.2.2:8080', CLIENT, SYN | ACK, { seq: 9, ack: 1001 })
    expect(box.through(answer, box.flannel, box.cni0)).toMatchObject({ source: '10.96.0.80', sport: 80 })
    expect(box.flows()).toEqual([
      'tcp      6 60 SYN_RECV src=10.244.1.2 dst=10.96.0.80 sport=37066 dport=80 src=10.244.2.2 dst=10.244.1.2 sport=8080 dport=37066 mark=0 use=1',
    ])
  })

  it('keeps the choice when the rule is gone', () => {
    nat(TO_POD)
    // Conntrack goes on as long as some rule needs it.
    box.netfilter.restore('*filter\n-A FORWARD -m conntrack --ctstate NEW -j ACCEPT\nCOMMIT\n')
    box.through(box.tcp(CLIENT, '10.96.0.80:80', SYN))
    box.netfilter.rules.flush('nat', null)
    expect(box.through(box.tcp(CLIENT, '10.96.0.80:80', SYN))?.destination).toBe('10.244.2.2')
    expect(box.through(box.tcp('10.244.1.2:5', '10.96.0.80:80', SYN))?.destination).toBe('10.96.0.80')
  })

  it('shows FORWARD rules the address behind the Service in both directions', () => {
    box = new Box(KUBE_RULES)
    box.netfilter.iptables(['-I', 'FORWARD', '-d', '10.96.0.0/12', '-j', 'DROP'])
    box.netfilter.iptables(['-I', 'FORWARD', '-s', '10.96.0.0/12', '-j', 'DROP'])
    const sent = box.through(box.udp('10.244.1.2:4000', '10.96.0.10:53'))
    expect(sent).toMatchObject({ destination: '10.244.2.4', dport: 53 })
    const back = box.through(box.udp('10.244.2.4:53', '10.244.1.2:4000'), box.flannel, box.cni0)
    expect(back).toMatchObject({ source: '10.96.0.10', sport: 53 })
  })

  it('leaves a zero UDP checksum zero', () => {
    nat('-A PREROUTING -p udp -j DNAT --to-destination 10.0.0.9:53')
    const frame = box.udp('10.244.1.2:4000', '10.96.0.10:53', false)
    expect(box.forward(frame)).toBe(true)
    expect(frame.bytes.slice(frame.transport + 6, frame.transport + 8)).toEqual(Uint8Array.of(0, 0))
    expect(addresses(frame).destination).toBe('10.0.0.9')
    box.world.frames.consume(frame)
  })

  it('works for what the node itself sends, and answers at INPUT', () => {
    nat(TO_POD.replace('PREROUTING', 'OUTPUT'))
    const syn = box.tcp('192.168.14.11:5000', '10.96.0.80:80', SYN)
    expect(box.output(syn)).toBe(true)
    expect(addresses(syn).destination).toBe('10.244.2.2')
    box.world.frames.consume(syn)
    const answer = box.tcp('10.244.2.2:8080', '192.168.14.11:5000', SYN | ACK, { ack: 1001 })
    expect(box.input(answer)).toBe(true)
    prove(answer)
    expect(addresses(answer)).toMatchObject({ source: '10.96.0.80', sport: 80 })
    box.world.frames.consume(answer)
  })

  it('spreads a range of addresses, and keeps one flow on one of them', () => {
    nat('-A PREROUTING -p tcp -j DNAT --to-destination 10.0.0.1-10.0.0.4')
    const seen = new Set<string>()
    for (let i = 1; i < 60; i++) seen.add(box.through(box.tcp(`10.1.0.${i}:7`, '1.1.1.1:80', SYN))?.destination ?? '')
    expect([...seen].sort()).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'])
  })
})

describe('MASQUERADE', () => {
  it('keeps the port when it is free, and takes another when it is not', () => {
    nat('-A POSTROUTING -s 10.244.0.0/16 -j MASQUERADE')
    const first = box.through(box.udp('10.244.1.2:5000', '1.1.1.1:53'))
    const second = box.through(box.udp('10.244.1.3:5000', '1.1.1.1:53'))
    const elsewhere = box.through(box.udp('10.244.1.4:5000', '8.8.8.8:53'))
    expect(first).toMatchObject({ source: '10.244.1.0', sport: 5000 })
    expect(second?.source).toBe('10.244.1.0')
    expect(second?.sport).not.toBe(5000)
    expect(second?.sport).toBeGreaterThanOrEqual(1024)
    expect(elsewhere?.sport).toBe(5000)
    const back = box.through(box.udp('1.1.1.1:53', `10.244.1.0:${second?.sport}`))
    expect(back).toMatchObject({ destination: '10.244.1.3', dport: 5000 })
  })

  it('--random-fully always takes a new port from 1024 up, and a new echo id', () => {
    nat('-A POSTROUTING -j MASQUERADE --random-fully')
    const ports = new Set<number>()
    for (let i = 0; i < 50; i++) {
      const sent = box.through(box.tcp(`10.244.1.2:${20_000 + i}`, '1.1.1.1:80', SYN))
      expect(sent?.sport).not.toBe(20_000 + i)
      expect(sent?.sport).toBeGreaterThanOrEqual(1024)
      ports.add(sent?.sport ?? 0)
    }
    expect(ports.size).toBe(50)
    const ping = box.through(box.echo('10.244.1.2', '1.1.1.1', 77))
    expect(ping?.sport).not.toBe(77)
    const pong = box.through(box.echo('1.1.1.1', '10.244.1.0', ping?.sport ?? 0, icmp.ECHO_REPLY))
    expect(pong).toMatchObject({ destination: '10.244.1.2', sport: 77 })
  })

  it('keeps ports below 512 and below 1024 among themselves', () => {
    nat('-A POSTROUTING -j MASQUERADE --random')
    expect(box.through(box.udp('10.244.1.2:100', '1.1.1.1:53'))?.sport).toBeLessThan(512)
    const middle = box.through(box.udp('10.244.1.2:700', '1.1.1.1:53'))?.sport ?? 0
    expect(middle).toBeGreaterThanOrEqual(600)
    expect(middle).toBeLessThan(1024)
  })

  it('ends flows that leave by another device', () => {
    nat('-A POSTROUTING -j MASQUERADE')
    box.through(box.udp('10.244.1.2:100', '1.1.1.1:53'))
    box.through(box.udp('1.1.1.1:53', '10.244.1.0:100'))
    expect(box.through(box.udp('10.244.1.2:100', '1.1.1.1:53'), box.cni0, box.eth0)).toBeNull()
    expect(box.flows()).toEqual([])
  })

  it('--to-ports stays in its range and gives up when all are taken', () => {
    nat('-A POSTROUTING -p udp -j MASQUERADE --to-ports 6000-6001')
    expect(box.through(box.udp('10.244.1.2:1', '1.1.1.1:53'))?.sport).toBeGreaterThanOrEqual(6000)
    expect(box.through(box.udp('10.244.1.2:2', '1.1.1.1:53'))?.sport).toBeLessThanOrEqual(6001)
    expect(box.through(box.udp('10.244.1.2:3', '1.1.1.1:53'))).toBeNull()
  })
})

it('a null binding moves a port that would clash with a translated flow', () => {
  nat('-A POSTROUTING -s 10.244.0.0/16 -j MASQUERADE')
  box.through(box.udp('10.244.1.2:5000', '1.1.1.1:53'))
  const own = box.udp('10.244.1.0:5000', '1.1.1.1:53')
  expect(box.output(own)).toBe(true)
  expect(addresses(own)).toMatchObject({ source: '10.244.1.0' })
  expect(addresses(own).sport).not.toBe(5000)
  box.world.frames.consume(own)
})

describe('hairpin', () => {
  it('a pod that reaches itself through its Service sees the bridge', () => {
    box = new Box(KUBE_RULES)
    box.masquerade = '10.244.1.1'
    let own = 0
    for (let port = 40_000; port < 40_020; port++) {
      const sent = box.through(box.tcp(`10.244.1.3:${port}`, '10.96.0.80:80', SYN), box.cni0, box.cni0)
      if (sent?.destination !== '10.244.1.3') continue
      own++
      expect(sent).toMatchObject({ source: '10.244.1.1', dport: 8080 })
      expect(sent.sport).not.toBe(port)
      const answer = box.tcp('10.244.1.3:8080', `10.244.1.1:${sent.sport}`, SYN | ACK, { ack: 1001 })
      const expected = { source: '10.96.0.80', destination: '10.244.1.3', sport: 80, dport: port }
      expect(box.through(answer, box.cni0, box.cni0)).toEqual(expected)
    }
    expect(own).toBeGreaterThan(0)
  })
})

describe('ICMP errors', () => {
  it('an error about a DNATed flow comes from the ClusterIP and quotes it', () => {
    nat('-A PREROUTING -d 10.96.0.80/32 -p udp -j DNAT --to-destination 10.244.2.2:8080')
    const request = box.udp(CLIENT, '10.96.0.80:80')
    expect(box.forward(request)).toBe(true)
    const error = box.error('10.244.2.2', request, icmp.DESTINATION_UNREACHABLE, icmp.PORT_UNREACHABLE)
    box.world.frames.consume(request)
    expect(box.forward(error, box.flannel, box.cni0)).toBe(true)
    prove(error)
    expect(addresses(error)).toMatchObject({ source: '10.96.0.80', destination: '10.244.1.2' })
    const quote = error.transport + icmp.HEADER
    const expected = { source: '10.244.1.2', destination: '10.96.0.80', sport: 37066, dport: 80 }
    expect(addresses(error, quote)).toEqual(expected)
    expect(box.flows()).toHaveLength(1)
    box.world.frames.consume(error)
  })

  it('an error about a masqueraded ping goes back to the pod, with its own identifier in the quote', () => {
    nat('-A POSTROUTING -s 10.244.0.0/16 -j MASQUERADE --random-fully')
    const ping = box.echo('10.244.1.2', '10.96.0.80', 77)
    expect(box.forward(ping)).toBe(true)
    const error = box.error('192.168.14.1', ping, icmp.DESTINATION_UNREACHABLE, icmp.NET_UNREACHABLE)
    box.world.frames.consume(ping)
    expect(box.forward(error, box.eth0, box.cni0)).toBe(true)
    prove(error)
    expect(addresses(error)).toMatchObject({ source: '192.168.14.1', destination: '10.244.1.2' })
    const quote = addresses(error, error.transport + icmp.HEADER)
    expect(quote).toEqual({ source: '10.244.1.2', destination: '10.96.0.80', sport: 77, dport: 8 })
    box.world.frames.consume(error)
  })

  it('an error about a reply is translated towards the server', () => {
    nat(TO_POD, '-A POSTROUTING -p tcp -j MASQUERADE')
    box.through(box.tcp(CLIENT, '10.96.0.80:80', SYN))
    const answer = box.tcp('10.244.2.2:8080', '10.244.1.0:37066', SYN | ACK, { ack: 1001, length: 400 })
    expect(box.forward(answer, box.flannel, box.cni0)).toBe(true)
    expect(addresses(answer)).toMatchObject({ source: '10.96.0.80', destination: '10.244.1.2' })
    const error = box.error('10.244.1.2', answer, icmp.DESTINATION_UNREACHABLE, icmp.FRAGMENTATION_NEEDED)
    box.world.frames.consume(answer)
    expect(box.forward(error)).toBe(true)
    prove(error)
    expect(addresses(error)).toMatchObject({ source: '10.244.1.0', destination: '10.244.2.2' })
    const quote = addresses(error, error.transport + icmp.HEADER)
    expect(quote).toEqual({ source: '10.244.2.2', destination: '10.244.1.0', sport: 8080, dport: 37066 })
    box.world.frames.consume(error)
  })

  it('translates a quote that was cut after eight bytes of TCP', () => {
    nat(TO_POD)
    const syn = box.tcp(CLIENT, '10.96.0.80:80', SYN)
    expect(box.forward(syn)).toBe(true)
    const error = box.error('10.244.2.1', syn, icmp.TIME_EXCEEDED, 0, 28)
    box.world.frames.consume(syn)
    expect(box.forward(error, box.flannel, box.cni0)).toBe(true)
    expect(icmp.valid(error.bytes, error.transport, error.end)).toBe(true)
    expect(addresses(error, error.transport + icmp.HEADER)).toMatchObject({ destination: '10.96.0.80', dport: 80 })
    box.world.frames.consume(error)
  })
})

it('a RST to a SYN through a Service is translated and ends the flow', () => {
  nat(TO_POD)
  box.through(box.tcp(CLIENT, '10.96.0.80:80', SYN))
  const reset = box.tcp('10.244.2.2:8080', CLIENT, RST | ACK, { seq: 0, ack: 1001, window: 0 })
  expect(box.through(reset, box.flannel, box.cni0)).toMatchObject({ source: '10.96.0.80', sport: 80 })
  expect(box.flows()).toEqual([])
})

it('REDIRECT at PREROUTING leads to the device the packet came by', () => {
  nat('-A PREROUTING -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8080')
  const frame = box.tcp(CLIENT, '1.2.3.4:80', SYN)
  expect(box.input(frame)).toBe(true)
  prove(frame)
  expect(addresses(frame)).toMatchObject({ destination: '10.244.1.1', dport: 8080 })
  expect(ipv4.protocol(frame.bytes, frame.network)).toBe(6)
  box.world.frames.consume(frame)
})
