/** What a bridge tells of its decisions; the FDB's entries are spelled as iproute2 6.1's `bridge fdb show br cni0` does. */
import { afterEach, expect, test } from 'vitest'
import { Bridge } from '../../src/link/bridge.ts'
import { PortState } from '../../src/link/bridge-state.ts'
import { journal } from '../../src/link/flow-cache.ts'
import type { World } from '../../src/link/world.ts'
import { SECOND } from '../../src/sim/scheduler.ts'
import { MAC_BROADCAST, type Mac } from '../../src/wire/address.ts'
import { listen } from '../support/decisions.ts'
import { inEthernet, payload } from '../support/packets.ts'
import { frameOf, Inbox, mac, Stub, testWorld } from '../support/world.ts'

let traced: World | null = null

afterEach(() => {
  traced?.untrace()
  expect(traced?.frames.inUse).toBe(0)
  expect(journal.open).toBe(false)
})

/** Three ports, in front of them the stations mac(11), mac(12), mac(13). */
function lan() {
  const world = testWorld()
  traced = world
  const bridge = new Bridge(world, 'cni0', mac(100))
  bridge.place = 'w1/cni0'
  bridge.up = true
  bridge.receiver = new Inbox(world)
  const stubs = [1, 2, 3].map((n) => new Stub(world, `veth${n}`, mac(n)))
  const ports = stubs.map((stub) => bridge.attach(stub))
  const told = listen(world)
  const arrive = (port: number, to: Mac, from: Mac) => {
    stubs[port - 1].arrive(inEthernet(to, from, 0x88b5, payload(46)))
    return told.take()
  }
  return { world, bridge, ports, stubs, told, arrive }
}

test('learning, flooding and forwarding, each with the entry', () => {
  const { world, arrive } = lan()
  expect(arrive(1, mac(12), mac(11))).toEqual([
    'w1/cni0: learnt: 02:00:00:00:00:0b is at veth1: 02:00:00:00:00:0b dev veth1 master cni0',
    'w1/cni0: cni0 has no entry for 02:00:00:00:00:0c, so it goes to every port: this copy to veth2',
    'w1/cni0: cni0 has no entry for 02:00:00:00:00:0c, so it goes to every port: this copy to veth3',
  ])
  world.scheduler.run(3 * SECOND)
  expect(arrive(2, mac(11), mac(12))).toEqual([
    'w1/cni0: learnt: 02:00:00:00:00:0c is at veth2: 02:00:00:00:00:0c dev veth2 master cni0',
    'w1/cni0: cni0 learnt the destination at veth1 and heard it 3 s ago: 02:00:00:00:00:0b dev veth1 master cni0',
  ])
  expect(arrive(3, mac(12), mac(11))).toEqual([
    'w1/cni0: learnt: 02:00:00:00:00:0b moved from veth1 to veth3: 02:00:00:00:00:0b dev veth3 master cni0',
    'w1/cni0: cni0 learnt the destination at veth2 and heard it just now: 02:00:00:00:00:0c dev veth2 master cni0',
  ])
  expect(arrive(3, mac(100), mac(11))).toEqual([
    'w1/cni0: 02:00:00:00:00:0b was heard at veth3 again, its age is 0: 02:00:00:00:00:0b dev veth3 master cni0',
    "w1/cni0: the destination is cni0's own address, so it is for this host: " +
      '02:00:00:00:00:64 dev cni0 master cni0 permanent',
  ])
})

test('a broadcast: a word for every copy, the host’s too', () => {
  const { arrive, told } = lan()
  const lines = arrive(1, MAC_BROADCAST, mac(11)).slice(1)
  expect(lines).toEqual([
    'w1/cni0: broadcast: cni0 sends it to every port, this copy to veth2',
    'w1/cni0: broadcast: cni0 sends it to every port, this copy to veth3',
    'w1/cni0: broadcast: this copy is for the host itself, by cni0',
  ])
  expect(told.told).toEqual([])
})

test.each([
  ['hairpin', 'not back to veth1, by which it came: hairpin is off: hairpin off', 1],
  ['state', 'not to veth2: it is not forwarding: state blocking', 2],
  ['isolated', 'not to veth2: it and the port by which it came are isolated: isolated on', 2],
] as const)('refused: %s', (what, text, at) => {
  const { bridge, ports, arrive } = lan()
  bridge.fdb.add(mac(12), ports[at - 1])
  if (what === 'state') ports[1].state = PortState.blocking
  if (what === 'isolated') for (const port of ports) port.isolated = true
  const lines = arrive(1, mac(12), mac(11))
  expect(lines.slice(2)).toEqual([`w1/cni0: ${text}`, expect.stringContaining('dropped')])
})

test('a port that is skipped in a flood says why', () => {
  const { ports, arrive } = lan()
  ports[1].flooding = false
  ports[2].bcastFlood = false
  expect(arrive(1, mac(12), mac(11)).slice(1)).toEqual([
    'w1/cni0: not to veth2: it does not hear of unknown destinations: flood off',
    expect.stringContaining('this copy to veth3'),
  ])
  expect(arrive(1, MAC_BROADCAST, mac(11))).toContain(
    'w1/cni0: not to veth3: it does not hear broadcasts: bcast_flood off',
  )
})

test('VLANs and locked ports', () => {
  const { bridge, ports, arrive } = lan()
  ports[0].locked = true
  expect(arrive(1, mac(12), mac(11))).toEqual([
    'w1/cni0: veth1 is locked, and the FDB does not have the source there: not taken: locked on',
    expect.stringContaining('dropped'),
  ])
  ports[0].locked = false
  bridge.vlanFiltering = true
  ports[0].vlans.remove(1)
  expect(arrive(1, mac(12), mac(11))[0]).toBe('w1/cni0: veth1 is not in the VLAN of the frame: not taken')
  expect(arrive(2, mac(11), mac(12))).toContain('w1/cni0: not to veth1: it is not in the VLAN of the frame')
})

test('of the host’s own frames the look-up is told', () => {
  const { world, bridge, told, arrive } = lan()
  arrive(1, mac(100), mac(11))
  bridge.send(frameOf(world, inEthernet(mac(11), mac(100), 0x88b5, payload(46))))
  expect(told.take()).toEqual([
    'w1/cni0: cni0 learnt the destination at veth1 and heard it just now: 02:00:00:00:00:0b dev veth1 master cni0',
  ])
})
