/** What one end of a cable learns when the other goes down, as neigh_carrier_down and br_port_carrier_check do it. */
import { afterEach, expect, it } from 'vitest'
import { MILLISECOND } from '../../../src/sim/scheduler.ts'
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

it('takes a port and its bridge out of work when the other end goes down, and in again', async () => {
  lab = new Node()
  await lab.prints('ip addr add 10.77.0.1/24 dev cni0')
  const shown = async () => {
    await lab.runner.runFor(MILLISECOND) // What the next command takes to start: longer than linkwatch.
    const [port] = (await lab.prints('bridge link show dev vethpod')).split(' priority')
    const [bridge] = (await lab.prints('ip link show cni0')).split(' mode')
    const flags = (text: string) => /<(.*)>/.exec(text)?.[1]
    const state = (text: string) => text.slice(text.lastIndexOf(' ') + 1)
    const route = (await lab.prints('ip route show 10.77.0.0/24')).trimEnd()
    return [flags(port), state(port), flags(bridge), state(bridge), route]
  }
  const route = '10.77.0.0/24 dev cni0 proto kernel scope link src 10.77.0.1'
  const working = [
    ...['BROADCAST,MULTICAST,UP,LOWER_UP', 'forwarding', 'BROADCAST,MULTICAST,UP,LOWER_UP', 'UP'],
    `${route}`,
  ]
  expect(await shown()).toEqual(working)
  await lab.prints('ip link set eth0 down', lab.podPlace)
  const without = 'NO-CARRIER,BROADCAST,MULTICAST,UP'
  expect(await shown()).toEqual([without, 'disabled', without, 'DOWN', `${route} linkdown`])
  await lab.prints('ip link set eth0 up', lab.podPlace)
  expect(await shown()).toEqual(working)
  await lab.prints('ip link set vethpod down')
  expect(await shown()).toEqual(['BROADCAST,MULTICAST', 'disabled', without, 'DOWN', `${route} linkdown`])
  await lab.prints('ip link set vethpod up')
  expect(await shown()).toEqual(working)
})

it('hears nothing from a port that has just got its carrier again: its gratuitous ARP request gets no further', async () => {
  lab = new Node()
  await lab.prints('sysctl -q -w net.ipv4.conf.eth0.arp_notify=1', lab.podPlace)
  let sent = 0
  let heard = 0
  lab.pod.devices.get('eth0')!.tap = (_frame, _device, direction) => void (direction === 'out' && sent++)
  lab.bridge.tap = (_frame, _device, direction) => void (direction === 'in' && heard++)
  await lab.prints('ip link set eth0 down', lab.podPlace)
  await lab.runner.runFor(MILLISECOND)
  await lab.prints('ip link set eth0 up', lab.podPlace)
  await lab.runner.runFor(MILLISECOND)
  expect([sent, heard]).toEqual([1, 0])
  await lab.prints('ip link set eth0 address 02:00:00:00:00:07', lab.podPlace)
  await lab.runner.runFor(MILLISECOND)
  expect([sent, heard]).toEqual([2, 1])
})

it('gives a bridge carrier until it has had a port', async () => {
  lab = new Node()
  await lab.prints('ip link add br9 type bridge')
  await lab.prints('ip link add p9 type veth peer name q9')
  const state = async () => (await lab.prints('ip -br link show br9')).replace(/ +/g, ' ').replace(/..(:..){5}/, 'MAC')
  expect(await state()).toBe('br9 DOWN MAC <BROADCAST,MULTICAST> \n')
  await lab.prints('ip link set br9 up')
  expect(await state()).toBe('br9 UNKNOWN MAC <BROADCAST,MULTICAST,UP,LOWER_UP> \n')
  await lab.prints('ip link set p9 master br9')
  expect(await state()).toBe('br9 DOWN MAC <NO-CARRIER,BROADCAST,MULTICAST,UP> \n')
  await lab.prints('ip link set p9 up')
  await lab.prints('ip link set q9 up')
  expect(await state()).toBe('br9 UP MAC <BROADCAST,MULTICAST,UP,LOWER_UP> \n')
  await lab.prints('ip link del p9')
  expect(await state()).toBe('br9 DOWN MAC <NO-CARRIER,BROADCAST,MULTICAST,UP> \n')
  await lab.prints('ip link set br9 down')
  await lab.prints('ip link set br9 up')
  expect(await state()).toBe('br9 DOWN MAC <NO-CARRIER,BROADCAST,MULTICAST,UP> \n')
})
