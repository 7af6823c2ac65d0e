/**
 * neigh_suppress on port 3 of three, as measured on Linux 6.18: who gets an ARP frame, and what the bridge answers. The
 * host knows 10.0.0.2, .3 and .9, the FDB the stations of .1, .2 and .3.
 */
import { expect, test } from 'vitest'
import { Bridge } from '../../src/link/bridge.ts'
import { MAC_BROADCAST, MAC_ZERO, type Mac, parseIpv4 } from '../../src/wire/address.ts'
import { hexOf } from '../support/bytes.ts'
import { arpFrame } from '../support/packets.ts'
import { frameOf, Inbox, mac, Stub, testWorld } from '../support/world.ts'

const HOST = mac(100)
const address = (last: number) => parseIpv4(`10.0.0.${last}`)

function lan(suppress: boolean) {
  const world = testWorld()
  const bridge = new Bridge(world, 'br0', HOST)
  const host = new Inbox(world)
  bridge.up = true
  bridge.receiver = host
  const stubs = [1, 2, 3].map((n) => new Stub(world, `veth${n}`, mac(0xa0 + n)))
  const ports = stubs.map((stub) => bridge.attach(stub))
  for (const n of [1, 2, 3]) bridge.fdb.learn(mac(n), 0, ports[n - 1], 0)
  bridge.neighbours = {
    isLocal: (asked) => asked === address(254),
    macOf: (asked) => [2, 3, 9].map((n) => (asked === address(n) ? mac(n) : null)).find((found) => found) ?? null,
  }
  ports[2].neighSuppress = suppress
  /** Who received something: ports and 0 for the host; `R` behind it when it was a reply. */
  const ask = (from: number, sender: number, target: number, to: Mac = MAC_BROADCAST, op = 1): string => {
    const inboxes = [host, ...stubs.map((stub) => stub.sent)]
    const before = inboxes.map((inbox) => inbox.count)
    const own = from === 0 ? HOST : mac(from)
    const source = { mac: own, address: sender === 0 ? parseIpv4('0.0.0.0') : address(sender) }
    const bytes = arpFrame(to, source, op, MAC_ZERO, address(target))
    if (from === 0) bridge.send(frameOf(world, bytes))
    else stubs[from - 1].arrive(bytes)
    const seen = inboxes.map((inbox, i) => {
      const got = inbox.frames.slice(before[i]).map((frame) => hexOf(frame.bytes))
      return got.map((hex) => `${i}${op === 1 && hex.slice(40, 44) === '0002' ? 'R' : ''}`)
    })
    expect(world.frames.inUse).toBe(0)
    return seen.flat().join(' ')
  }
  return { ask, stubs }
}

test.each([
  ['station 1 asks for 3', [1, 1, 3], '0 2 3', '0 1R 2'],
  ['station 1 asks for 2', [1, 1, 2], '0 2 3', '0 2'],
  ['for a neighbour without a station', [1, 1, 9], '0 2 3', '0 2 3'],
  ['for a stranger', [1, 1, 77], '0 2 3', '0 2 3'],
  ['for the host', [1, 1, 254], '0 2 3', '0 2'],
  ['about itself', [1, 1, 1], '0 2 3', '0 2'],
  ['as a probe', [1, 0, 3], '0 2 3', '0 2'],
  ['station 3 asks for 2', [3, 3, 2], '0 1 2', '0 1 2'],
  ['the host asks for 3', [0, 254, 3], '1 2 3', '0R 1 2'],
  ['the host asks for a stranger', [0, 254, 77], '1 2 3', '1 2 3'],
  ['station 1 asks 3 alone', [1, 1, 3, mac(3)], '3', '3'],
  ['a reply to everybody', [1, 1, 3, MAC_BROADCAST, 2], '0 2 3', '0 2 3'],
] as const)('%s', (_, [from, sender, target, to, op], off, on) => {
  expect(lan(false).ask(from, sender, target, to, op)).toBe(off)
  expect(lan(true).ask(from, sender, target, to, op)).toBe(on)
})

test('the answer is in the name of the neighbour', () => {
  const { ask, stubs } = lan(true)
  ask(1, 1, 3)
  const reply = arpFrame(mac(1), { mac: mac(3), address: address(3) }, 2, mac(1), address(1))
  expect(stubs[0].sent.hex).toEqual([hexOf(reply)])
})
