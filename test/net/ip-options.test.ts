/** Options of the IPv4 header. Every expected byte was taken from a Linux kernel: the same frames, the same addresses. */
import { expect, test } from 'vitest'
import { Netns } from '../../src/net/netns.ts'
import { SECOND } from '../../src/sim/scheduler.ts'
import { parseIpv4 } from '../../src/wire/address.ts'
import { checksum } from '../../src/wire/checksum.ts'
import * as ethernet from '../../src/wire/ethernet.ts'
import * as icmp from '../../src/wire/icmp.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import { hexOf } from '../support/bytes.ts'
import { frameOf } from '../support/world.ts'
import { defaultRoute, join, newWorld } from './network.ts'

/** Half past three in the afternoon: 55 453 000 ms since midnight, 034e2548. */
const EPOCH = 86_400 * 20_000 + 55_453
const NOW = '034e2548'

/** a 10.1.0.1 ── 10.1.0.254 router 10.2.0.254 ── 10.2.0.1 b */
function routed() {
  const world = newWorld()
  world.epochSeconds = EPOCH
  const a = new Netns(world, 'a')
  const router = new Netns(world, 'router')
  const b = new Netns(world, 'b')
  router.sysctl.set('net.ipv4.ip_forward', '1')
  const [device, near] = join(world, a, '10.1.0.1/24', router, '10.1.0.254/24', ['eth0', 'eth0'])
  const [far] = join(world, b, '10.2.0.1/24', router, '10.2.0.254/24', ['eth0', 'eth1'])
  defaultRoute(a, '10.1.0.254')
  defaultRoute(b, '10.2.0.254')
  /** An echo request of `size` bytes with these options, from a. */
  const send = (options: string, to: string, size = 8) => {
    const extra = Uint8Array.from(options.match(/../g) ?? [], (each) => Number.parseInt(each, 16))
    const header = ipv4.HEADER + extra.length
    const bytes = new Uint8Array(ethernet.HEADER + header + icmp.HEADER + size).fill(0x42)
    ethernet.write(bytes, 0, near.mac, device.mac, ethernet.ETH_P_IP)
    const at = ethernet.HEADER
    const total = bytes.length - at
    ipv4.write(bytes, at, total, parseIpv4('10.1.0.1'), parseIpv4(to), 1, 64, 0, 0x1234, 0)
    bytes[at] = 0x40 | (header / 4)
    bytes.set(extra, at + ipv4.HEADER)
    ipv4.setLengthAndFragment(bytes, at, total, 0)
    icmp.write(bytes, at + header, bytes.length, icmp.ECHO_REQUEST, 0, 77, 1)
    device.send(frameOf(world, bytes))
  }
  return { world, a, b, router, device, far, send }
}

/** Sends, and returns the IP packet that comes back to a. */
function answer(options: string, to = '10.2.0.1', size = 8): Uint8Array | null {
  const { world, device, send } = routed()
  let back: Uint8Array | null = null
  device.tap = ({ bytes, start, end }) => {
    const at = start + ethernet.HEADER
    if (bytes[start + 13] !== 0 || ipv4.destination(bytes, at) !== parseIpv4('10.1.0.1')) return
    back = bytes.slice(at, end)
  }
  send(options, to, size)
  world.scheduler.run(10 * SECOND)
  expect(world.frames.inUse).toBe(0)
  return back
}

const optionsOf = (bytes: Uint8Array) => hexOf(bytes.subarray(ipv4.HEADER, ipv4.headerLength(bytes, 0)))
const summed = (bytes: Uint8Array) => checksum(bytes, 0, ipv4.headerLength(bytes, 0)) === 0

test.each([
  [`072704${'00'.repeat(37)}`, `0727140a0200fe0a0200010a0200010a0100fe${'00'.repeat(21)}`, 'Record Route'],
  ['01070b080a0100010000000000000000', '070b0c0a0100010a0200fe00', 'Record Route behind a no-operation'],
  ['0707040000000000', '0707080a0200fe00', 'Record Route with room for one'],
  ['0708050000000000', '070809000a0200fe', 'Record Route that points at an odd place'],
  ['440c05000000000000000000', `440c0d10${NOW}${NOW}`, 'times, and hops without room are counted'],
  ['4408050000000000', `44080920${NOW}`, 'one time'],
  [`44140501${'00'.repeat(16)}`, `441415110a0100fe${NOW}0a020001${NOW}`, 'times with addresses'],
  ['440c05030a02000100000000', `440c0d030a020001${NOW}`, 'the time of the destination'],
  ['440c05030a0200fe00000000', `440c0d030a0200fe${NOW}`, 'the time of the router'],
  ['4408050500000000', '4408050500000000', 'a kind of timestamp that nobody knows'],
  ['4408090000000000', '4408093000000000', 'no room left at all'],
  ['94040000', '', 'Router Alert'],
  ['88040001', '', 'a stream identifier'],
  ['0003ff01', '', 'rubbish behind the end'],
  ['07070400000000000707040000000000', '0707080a0200fe00', 'a second Record Route behind the end'],
])('an echo request with %s is answered with %s: %s', (options, expected) => {
  const back = answer(options)
  expect(back).not.toBeNull()
  if (back === null) return
  expect(back[ipv4.headerLength(back, 0)]).toBe(icmp.ECHO_REPLY)
  expect(optionsOf(back)).toBe(expected)
  expect(summed(back)).toBe(true)
})

test('a Record Route without hops in between has the destination twice', () => {
  const back = answer('070b04000000000000000000', '10.1.0.254')
  expect(back === null ? null : optionsOf(back)).toBe('070b0c0a0100fe0a0100fe00')
})

test.each([
  ['07030100', 22, '', '460000281234000040014b9a0a0100010a02000107030100'],
  ['0702000000000000', 21, '', '4700002c1234000040014b970a0100010a0200010702000000000000'],
  ['440809f000000000', 23, '', '4700002c12340000400104a10a0100010a020001440809f000000000'],
  ['94030000', 21, '', '46000028123400004001bf990a0100010a02000194030000'],
  ['99090000', 20, '', '46000028123400004001ba930a0100010a02000199090000'],
  ['01010107', 23, '', '4600002812340000400151950a0100010a02000101010107'],
  ['0707040000000007', 27, '0707080a0100fe00', '4700002c123400004001478b0a0100010a0200010707080a0100fe07'],
])('options %s are a parameter problem at octet %i', (options, octet, carried, quoted) => {
  const back = answer(options)
  expect(back).not.toBeNull()
  if (back === null) return
  const at = ipv4.headerLength(back, 0)
  expect(hexOf(back.subarray(12, 16))).toBe('0a0100fe')
  expect(optionsOf(back)).toBe(carried)
  expect(summed(back)).toBe(true)
  expect(hexOf(back.subarray(at, at + 2))).toBe('0c00')
  expect(hexOf(back.subarray(at + 4, at + 8))).toBe(`${octet.toString(16)}000000`)
  expect(hexOf(back.subarray(at + 8, at + 8 + quoted.length / 2))).toBe(quoted)
  expect(checksum(back, at, back.length - at)).toBe(0)
})

test.each(['8307040a0200fe00', '8907040a0200fe00'])('a source route (%s) is not followed, silently', (options) => {
  expect(answer(options)).toBeNull()
})

test('fragments after the first carry only what has the copy bit, in a header of the same length', () => {
  const { world, router, far, send } = routed()
  for (const device of router.devices.values()) if (device.name === 'eth1') device.mtu = 576
  const seen: string[] = []
  far.tap = ({ bytes, start }) => {
    const at = start + ethernet.HEADER
    if (bytes[start + 13] !== 0 || ipv4.destination(bytes, at) !== parseIpv4('10.2.0.1')) return
    expect(checksum(bytes, at, ipv4.headerLength(bytes, at))).toBe(0)
    seen.push(hexOf(bytes.subarray(at + ipv4.HEADER, at + ipv4.headerLength(bytes, at))))
  }
  send('070704000000000194040000', '10.2.0.1', 600)
  world.scheduler.run(60 * SECOND)
  expect(seen).toEqual(['0707080a0200fe0194040000', '010101010101010194040000'])
  expect(world.frames.inUse).toBe(0)
})

test('any bytes as options end in an answer, an error or silence', () => {
  const { world, send } = routed()
  for (let i = 0; i < 2000; i++) {
    const kinds = [7, 0x44, 0x83, 0x94, 1]
    const bytes = Uint8Array.from({ length: 4 * (1 + (i % 10)) }, () => world.random.below(256))
    bytes[0] = kinds[i % 5]
    bytes[1] = world.random.below(bytes.length + 2)
    bytes[2] = world.random.below(bytes.length + 4)
    send(hexOf(bytes), '10.2.0.1')
    world.scheduler.run(world.scheduler.now + SECOND)
  }
  expect(world.frames.inUse).toBe(0)
})
