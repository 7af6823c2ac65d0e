/** Readers of a running world: what they are given, and that none of them harms the world or another one. */
import { connect } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { openDoor, parseDoor } from '../../src/live/door.ts'
import { EVERYTHING } from '../../src/live/live-reader.ts'
import { printFrame } from '../../src/wire/print.ts'
import { Emulated, HOSTS, ownRuntimeFolder, RawClient } from './emulated.ts'

ownRuntimeFolder()
let up: Emulated | null = null
afterEach(async () => {
  await up?.down()
  expect(up?.emulator.lab.world.frames.inUse).toBe(0)
  // Nobody watches any more.
  for (const device of up?.emulator.lab.interfaces ?? []) expect(device.tap).toBeNull()
  expect(up?.emulator.lab.world.frames.tracer).toBeNull()
})

async function start(): Promise<Emulated> {
  up = await Emulated.up()
  return up
}

function reader(settings: object = {}): RawClient {
  const client = new RawClient()
  client.say({ do: 'capture', ...settings })
  return client
}

/** A reader that has its first blocks. */
async function reading(settings: object = {}): Promise<RawClient> {
  const client = reader(settings)
  await client.until(() => client.heard.length > client.heard.indexOf(10) + 50)
  return client
}

function lines(client: RawClient): string[] {
  const { packets, interfaces } = client.capture
  return packets.map(({ bytes, interface: on }) => `${interfaces[on].name} ${printFrame(bytes, 0, bytes.length)}`)
}

test('the interfaces are there at once, the frames as they come, the counters at the end', async () => {
  const { run } = bound(await start())
  const client = await reading({ interfaces: ['a/eth0', 'b.example.com/*'] })
  expect(JSON.parse(client.lines[0])).toMatchObject({
    ok: true,
    interfaces: ['b.example.com/lo', 'a.example.com/eth0', 'b.example.com/eth0'].toSorted(
      (x, y) => orderOf(x) - orderOf(y),
    ),
  })
  expect(client.capture.interfaces.map(({ name }) => name).toSorted()).toEqual([
    'a.example.com/eth0',
    'b.example.com/eth0',
    'b.example.com/lo',
  ])
  expect(client.capture.packets).toEqual([])
  await run('ssh a ping -c 1 -s 8 10.0.0.2')
  await client.packets(8)
  expect(lines(client).slice(0, 3)).toEqual([
    'a.example.com/eth0 ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28',
    'b.example.com/eth0 ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28',
    expect.stringMatching(/^b.example.com\/eth0 ARP, Reply 10.0.0.2 is-at /),
  ])
  const ids = client.capture.packets.map((packet) => packet.packetId)
  expect(ids[0]).toBe(ids[1])
  client.socket.end()
  await client.until(() => false)
  const counted = client.capture.statistics.map((each) => each.received)
  expect(counted.toSorted()).toEqual([0, 4, 4])
})

/** The order in which devices joined the world. */
function orderOf(name: string): number {
  return [...(up as Emulated).emulator.lab.interfaces.names()].indexOf(name)
}

function bound(emulated: Emulated) {
  return { run: (line: string) => emulated.run(line) }
}

test('a filter, a snap length, and an end after so many frames', async () => {
  const { run } = bound(await start())
  const client = await reading({ interfaces: ['a/eth0'], filter: 'icmp', snaplen: 42, count: 3 })
  await run('ssh a ping -c 3 -i 0.01 10.0.0.2')
  await client.until(() => false)
  const { packets, statistics } = client.capture
  expect(packets.map(({ bytes, originalLength }) => [bytes.length, originalLength])).toEqual([
    [42, 98],
    [42, 98],
    [42, 98],
  ])
  expect(packets.map(({ direction }) => direction)).toEqual(['out', 'in', 'out'])
  expect(statistics).toHaveLength(1)
})

test('an interface that comes later is declared in the middle, one that goes is counted', async () => {
  const { run } = bound(await start())
  const client = await reading({ interfaces: ['**/late*'], filter: 'icmp' })
  expect(client.capture.interfaces).toEqual([])
  await run('ssh a ip link add late0 type veth peer name late1')
  await run(
    "ssh a 'ip netns add n; ip link set late1 netns n; ip addr add 10.9.0.1/24 dev late0; ip link set late0 up'",
  )
  await run("ssh a 'ip netns exec n ip addr add 10.9.0.2/24 dev late1; ip netns exec n ip link set late1 up'")
  expect((await run('ssh a ping -c 1 10.9.0.2')).exit).toBe(0)
  await client.packets(4)
  expect(client.capture.interfaces.map(({ name }) => name)).toEqual(['a.example.com/late0', 'n/late1'])
  await run('ssh a ip link del late0')
  client.socket.end()
  await client.until(() => false)
  expect(client.capture.statistics).toHaveLength(2)
})

test('a reader that never reads loses frames, which are counted; the world and the others go on', async () => {
  const emulated = await start()
  const idle = await reading()
  idle.socket.pause()
  const good = await reading({ filter: 'icmp[icmptype] == icmp-echo', interfaces: ['a/eth0'], snaplen: 64 })
  // 40 kB there and back, seen at six places: 20 MB.
  const { said } = await emulated.run('ssh a ping -c 80 -i 0.005 -s 20000 10.0.0.2')
  expect(said).toContain('80 packets transmitted, 80 received')
  await good.packets(80)
  const [slow, quick] = emulated.emulator.status().readers
  expect(slow.lost).toBeGreaterThan(0)
  expect(quick).toMatchObject({ frames: 80, lost: 0 })
  // What was lost stands in the file of who has time for it after all.
  idle.socket.resume()
  idle.socket.end()
  await idle.until(() => false)
  const { packets } = idle.capture
  expect(packets.length).toBe(slow.frames)
  good.socket.destroy()
})

test('readers that vanish at any moment leave the world and the others unharmed', async () => {
  const emulated = await start()
  const steady = await reading({ filter: 'icmp', interfaces: ['b/eth0'] })
  const pinging = emulated.run('ssh a ping -c 100 -i 0.01 -s 3000 10.0.0.2')
  // Chance decides the moments: the test holds for all.
  for (let i = 0; i < 40; i++) {
    const client = reader(i % 3 === 0 ? { interfaces: ['**/eth0'] } : {})
    if (i % 4 === 0) client.socket.pause()
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 25))
    client.socket.destroy()
  }
  expect((await pinging).said).toContain('100 packets transmitted, 100 received')
  // Three fragments each way; only first ones have an ICMP header, but all are of protocol ICMP.
  await steady.packets(600)
  expect(steady.capture.packets).toHaveLength(600)
  expect(emulated.emulator.status().readers).toHaveLength(1)
  steady.socket.destroy()
})

test('at a TCP door each connection gets a fresh pcapng', async () => {
  const emulated = await start()
  const { emulator } = emulated
  const door = await openDoor({ host: '127.0.0.1', port: 0 }, (socket) => void emulator.read(EVERYTHING, socket))
  const port = Number(door.address.split(':')[1])
  for (let i = 0; i < 3; i++) {
    const heard: Buffer[] = []
    const socket = connect(port, '127.0.0.1')
    socket.on('data', (bytes) => void heard.push(bytes))
    await new Promise((resolve) => socket.once('data', resolve))
    expect(Buffer.concat(heard).readUInt32LE(0)).toBe(0x0a0d0d0a)
    // What a reader says is not listened to.
    socket.write('GET / HTTP/1.1\r\n\r\n')
    await emulated.run('ssh a ping -c 1 10.0.0.2')
    socket.destroy()
  }
  while (emulator.status().readers.length > 0) await new Promise((resolve) => setTimeout(resolve, 2))
  door.server.close()
})

test('doors are of this machine alone', () => {
  expect(parseDoor('127.0.0.1:19000')).toEqual({ host: '127.0.0.1', port: 19_000 })
  expect(parseDoor('localhost:1')).toEqual({ host: '127.0.0.1', port: 1 })
  expect(parseDoor('0')).toEqual({ host: '127.0.0.1', port: 0 })
  for (const text of ['0.0.0.0:1', '10.0.0.1:1', '127.0.0.1:65536', '127.0.0.1:', 'example.com:1', '::1:1']) {
    expect(parseDoor(text), text).toBeNull()
  }
})

test('a paused world shows its frames as they are stepped', async () => {
  const emulated = await Emulated.up(HOSTS)
  up = emulated
  const client = await reading({ interfaces: ['a/eth0'] })
  await emulated.emulator.pace.pause()
  const pinging = emulated.run('ssh a ping -c 1 10.0.0.2')
  await emulated.emulator.step('frame')
  await client.packets(1)
  expect(client.capture.packets).toHaveLength(1)
  emulated.emulator.pace.resume()
  expect((await pinging).exit).toBe(0)
  client.socket.destroy()
})
