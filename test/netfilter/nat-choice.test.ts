import { describe, expect, it } from 'vitest'
import * as tcp from '../../src/wire/tcp.ts'
import { Node } from '../host/iproute/node.ts'
import { Box } from './box.ts'

/** A box that NATs by these rules of one chain. */
function nat(...rules: string[]): Box {
  return new Box(`*nat\n${rules.map((rule) => `-A ${rule}\n`).join('')}COMMIT\n`)
}

/** `10.1.0.11:4000>10.2.0.11:53`: what the datagram looks like behind NAT. */
function send(box: Box, text: string): string {
  const [from, to] = text.split('>')
  const sent = box.through(box.udp(from, to))
  return sent === null ? 'dropped' : `${sent.source}:${sent.sport}>${sent.destination}:${sent.dport}`
}

const clients = [11, 12, 13, 14]
const servers = [11, 12, 13]

/** All clients to all servers, in the order in which they were sent on Linux; the last octets of what NAT chose. */
function sources(box: Box): number[][] {
  return clients.map((client) =>
    servers.map((server) => Number(send(box, `10.1.0.${client}:4000>10.2.0.${server}:53`).split(/[.:>]/)[3])),
  )
}

// What Linux 6.18 chose for the same packets.
describe('of several addresses NAT takes', () => {
  it('one for the first flow of a socket, and the same for all others from there', () => {
    expect(sources(nat('POSTROUTING -j SNAT --to-source 10.2.0.100-10.2.0.107'))).toEqual([
      [105, 105, 105],
      [107, 107, 107],
      [100, 100, 100],
      [101, 101, 101],
    ])
  })

  it('with --persistent one by the client alone', () => {
    const box = nat('POSTROUTING -j SNAT --to-source 10.2.0.100-10.2.0.107 --persistent')
    expect(sources(box)).toEqual([
      [100, 100, 100],
      [103, 103, 103],
      [100, 100, 100],
      [107, 107, 107],
    ])
  })

  it('an endpoint by client and address asked for', () => {
    const box = nat('PREROUTING -j DNAT --to-destination 10.2.0.11-10.2.0.16')
    const chosen = clients.map((client) =>
      servers.map((server) =>
        Number(/>10\.2\.0\.(\d+):/.exec(send(box, `10.1.0.${client}:4000>10.2.0.${server}:53`))?.[1]),
      ),
    )
    expect(chosen).toEqual([
      [15, 14, 13],
      [16, 15, 15],
      [11, 14, 12],
      [12, 16, 14],
    ])
  })
})

describe('of many ports NAT takes', () => {
  it('the client’s own, else one that serves for all its destinations', () => {
    const box = nat('POSTROUTING -j SNAT --to-source 10.2.0.100')
    const port = (text: string) => Number(/:(\d+)>/.exec(send(box, text))?.[1])
    expect(port('10.1.0.11:4000>10.2.0.11:53')).toBe(4000)
    const second = port('10.1.0.12:4000>10.2.0.11:53')
    expect(second).not.toBe(4000)
    expect(second).toBeGreaterThanOrEqual(1024)
    expect([port('10.1.0.12:4000>10.2.0.12:53'), port('10.1.0.12:4000>10.2.0.13:53')]).toEqual([second, second])
    const third = port('10.1.0.13:4000>10.2.0.11:53')
    expect([4000, second]).not.toContain(third)
    expect(port('10.1.0.13:4000>10.2.0.12:53')).toBe(third)
  })

  it('below 512 one from 1 to 511, below 1024 one from 600 to 1023', () => {
    const box = nat('POSTROUTING -j SNAT --to-source 10.2.0.100')
    const ports = (port: number) =>
      Array.from({ length: 40 }, (_, i) => Number(/:(\d+)>/.exec(send(box, `10.1.1.${i}:${port}>10.2.0.11:53`))?.[1]))
    const low = ports(300)
    const middle = ports(700)
    expect([low[0], middle[0]]).toEqual([300, 700])
    expect(new Set([...low, ...middle]).size).toBe(80)
    expect(Math.min(...low)).toBeGreaterThanOrEqual(1)
    expect(Math.max(...low)).toBeLessThanOrEqual(511)
    expect(Math.min(...middle)).toBeGreaterThanOrEqual(600)
    expect(Math.max(...middle)).toBeLessThanOrEqual(1023)
  })

  it('those of a range until all are used, and then packets are lost', () => {
    const box = nat('POSTROUTING -p udp -j MASQUERADE --to-ports 3000-3003')
    const sent = [11, 12, 14, 15, 16, 17].map((last) => send(box, `10.1.0.${last}:4000>10.2.0.11:53`))
    expect(
      sent
        .slice(0, 4)
        .map((text) => /:(\d+)>/.exec(text)?.[1])
        .sort(),
    ).toEqual(['3000', '3001', '3002', '3003'])
    expect(sent.slice(4)).toEqual(['dropped', 'dropped'])
    expect(send(nat('POSTROUTING -p udp -j MASQUERADE --to-ports 3000-3003'), '10.1.0.13:3001>10.2.0.11:53')).toContain(
      ':3001>',
    )
    expect(box.world.frames.inUse).toBe(0)
  })

  it('the first free one of a destination’s range', () => {
    const box = nat('PREROUTING -p udp -j DNAT --to-destination 10.2.0.11:5000-5003')
    const port = (text: string) => Number(send(box, text).split(':').at(-1))
    expect(
      ['10.1.0.11:4000>10.2.0.11:53', '10.1.0.11:4000>10.2.0.12:53', '10.1.0.11:4000>10.2.0.13:53'].map(port),
    ).toEqual([5000, 5001, 5002])
    expect([port('10.1.0.11:4000>10.2.0.14:5002'), port('10.1.0.12:4000>10.2.0.13:5002')]).toEqual([5003, 5002])
  })

  it('in a shifted range the one at the same distance, or the next', () => {
    const box = nat('PREROUTING -p udp -j DNAT --to-destination 10.2.0.11:6000-6010/5000')
    const port = (text: string) => Number(send(box, text).split(':').at(-1))
    const there = (server: number, at: number) => port(`10.1.0.11:4000>10.2.0.${server}:${at}`)
    expect([there(11, 5003), there(12, 5003), there(12, 5020), there(12, 4999)]).toEqual([6003, 6004, 6009, 6008])
  })

  // nf_nat_used_tuple_harder: written from the kernel's rules, no recording.
  it('that of a TCP connection in TIME_WAIT when nothing else is left and the new one begins behind it', () => {
    const box = nat('POSTROUTING -p tcp -j MASQUERADE --to-ports 3000-3000')
    const to = '10.2.0.11:80'
    const behind = { source: '10.244.1.0', port: 3000 }
    const out = (from: string, flags: number, seq: number, ack = 0) =>
      box.through(box.tcp(from, to, flags, { seq, ack }))
    const back = (flags: number, seq: number, ack: number) =>
      box.through(box.tcp(to, `${behind.source}:${behind.port}`, flags, { seq, ack }), box.flannel, box.cni0)
    const talk = (from: string, seq: number) => {
      expect(out(from, tcp.SYN, seq)?.sport).toBe(3000)
      back(tcp.SYN | tcp.ACK, 900, seq + 1)
      out(from, tcp.ACK, seq + 1, 901)
      out(from, tcp.FIN | tcp.ACK, seq + 1, 901)
      back(tcp.FIN | tcp.ACK, 901, seq + 2)
      out(from, tcp.ACK, seq + 2, 902)
    }
    talk('10.1.0.11:4000', 1000)
    expect(box.flows()[0]).toContain('TIME_WAIT')
    expect(out('10.1.0.12:4000', tcp.SYN, 500)).toBe(null)
    talk('10.1.0.12:4000', 5000)
    expect(box.netfilter.conntrack.count).toBe(1)
    expect(box.world.frames.inUse).toBe(0)
  })
})

describe('what NAT began', () => {
  it('goes on when its rule is gone, and ends with the address it was masqueraded behind', async () => {
    const node = new Node()
    await node.prints('sysctl -qw net.ipv4.ip_forward=1')
    await node.prints('iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE')
    await node.ping(node.pod, '192.168.14.1')
    await node.prints('iptables -t nat -F')
    expect(await node.prints('conntrack -C')).toBe('1\n')
    await node.prints('ip addr add 192.168.14.77/24 dev eth0')
    await node.prints('ip addr del 192.168.14.77/24 dev eth0')
    expect(await node.prints('conntrack -C')).toBe('1\n')
    await node.prints('ip addr del 192.168.14.11/24 dev eth0')
    expect(await node.prints('conntrack -C')).toBe('0\n')
  })
})
