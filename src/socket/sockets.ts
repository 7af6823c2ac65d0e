/**
 * The sockets of one namespace. Whoever shares the namespace (the containers of a pod) shares these: a port can
 * be bound once. Above `net`, below tunnels and programs; it imports `net`, `link`, `sim` and `wire`.
 */
import type { Frame } from '../link/frame.ts'
import type { Netns } from '../net/netns.ts'
import { ANY, type Ipv4 } from '../wire/address.ts'
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipv4.ts'
import { IcmpSocket, IcmpTransport } from './icmp.ts'
import type { Connection } from './tcp/connection.ts'
import { infoOf, type TcpInfo } from './tcp/info.ts'
import { TcpSocket } from './tcp/socket.ts'
import { TcpStack } from './tcp/stack.ts'
import type { TcpState } from './tcp/state.ts'
import { TcpTransport } from './tcp/transport.ts'
import { UdpSocket, UdpTransport } from './udp.ts'

export interface Endpoint {
  readonly address: Ipv4
  readonly port: number
}

/** One line of ss(8). */
export interface SocketInfo {
  readonly protocol: 'tcp' | 'udp'
  /** UDP sockets are UNCONN, or ESTABLISHED when connected. */
  readonly state: TcpState | 'UNCONN'
  /** Unread bytes; connections not yet accepted, of a listener. */
  readonly recvQ: number
  /** Unacknowledged bytes; the backlog, of a listener. */
  readonly sendQ: number
  readonly local: Endpoint
  readonly remote: Endpoint
  /** Of TCP connections. */
  readonly tcp: TcpInfo | null
  /** What a program's socket answers as its `holder`; null when no program holds it (any more, or yet). */
  readonly holder: object | null
}

const ANYWHERE: Endpoint = { address: ANY, port: 0 }

export class Sockets {
  readonly netns: Netns
  readonly #tcp: TcpStack
  readonly #udp: UdpTransport
  readonly #icmp: IcmpTransport
  #inodes: WeakMap<object, number> | null = null
  #lastInode = 0

  private constructor(netns: Netns) {
    this.netns = netns
    // All sockets of a machine are counted together: where this namespace's begin is chance.
    this.#lastInode = 20_000 + Math.abs(nameHash(netns.name) % 40_000)
    this.#tcp = new TcpStack(netns)
    this.#udp = new UdpTransport(netns)
    this.#icmp = new IcmpTransport(netns)
    netns.transports.set(IPPROTO_ICMP, this.#icmp)
    netns.transports.set(IPPROTO_TCP, new TcpTransport(this.#tcp))
    netns.transports.set(IPPROTO_UDP, this.#udp)
  }

  /** The sockets of this namespace: always the same object. */
  static of(netns: Netns): Sockets {
    const known = netns.sockets
    if (known !== null) return known as Sockets
    const sockets = new Sockets(netns)
    netns.sockets = sockets
    return sockets
  }

  /** Some milliseconds pass, though no clock shows them: who sends now does not do so in one go with what was sent before. */
  pause(): void {
    for (const { send } of this.#tcp.connections.all()) send.sent.paused = true
  }

  udp(): UdpSocket {
    return new UdpSocket(this.#udp)
  }

  tcp(): TcpSocket {
    return new TcpSocket(this.#tcp, this.#tcp.freshSettings())
  }

  icmp(): IcmpSocket {
    return new IcmpSocket(this.#icmp)
  }

  /**
   * A kernel port, such as VXLAN's. The handler takes each frame: frame.start is its UDP header, frame.network
   * the IP header. Returns what gives the port back.
   */
  encapsulation(port: number, handler: (frame: Frame) => void): () => void {
    return this.#udp.encapsulation(port, handler)
  }

  /** What the end of all programs does: every socket is closed, with FIN or RST as it is due. */
  closeAll(): void {
    for (const port of this.#tcp.ports.all()) port.close()
    for (const connection of this.#tcp.connections.all()) connection.owner?.close()
    for (const socket of this.#udp.ports.all()) socket.close()
    for (const socket of [...this.#icmp.sockets]) socket.close()
  }

  /** The number of a held socket in sockfs: given when somebody first asks; 0 for what nobody holds. */
  inodeOf(holder: object | null): number {
    if (holder === null) return 0
    this.#inodes ??= new WeakMap()
    let inode = this.#inodes.get(holder)
    if (inode === undefined) {
      inode = ++this.#lastInode
      this.#inodes.set(holder, inode)
    }
    return inode
  }

  /** The raw ICMP sockets: `ss -w`, /proc/net/raw. */
  rawIcmp(): readonly IcmpSocket[] {
    return this.#icmp.sockets
  }

  /** Everything ss(8) would show; listeners, then connections, then UDP. */
  list(): SocketInfo[] {
    return [...this.#listeners(), ...this.#connections(), ...this.#datagrams()]
  }

  #listeners(): SocketInfo[] {
    const list: SocketInfo[] = []
    for (const { localAddress, localPort, listening } of this.#tcp.ports.all()) {
      if (listening === null) continue
      const local = { address: localAddress, port: localPort }
      const recvQ = listening.waiting
      list.push({
        protocol: 'tcp',
        state: 'LISTEN',
        recvQ,
        sendQ: listening.backlog,
        local,
        remote: ANYWHERE,
        tcp: null,
        holder: listening,
      })
    }
    return list
  }

  #connections(): SocketInfo[] {
    return this.#tcp.connections.all().map((connection) => ({
      protocol: 'tcp',
      state: connection.state,
      recvQ: connection.receive.readable,
      sendQ: unacknowledged(connection),
      local: { address: connection.localAddress, port: connection.localPort },
      remote: { address: connection.remoteAddress, port: connection.remotePort },
      tcp: infoOf(connection),
      holder: connection.owner === null ? null : connection,
    }))
  }

  #datagrams(): SocketInfo[] {
    const kernel: SocketInfo[] = this.#udp.kernelPorts().map((port) => ({
      protocol: 'udp',
      state: 'UNCONN',
      recvQ: 0,
      sendQ: 0,
      local: { address: ANY, port },
      remote: ANYWHERE,
      tcp: null,
      holder: null,
    }))
    const own: SocketInfo[] = this.#udp.ports.all().map((socket) => ({
      protocol: 'udp',
      state: socket.connected ? 'ESTABLISHED' : 'UNCONN',
      recvQ: 0,
      sendQ: 0,
      local: { address: socket.localAddress, port: socket.localPort },
      remote: { address: socket.remoteAddress, port: socket.remotePort },
      tcp: null,
      holder: socket,
    }))
    return [...own, ...kernel]
  }
}

/** write_seq − snd_una: an unacknowledged SYN or FIN counts one. */
function unacknowledged({ state, send }: Connection): number {
  if (state === 'TIME-WAIT' || state === 'CLOSED') return 0
  return Math.max(0, (send.end + (send.finQueued ? 1 : 0) - send.una) | 0)
}

function nameHash(name: string): number {
  let hash = 0
  for (let i = 0; i < name.length; i++) hash = (Math.imul(hash, 31) + name.charCodeAt(i)) | 0
  return hash
}
