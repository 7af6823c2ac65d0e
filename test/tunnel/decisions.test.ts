/** What VXLAN tunnels tell of their decisions; FDB entries are spelled as iproute2 6.1's `bridge fdb show dev vx0` does. */
import { afterEach, expect, test } from 'vitest'
import type { NetDevice } from '../../src/link/device.ts'
import { journal } from '../../src/link/flow-cache.ts'
import type { World } from '../../src/link/world.ts'
import { Netns } from '../../src/net/netns.ts'
import { route } from '../../src/net/route.ts'
import { SECOND } from '../../src/sim/scheduler.ts'
import { Sockets } from '../../src/socket/sockets.ts'
import { VxlanDevice } from '../../src/tunnel/vxlan.ts'
import { macOf, parseCidr, parseIpv4 } from '../../src/wire/address.ts'
import { join, newWorld, ping } from '../net/network.ts'
import { listen } from '../support/decisions.ts'
import { misspelt } from '../support/printed.ts'

let traced: World | null = null

afterEach(() => {
  traced?.untrace()
  expect(traced?.frames.inUse).toBe(0)
  expect(journal.open).toBe(false)
})

/** 10.9.0.1 ═ (h1 192.168.0.1 ── 192.168.0.2 h2) ═ 10.9.0.2 */
function tunnel(learning: boolean) {
  const world = newWorld()
  traced = world
  const hosts = [new Netns(world, 'h1'), new Netns(world, 'h2')]
  join(world, hosts[0], '192.168.0.1/24', hosts[1], '192.168.0.2/24')
  const ends = hosts.map((netns, i) => {
    Sockets.of(netns)
    const local = parseIpv4(`192.168.0.${i + 1}`)
    const device = netns.devices.get('eth0') as NetDevice
    const own = macOf(6, 0xf1, parseIpv4(`10.9.0.${i + 1}`))
    const end = new VxlanDevice(world, 'vx0', own, { netns, vni: 7, local, device, port: 8472, learning })
    netns.adopt(end)
    netns.addAddress(end, parseIpv4(`10.9.0.${i + 1}`), 32, null)
    netns.setUp(end)
    const peer = parseIpv4(`10.9.0.${2 - i}`)
    netns.neighbours.add(end, peer, macOf(6, 0xf1, peer), 'PERMANENT')
    if (i === 0 || !learning) end.fdb.add(macOf(6, 0xf1, peer), parseIpv4(`192.168.0.${2 - i}`))
    netns.main.add(route({ destination: parseCidr(`10.9.0.${2 - i}`), device: end, scope: 'link' }))
    return end
  })
  const told = listen(world)
  const faults: string[] = []
  told.onDecision = (where, decision) => {
    const netns = hosts.find(({ name }) => where === name || where.startsWith(`${name}/`)) ?? null
    const fault = misspelt(netns, where, decision)
    if (fault !== null) faults.push(fault)
  }
  const pinged = () => {
    ping(hosts[0], '10.9.0.2')
    world.scheduler.run(world.scheduler.now + SECOND)
    expect(faults).toEqual([])
    return told.take().filter((line) => line.includes('/vx0: ') && !line.includes('next hop'))
  }
  return { ends, pinged }
}

test('encapsulated by the FDB, decapsulated by the VNI', () => {
  expect(tunnel(false).pinged()).toEqual([
    expect.stringMatching(
      /^h1\/vx0: encapsulated to 192.168.0.2, UDP port 8472, from port \d+ \(a hash of the inner flow\), with VNI 7: 06:f1:0a:09:00:02 dst 192.168.0.2 self permanent$/,
    ),
    "h2/vx0: decapsulated: VNI 7 is vx0's, the peer is 192.168.0.1: vxlan id 7",
    expect.stringMatching(/^h2\/vx0: encapsulated to 192.168.0.1,.* 06:f1:0a:09:00:01 dst 192.168.0.1 self permanent$/),
    "h1/vx0: decapsulated: VNI 7 is vx0's, the peer is 192.168.0.2: vxlan id 7",
  ])
})

test('who sends is learnt', () => {
  expect(tunnel(true).pinged()).toContain(
    'h2/vx0: learnt: 06:f1:0a:09:00:01 is behind the peer that sent it: 06:f1:0a:09:00:01 dst 192.168.0.1 self',
  )
})

test('no peer', () => {
  const { ends, pinged } = tunnel(false)
  ends[0].fdb.flush(() => true)
  expect(pinged()).toEqual([
    'h1/vx0: vx0 has no entry for 06:f1:0a:09:00:02, and none for all (00:00:00:00:00:00): no peer to send it to',
    'h1/vx0: dropped: NoTunnelPeer',
  ])
})
