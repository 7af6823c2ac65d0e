/** Drops of TCP's segments. */
import { MICROSECOND } from '../../src/sim/scheduler.ts'
import { Sockets } from '../../src/socket/sockets.ts'
import type { TcpSocket } from '../../src/socket/tcp/socket.ts'
import * as tcp from '../../src/wire/tcp.ts'
import { payload } from '../support/packets.ts'
import { PEER, type Scenes, type Site, scene } from './site.ts'
import { ACK, FIN, listen, Peer, RST, SYN, timestamps } from './tcp-peer.ts'

const data = payload(5)

/** An open connection; `server` is the program's end. */
function open(site: Site, clock: number | null = null): { peer: Peer; server: TcpSocket } {
  const accepted = listen(site)
  const peer = new Peer(site)
  peer.clock = clock
  peer.open()
  site.drops.length = 0
  return { peer, server: accepted[0] }
}

/** The host has sent its SYN to the peer's port 80. */
function opening(site: Site): Peer {
  const socket = Sockets.of(site.host).tcp()
  socket.connect(PEER, 80)
  site.run(0.01)
  const peer = new Peer(site, 80, 0)
  const there = new Peer(site, 80, peer.heard(tcp.sourcePort))
  there.acknowledgment = (there.heard(tcp.sequence) + 1) | 0
  return there
}

/** Our FIN and the peer's are acknowledged. */
function over(site: Site, clock: number | null = null): Peer {
  const { peer, server } = open(site, clock)
  server.close()
  site.run(0.01)
  peer.acknowledgment++
  peer.say(FIN | ACK)
  peer.sequence++
  return peer
}

export const segments: Scenes = {
  TcpTtl: scene('host', (site) => {
    const { peer, server } = open(site)
    server.change().leastTtl = 200
    peer.say(ACK, { data })
  }),
  SocketBacklog: scene('host', (site) => {
    const { peer, server } = open(site)
    server.connection?.receive.lock(2304)
    server.callTime = 20_000 * MICROSECOND
    server.close()
    for (let i = 0; i < 100; i++) {
      peer.send(ACK, { data: payload(1400) })
      peer.sequence += 1400
    }
    site.run(0.001)
  }),
  TcpClosed: scene('host', (site) => {
    const { peer, server } = open(site)
    server.callTime = 20_000 * MICROSECOND
    server.close()
    peer.send(RST)
    peer.send(ACK, { data })
    site.run(0.1)
  }),
  TcpNoSyn: scene('host', (site) => opening(site).say(ACK)),
  TcpInvalidAck: scene('host', (site) => opening(site).say(SYN | ACK, { acked: 100 })),
  TcpInvalidEcho: scene('host', (site) => opening(site).say(SYN | ACK, { options: timestamps(5, 0x7fff1234) })),
  TcpReset: scene('host', (site) => {
    const { peer } = open(site)
    peer.say(RST, { by: 5 })
  }),
  TcpPaws: scene('host', (site) => {
    const { peer } = open(site, 1000)
    peer.clock = 10
    peer.say(ACK, { data })
  }),
  TcpSyn: scene('host', (site) => open(site).peer.say(SYN | ACK)),
  TcpSynAgain: scene('host', (site) => {
    listen(site)
    new Peer(site).begin().say(SYN, { by: -1 })
  }),
  TcpOldSequence: scene('host', (site) => open(site).peer.say(ACK, { data, by: -100_000 })),
  TcpBeyondWindow: scene('host', (site) => open(site).peer.say(ACK, { data, by: 10_000_000 })),
  TcpEndBeyondWindow: scene('host', (site) => {
    const { peer } = open(site)
    peer.say(ACK, { data })
    peer.sequence += data.length
    peer.say(ACK, { data: payload(1400), by: peer.heard(tcp.window) - 700 })
  }),
  TcpHandshakeWindow: scene('host', (site) => {
    listen(site)
    new Peer(site).begin().say(ACK, { data, by: 10_000_000 })
  }),
  TcpNoAck: scene('host', (site) => open(site).peer.say(0, { data })),
  TcpAckUnsent: scene('host', (site) => open(site).peer.say(ACK, { acked: 5000 })),
  TcpAckOld: scene('host', (site) => open(site).peer.say(ACK, { acked: -1_000_000 })),
  TcpDeferred: scene('host', (site) => {
    listen(site, { deferAccept: 3 })
    new Peer(site).begin().say(ACK)
  }),
  TcpAcceptFull: scene('host', (site) => {
    site.set('net.ipv4.tcp_syncookies', 0)
    listen(site, { backlog: 1, accepts: false })
    new Peer(site, 1).open()
    const peers = [2, 3].map((port) => new Peer(site, port).begin())
    for (const peer of peers) peer.say(ACK)
  }),
  TcpSynAcceptFull: scene('host', (site) => {
    listen(site, { backlog: 0, accepts: false })
    new Peer(site, 1).open()
    new Peer(site, 2).say(SYN)
  }),
  TcpSynQueueFull: scene('host', (site) => {
    site.set('net.ipv4.tcp_syncookies', 0)
    listen(site, { backlog: 0 })
    for (const port of [1, 2]) new Peer(site, port).say(SYN)
  }),
  TcpCookieFull: scene('host', (site) => {
    site.set('net.ipv4.tcp_syncookies', 2)
    listen(site, { backlog: 0, accepts: false })
    const peers = [1, 2].map((port) => new Peer(site, port).begin())
    for (const peer of peers) peer.say(ACK)
  }),
  TcpListenAck: scene('host', (site) => {
    listen(site)
    new Peer(site).say(ACK)
    new Peer(site, 6).begin().say(ACK, { acked: 500 })
  }),
  TcpListenReset: scene('host', (site) => {
    listen(site)
    new Peer(site).say(RST)
  }),
  TcpListenFlags: scene('host', (site) => {
    listen(site)
    new Peer(site).say(SYN | FIN)
    new Peer(site).say(0)
  }),
  TcpAbort: scene('host', (site) => {
    const { peer, server } = open(site)
    server.close()
    site.run(0.01)
    peer.say(ACK, { data })
  }),
  TcpOrphan: scene('host', (site) => {
    const { peer, server } = open(site)
    server.close()
    site.run(0.01)
    peer.say(ACK, { acked: 1 })
    peer.say(ACK, { acked: 1, data })
  }),
  TcpBehindFin: scene('host', (site) => {
    const { peer } = open(site)
    peer.say(FIN | ACK)
    peer.sequence++
    peer.say(ACK, { data })
  }),
  TcpTimeWait: scene('host', (site) => {
    const peer = over(site)
    peer.say(FIN | ACK, { by: -1 })
    peer.say(ACK, { data })
    peer.say(RST)
  }),
  TcpTimeWaitPaws: scene('host', (site) => {
    const peer = over(site, 1000)
    peer.clock = 10
    peer.say(ACK)
  }),
  TcpOldData: scene('host', (site) => {
    const { peer } = open(site)
    peer.say(ACK, { data })
    peer.say(ACK, { data })
  }),
  TcpOverWindow: scene('host', (site) => {
    const { peer } = open(site)
    peer.say(ACK, { data, by: peer.heard(tcp.window) })
  }),
  TcpZeroWindow: scene('host', (site) => {
    const { peer, server } = open(site)
    // No program comes so far: what it has read opens the window.
    if (server.connection !== null) server.connection.receive.window = 0
    peer.say(ACK, { data })
  }),
  TcpMemory: scene('host', (site) => {
    const { peer, server } = open(site)
    server.connection?.receive.lock(2304)
    for (; site.drops.length === 0; peer.sequence += 1000) peer.say(ACK, { data: payload(1000) })
  }),
  TcpOutOfOrderAgain: scene('host', (site) => {
    const { peer } = open(site)
    for (let i = 0; i < 2; i++) peer.say(ACK, { data, by: 10 })
  }),
}
