/** What sockets say of what they take and send. Each entry must be a socket of that namespace at that moment. */
import { afterEach, describe, expect, it } from 'vitest'
import type { Decision } from '../../src/link/decision.ts'
import { type DropReason, dropReasonNames, type Frame, type Tracer } from '../../src/link/frame.ts'
import { Sockets } from '../../src/socket/sockets.ts'
import { formatIpv4, parseIpv4 } from '../../src/wire/address.ts'
import { Pair, readAll, SERVER } from './pair.ts'

class Listener implements Tracer {
  readonly lines: string[] = []
  readonly #pair: Pair

  constructor(pair: Pair) {
    this.#pair = pair
    pair.world.trace(this)
  }

  decided(_frame: Frame, where: string, decision: Decision): void {
    if (decision.kind !== 'socket') return
    this.lines.push(`${where}: ${decision}`)
    const entry = decision.entry()
    expect(decision.command() === null).toBe(entry === null)
    if (entry !== null) expect(this.#shown(where)).toContain(entry)
  }

  dropped(_frame: Frame, reason: DropReason, where: string): void {
    this.lines.push(`${where}: dropped, ${dropReasonNames[reason]}`)
  }

  heard(): string[] {
    return this.lines.splice(0).map((line) => line.replace(/:[34567][0-9]{4}\b/g, ':PORT'))
  }

  #shown(where: string): string[] {
    const port = (number: number) => (number === 0 ? '*' : String(number))
    return Sockets.of(where === 'client' ? this.#pair.client : this.#pair.server)
      .list()
      .map(({ local, remote }) => {
        const here = `${formatIpv4(local.address)}:${port(local.port)}`
        return `${here} ${formatIpv4(remote.address)}:${port(remote.port)}`
      })
  }
}

let pair = new Pair()
let listener = new Listener(pair)
afterEach(() => {
  pair.settle()
  expect(pair.world.frames.inUse).toBe(0)
  pair.world.untrace()
})

function begin(options: ConstructorParameters<typeof Pair>[0] = {}): void {
  pair.world.untrace()
  pair = new Pair(options)
  listener = new Listener(pair)
}

const TO_SERVER = '10.0.0.1:PORT 10.0.0.2:80'
const TO_CLIENT = '10.0.0.2:80 10.0.0.1:PORT'

describe('decisions of sockets', () => {
  it('a TCP connection from SYN to TIME-WAIT', () => {
    begin()
    pair.listen(80, (socket) => {
      socket.onReadable = () => {
        readAll(socket)
        if (socket.ended) socket.close()
      }
    })
    const socket = pair.connect(80)
    pair.run()
    expect(listener.heard()).toEqual([
      `client: TCP socket in SYN-SENT sends a SYN: connect(): ${TO_SERVER}`,
      `server: TCP socket in SYN-RECV sends a SYN-ACK, which answers the SYN: ${TO_CLIENT}`,
      'server: the TCP socket that listens on port 80 takes the SYN: the connection is half open: 0.0.0.0:80 0.0.0.0:*',
      `client: TCP socket in ESTAB sends an ACK that ends the handshake: ${TO_SERVER}`,
      `client: TCP socket in SYN-SENT takes a SYN-ACK, SYN-SENT becomes ESTAB: ${TO_SERVER}`,
      `server: TCP socket in SYN-RECV takes the handshake's last ACK, SYN-RECV becomes ESTAB: ${TO_CLIENT}`,
    ])
    socket.write(new Uint8Array(100))
    pair.run()
    expect(listener.heard()).toEqual([
      `client: TCP socket in ESTAB sends 100 bytes of data, 1 of 10 segments in flight: ${TO_SERVER}`,
      `server: TCP socket in ESTAB sends an ACK of what came: ${TO_CLIENT}`,
      `server: TCP socket in ESTAB takes 100 bytes in order: ${TO_CLIENT}`,
      `client: TCP socket in ESTAB takes the ACK of 100 bytes: ${TO_SERVER}`,
    ])
    socket.close()
    pair.run()
    expect(listener.heard()).toEqual([
      `client: TCP socket in FIN-WAIT-1 sends a FIN: close(): ${TO_SERVER}`,
      `server: TCP socket in LAST-ACK sends a FIN: close(): ${TO_CLIENT}`,
      `server: TCP socket in ESTAB takes a FIN: the peer's last word, ESTAB becomes LAST-ACK: ${TO_CLIENT}`,
      `client: TCP socket in FIN-WAIT-2 sends an ACK of what came: ${TO_SERVER}`,
      `client: TCP socket in FIN-WAIT-1 takes a FIN: the peer's last word, the ACK of our FIN, FIN-WAIT-1 becomes TIME-WAIT: ${TO_SERVER}`,
      'server: TCP socket in LAST-ACK takes the ACK of our FIN, LAST-ACK becomes closed',
    ])
  })

  it('a port where nobody listens', () => {
    begin()
    pair.connect(81)
    pair.run()
    expect(listener.heard()).toEqual([
      'client: TCP socket in SYN-SENT sends a SYN: connect(): 10.0.0.1:PORT 10.0.0.2:81',
      'server: TCP sends a RST of its own: port 81 does not know the connection',
      'server: no TCP socket listens on port 81: the answer is a RST',
      'server: dropped, NoSocket',
      'client: TCP socket in SYN-SENT takes a RST, SYN-SENT becomes closed',
    ])
  })

  it('losses: SYNs, the head and the tail of a flight', () => {
    begin()
    pair.listen(80, (socket) => {
      socket.onReadable = () => readAll(socket)
    })
    pair.lose('client', 1)
    const socket = pair.connect(80)
    pair.run(3000)
    expect(listener.heard()[2]).toBe(
      `client: TCP socket in SYN-SENT sends a SYN again: retransmission 1, nothing came for 1000 ms: ${TO_SERVER}`,
    )
    socket.write(new Uint8Array(30_000))
    pair.run(100)
    listener.heard()
    const mss = 1398
    pair.lose('client', 1)
    socket.write(new Uint8Array(8 * mss))
    pair.run(100)
    const head = listener.heard()
    expect(head).toContain(
      `server: TCP socket in ESTAB takes ${mss} bytes out of order, ${mss} bytes beyond what is expected: queued: ${TO_CLIENT}`,
    )
    expect(head).toContain(
      `client: TCP socket in ESTAB sends ${mss} bytes again: fast retransmission, for later ones arrived: ${TO_SERVER}`,
    )
    const closing = head.filter((line) => line.includes('which close the gap'))
    expect(closing).toEqual([
      `server: TCP socket in ESTAB takes ${mss} bytes in order, which close the gap before ${7 * mss} bytes: ${TO_CLIENT}`,
    ])
    pair.run(2000)
    listener.heard()
    pair.lose('client', 1, 2)
    socket.write(new Uint8Array(10))
    pair.run(5000)
    expect(listener.heard()).toEqual([
      `client: TCP socket in ESTAB sends 10 bytes of data, 1 of 10 segments in flight: ${TO_SERVER}`,
      'client/eth0: dropped, Impaired',
      `client: TCP socket in ESTAB sends 10 bytes again, a tail loss probe: ${TO_SERVER}`,
      'client/eth0: dropped, Impaired',
      `client: TCP socket in ESTAB sends 10 bytes again: retransmission 1, nothing came for 204 ms: ${TO_SERVER}`,
      `server: TCP socket in ESTAB sends an ACK of what came: ${TO_CLIENT}`,
      `server: TCP socket in ESTAB takes 10 bytes in order: ${TO_CLIENT}`,
      `client: TCP socket in ESTAB takes the ACK of 10 bytes: ${TO_SERVER}`,
    ])
    pair.lose('server', 1)
    socket.write(new Uint8Array(10))
    pair.run(5000)
    expect(listener.heard()).toContain(
      `server: TCP socket in ESTAB has no use for 10 bytes that were here before: a duplicate: ${TO_CLIENT}`,
    )
  })

  it('a backlog that is full', () => {
    begin()
    const socket = Sockets.of(pair.server).tcp()
    socket.bind(parseIpv4('10.0.0.2'), 80)
    const listening = socket.listen(0)
    if (typeof listening === 'string') throw new Error(listening)
    for (let i = 0; i < 3; i++) {
      pair.connect(80)
      pair.run(100)
    }
    const full = listener.heard().filter((line) => line.includes('is full'))
    expect(new Set(full)).toEqual(
      new Set([
        'server: the TCP socket that listens on port 80 is full of connections that nobody has accepted: 10.0.0.2:80 0.0.0.0:*',
      ]),
    )
    listening.close()
  })

  it('datagrams and echo requests', () => {
    begin()
    const client = Sockets.of(pair.client).udp()
    client.onDatagram = () => {}
    client.sendTo(new Uint8Array(1), SERVER, 99)
    const server = Sockets.of(pair.server).udp()
    server.bind(parseIpv4('0.0.0.0'), 53)
    server.onDatagram = (payload, from, port) => server.sendTo(payload, from, port)
    client.sendTo(new Uint8Array(3), SERVER, 53)
    pair.run()
    expect(listener.heard()).toEqual([
      'client: UDP socket sends 1 byte: 0.0.0.0:PORT 0.0.0.0:*',
      'client: UDP socket sends 3 bytes: 0.0.0.0:PORT 0.0.0.0:*',
      'server: no UDP socket has port 99: the answer is ICMP port unreachable',
      'server: dropped, NoSocket',
      'server: UDP socket takes 3 bytes: 0.0.0.0:53 0.0.0.0:*',
      'server: UDP socket sends 3 bytes: 0.0.0.0:53 0.0.0.0:*',
      'client: UDP socket takes 3 bytes: 0.0.0.0:PORT 0.0.0.0:*',
    ])
    const ping = Sockets.of(pair.client).icmp()
    ping.echo(1, 2, new Uint8Array(5), SERVER)
    pair.run()
    ping.close()
    client.close()
    server.close()
    expect(listener.heard()).toEqual([
      'client: raw ICMP socket sends an echo request, id 1, seq 2',
      'client: 1 raw ICMP socket hears the message',
    ])
  })

  it('changes nothing: a world that is traced says the same, byte by byte, at the same times', () => {
    const play = (): unknown => {
      pair.listen(80, (socket) => {
        socket.onReadable = () => {
          readAll(socket)
          if (socket.ended) socket.close()
        }
      })
      const socket = pair.connect(80)
      pair.run(2000)
      socket.write(new Uint8Array(60_000))
      pair.run(3000)
      socket.close()
      pair.settle()
      return [pair.times.slice(), pair.packets.map((packet) => packet.join())]
    }
    begin({ loss: 0.1, delay: 1e6 })
    const traced = play()
    expect(listener.heard().length).toBeGreaterThan(100)
    pair.world.untrace()
    pair = new Pair({ loss: 0.1, delay: 1e6 })
    expect(play()).toEqual(traced)
  })
})
