/** What one end of a cable learns when the other goes down, as neigh_carrier_down and br_port_carrier_check do it. */
import { afterEach, expect, it } from 'vitest'
import { Node } from './node.ts'

let lab: Node

afterEach(() => {
  expect(lab.world.frames.inUse).toBe(0)
})

it('forgets its neighbours, but for the permanent ones, when the other end goes down', async () => {
  lab = new Node()
  await lab.ping(lab.node.netns, '192.168.14.1')
  await lab.prints('ip neigh add 192.168.14.77 lladdr 02:00:00:00:00:77 dev eth0')
  expect(await lab.prints('ip neigh show dev eth0')).toContain('192.168.14.1 lladdr')
  const far = lab.gateway.devices.get('p-node1')
  if (far === undefined) throw new Error('no far end')
  lab.gateway.setDown(far)
  expect(await lab.prints('ip neigh show dev eth0')).toBe('192.168.14.77 lladdr 02:00:00:00:00:77 PERMANENT \n')
  expect(await lab.prints('ip link show eth0')).toContain('<NO-CARRIER,BROADCAST,MULTICAST,UP>')
  lab.gateway.setUp(far)
  await lab.ping(lab.node.netns, '192.168.14.1')
  expect(await lab.prints('ip neigh show dev eth0')).toContain('192.168.14.1 lladdr')
})

it('forgets the stations of a bridge port whose other end goes down, and the neighbours of a bridge without ports', async () => {
  lab = new Node()
  await lab.ping(lab.node.netns, '10.244.1.2')
  expect(await lab.prints('bridge fdb show br cni0')).toContain('0a:58:0a:f4:01:02 dev vethpod master cni0 \n')
  expect(await lab.prints('ip neigh show dev cni0')).toContain('10.244.1.2 lladdr')
  await lab.prints('ip link set eth0 down', lab.podPlace)
  expect(await lab.prints('bridge fdb show br cni0')).not.toContain('0a:58:0a:f4:01:02')
  expect(await lab.prints('ip neigh show dev cni0')).toBe('')
})
