/** A world joined to sockets of this machine, on loopback. */
import { createSocket, type Socket } from 'node:dgram'
import { expect, test } from 'vitest'
import { Pace } from '../../src/live/pace.ts'
import { parseEndpoint, VxlanPlug } from '../../src/live/vxlan-plug.ts'
import { Lab } from '../../src/topology/lab.ts'
import { loadTopology } from '../../src/topology/load.ts'
import { formatMac } from '../../src/wire/address.ts'
import { printFrame } from '../../src/wire/print.ts'

const NOTHING = { readFile: () => null, listFolder: () => null }
const HEADER = Uint8Array.of(8, 0, 0, 0, 0, 0, 42, 0)

/** What the far side hears, one line a frame. */
class FarSide {
  readonly heard: string[] = []
  #waiting: (() => void) | null = null
  readonly #socket: Socket

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('message', (message) => {
      expect(message.subarray(0, 8)).toEqual(Buffer.from(HEADER))
      const frame = Uint8Array.from(message.subarray(8))
      this.heard.push(printFrame(frame, 0, frame.length))
      this.#waiting?.()
    })
  }

  static async open(): Promise<FarSide> {
    const socket = createSocket('udp4')
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
    return new FarSide(socket)
  }

  get endpoint() {
    return { address: '127.0.0.1', port: this.#socket.address().port }
  }

  send(message: Uint8Array, port: number): void {
    this.#socket.send(message, port, '127.0.0.1')
  }

  /** Until so many frames were heard. */
  async hears(count: number): Promise<void> {
    while (this.heard.length < count) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve
      })
    }
  }

  close(): void {
    this.#socket.close()
  }
}

async function joined() {
  const topology = loadTopology(
    'live.yaml',
    'underlay: {cidr: 10.0.0.0/24}\nhosts: [{name: a, ip: 10.0.0.1}]\n',
    NOTHING,
  )
  const lab = await Lab.build(topology, { ...NOTHING, capture: null })
  const pace = new Pace(lab.runner)
  const far = await FarSide.open()
  const local = { address: '127.0.0.1', port: 0 }
  const plug = await VxlanPlug.open(lab.looseCable('outside'), 42, local, far.endpoint, () => pace.kick())
  const stopping = new AbortController()
  const running = pace.run(stopping.signal)
  const end = async () => {
    stopping.abort()
    await running
    plug.close()
    far.close()
  }
  return { lab, pace, far, plug, end }
}

/** 02:00:00:00:00:09, 10.0.0.9, asks who has 10.0.0.1. */
const REQUEST = Uint8Array.of(
  ...[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 9, 8, 6],
  ...[0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 9, 10, 0, 0, 9, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1],
)

test('a frame from outside is answered by the machine it asks for', async () => {
  const { lab, far, plug, end } = await joined()
  far.send(Uint8Array.of(...HEADER, ...REQUEST), plug.local.port)
  await far.hears(1)
  const mac = formatMac(lab.machines.get('a')?.netns.devices.get('eth0')?.mac ?? new Uint8Array(6))
  expect(far.heard).toEqual([`ARP, Reply 10.0.0.1 is-at ${mac}, length 28`])
  await end()
  expect(lab.world.frames.inUse).toBe(0)
})

test('a machine asks for one outside', async () => {
  const { lab, pace, far, end } = await joined()
  void lab.begin('ssh a ping -c 1 10.0.0.9', { out: () => {}, err: () => {} })
  pace.kick()
  await far.hears(1)
  expect(far.heard[0]).toBe('ARP, Request who-has 10.0.0.9 tell 10.0.0.1, length 28')
  await end()
})

test('what is no frame of this network is refused and counted', async () => {
  const { far, plug, end } = await joined()
  const other = Uint8Array.of(8, 0, 0, 0, 0, 0, 43, 0, ...REQUEST)
  const huge = new Uint8Array(8 + 1519)
  huge.set(HEADER)
  for (const message of [other, HEADER, new Uint8Array(3), huge]) far.send(message, plug.local.port)
  far.send(Uint8Array.of(...HEADER, ...REQUEST), plug.local.port)
  await far.hears(1)
  expect(plug.refused).toBe(4)
  await end()
})

test.each([
  ['127.0.0.1:4789', { address: '127.0.0.1', port: 4789 }],
  ['127.0.0.1', null],
  ['127.0.0.256:1', null],
  ['127.0.0.1:65536', null],
  ['127.0.0.1:0', null],
  ['localhost:4789', null],
])('parseEndpoint(%s)', (text, expected) => {
  expect(parseEndpoint(text)).toEqual(expected)
})
