/**
 * A cable from a world into a real machine: VXLAN (RFC 7348) over a UDP socket. Whatever the cable's end in the world
 * is sent leaves as a datagram; whatever comes in one enters the world there, as it came. Linux's other end:
 *
 *     ip link add pw0 type veth peer name eth0 netns lab      # lab: a network namespace, here 169.254.77.2
 *     ip -n lab link add podwire0 type vxlan id 42 dstport 4789 local 169.254.77.2 remote 169.254.77.1
 *
 * A tunnel to an address of the same namespace Linux would shorten (`localbypass`), and find nobody at its end.
 * Linux leaves the checksums inside the tunnel to offloads that a UDP socket does not have: `ethtool -K podwire0 tx off`.
 */

import { createSocket, type Socket } from 'node:dgram'
import { isIPv4 } from 'node:net'
import type { NetDevice, Receiver } from '../link/device.ts'
import type { Frame } from '../link/frame.ts'
import { sendPacket } from '../link/packet-socket.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as vxlan from '../wire/vxlan.ts'

export interface Endpoint {
  readonly address: string
  readonly port: number
}

/** `127.0.0.1:4789`; null when it is none. */
export function parseEndpoint(text: string): Endpoint | null {
  const [, address, port] = /^([\d.]+):(\d{1,5})$/.exec(text) ?? []
  if (address === undefined || !isIPv4(address) || Number(port) > 65_535 || Number(port) === 0) return null
  return { address, port: Number(port) }
}

/** A burst of a large window waits in the kernel while the world is busy. */
const BUFFER = 4 << 20
/** 24 bits (RFC 7348, section 5). */
export const MAXIMUM_VNI = 0xffffff

export class VxlanPlug implements Receiver {
  /** Datagrams that were no frames of ours: another VNI, too short, too long. */
  refused = 0
  readonly #device: NetDevice
  readonly #vni: number
  readonly #remote: Endpoint
  readonly #socket: Socket
  readonly #arrived: () => void

  private constructor(device: NetDevice, vni: number, remote: Endpoint, socket: Socket, arrived: () => void) {
    this.#device = device
    this.#vni = vni
    this.#remote = remote
    this.#socket = socket
    this.#arrived = arrived
    device.receiver = this
    socket.on('message', (message) => this.#enter(message))
    // An unreachable other end is a cable with nobody at it.
    socket.on('error', () => {})
  }

  /**
   * Plugs a cable's loose end in.
   * @param arrived called after a frame entered the world: time may have to go on.
   * @throws Error of node:dgram when the local endpoint cannot be bound.
   */
  static async open(
    device: NetDevice,
    vni: number,
    local: Endpoint,
    remote: Endpoint,
    arrived: () => void,
  ): Promise<VxlanPlug> {
    const socket = createSocket('udp4')
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      socket.bind(local.port, local.address, () => {
        socket.off('error', reject)
        resolve()
      })
    })
    socket.setRecvBufferSize(BUFFER)
    socket.setSendBufferSize(BUFFER)
    return new VxlanPlug(device, vni, remote, socket, arrived)
  }

  /** Where it listens. */
  get local(): Endpoint {
    const { address, port } = this.#socket.address()
    return { address, port }
  }

  /** Out of the world. */
  receive(frame: Frame): void {
    const { start, end, bytes } = frame
    const message = Buffer.alloc(vxlan.HEADER + end - start)
    vxlan.write(message, 0, this.#vni)
    message.set(bytes.subarray(start, end), vxlan.HEADER)
    this.#device.world.frames.consume(frame)
    this.#socket.send(message, this.#remote.port, this.#remote.address, () => {})
  }

  close(): void {
    this.#device.receiver = null
    this.#socket.close()
  }

  #enter(message: Buffer): void {
    const length = message.length - vxlan.HEADER
    const ours = vxlan.valid(message, 0, message.length) && vxlan.vni(message, 0) === this.#vni
    if (!ours || length < ethernet.HEADER || length > this.#device.mtu + ethernet.HEADER + ethernet.TAG) {
      this.refused++
      return
    }
    const frame = this.#device.world.frames.take(length)
    frame.end = frame.start + length
    frame.bytes.set(message.subarray(vxlan.HEADER), frame.start)
    sendPacket(this.#device, frame, 'a machine outside of podwire')
    this.#arrived()
  }
}
