import { describe, expect, it } from 'vitest'
import type { Running } from '../../../src/host/process.ts'
import { Node } from './node.ts'

/** `ip monitor` in the background of the node, and what it has said since it was last asked. */
function watch(node: Node, line: string): { said: () => string; running: Running } {
  let text = ''
  const out = (more: string) => void (text += more)
  const running = node.node.place.spawn(line.split(' '), { out, err: out })
  const said = () => {
    const all = text
    text = ''
    return all
  }
  return { said, running }
}

const HEAD = 'mtu 1500 qdisc'

// Texts as iproute2 6.1 printed them for the same commands on Linux 6.18 with IPv6 off.
describe('ip monitor', () => {
  it('announces a cable that is made, addressed, plugged in, renamed and deleted', async () => {
    const node = new Node()
    await node.prints('ip netns add blue')
    const { said, running } = watch(node, 'ip monitor all')
    const does = async (line: string) => {
      await node.prints(line)
      return said()
    }
    const ether = '    link/ether 02:00:00:00:00:0a brd ff:ff:ff:ff:ff:ff'
    expect(await does('ip link add a0 address 02:00:00:00:00:0a type veth peer name b0 netns blue')).toBe(
      '[NETCONF]inet a0 forwarding off rp_filter off mc_forwarding off proxy_neigh off ignore_routes_with_linkdown off \n' +
        '[NETCONF]inet6 a0 forwarding off mc_forwarding off proxy_neigh off ignore_routes_with_linkdown off \n' +
        '[NSID]nsid 2 (iproute2 netns name: blue)\n' +
        `[LINK]6: a0@if2: <BROADCAST,MULTICAST> ${HEAD} noop state DOWN group default \n${ether} link-netns blue\n`,
    )
    expect(await does('ip addr add 10.0.0.1/24 dev a0')).toBe(
      '[ADDR]6: a0    inet 10.0.0.1/24 scope global a0\n       valid_lft forever preferred_lft forever\n' +
        '[ROUTE]local 10.0.0.1 dev a0 table local proto kernel scope host src 10.0.0.1 \n',
    )
    expect(await does('ip link set a0 up')).toBe(
      `[LINK]6: a0@if2: <NO-CARRIER,BROADCAST,MULTICAST,UP> ${HEAD} noqueue state DOWN group default \n${ether} link-netns blue\n` +
        '[ROUTE]10.0.0.0/24 dev a0 proto kernel scope link src 10.0.0.1 linkdown \n' +
        '[ROUTE]broadcast 10.0.0.255 dev a0 table local proto kernel scope link src 10.0.0.1 linkdown \n',
    )
    expect(await does('ip -n blue link set b0 up')).toBe(
      `[LINK]6: a0@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> ${HEAD} noqueue state UP group default \n${ether} link-netns blue\n`,
    )
    expect(await does('ip route add 10.9.0.0/16 via 10.0.0.2')).toBe('[ROUTE]10.9.0.0/16 via 10.0.0.2 dev a0 \n')
    expect(await does('ip route del 10.9.0.0/16')).toBe('[ROUTE]Deleted 10.9.0.0/16 via 10.0.0.2 dev a0 \n')
    expect(await does('ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev a0')).toBe(
      '[NEIGH]10.0.0.9 dev a0 lladdr 02:00:00:00:00:09 PERMANENT \n',
    )
    expect(await does('ip neigh del 10.0.0.9 dev a0')).toBe(
      '[NEIGH]10.0.0.9 dev a0 FAILED \n[NEIGH]Deleted 10.0.0.9 dev a0 FAILED \n',
    )
    expect(await does('ip link set a0 mtu 1400')).toContain('<BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1400 qdisc noqueue')
    expect(await does('ip link del a0')).toBe(
      `[LINK]6: a0@NONE: <BROADCAST,MULTICAST> mtu 1400 qdisc noqueue state DOWN group default \n${ether}\n` +
        '[ADDR]Deleted 6: a0    inet 10.0.0.1/24 scope global a0\n       valid_lft forever preferred_lft forever\n' +
        '[ROUTE]Deleted local 10.0.0.1 dev a0 table local proto kernel scope host src 10.0.0.1 \n' +
        '[NETCONF]Deleted inet a0 \n[NETCONF]Deleted inet6 a0 \n' +
        `[LINK]Deleted 6: a0@NONE: <BROADCAST,MULTICAST> mtu 1400 qdisc noop state DOWN group default \n${ether}\n`,
    )
    running.process.kill(15)
    expect(await node.runner.until(running.exit)).toBe(143)
    expect(node.node.netns.notices).toBeNull()
    expect(node.world.linkChanged).toBeNull()
    expect(node.world.frames.inUse).toBe(0)
  })

  it('announces what becomes of neighbours, but not that they are asked for or delayed', async () => {
    const node = new Node()
    const { said, running } = watch(node, 'ip monitor neigh')
    await node.ping(node.node.netns, '10.244.1.2')
    expect(said()).toBe('10.244.1.2 dev cni0 lladdr 0a:58:0a:f4:01:02 REACHABLE \n')
    await node.runner.runFor(60e9)
    expect(said()).toBe('10.244.1.2 dev cni0 lladdr 0a:58:0a:f4:01:02 STALE \n')
    await node.ping(node.node.netns, '10.244.1.77')
    await node.runner.runFor(5e9)
    expect(said()).toBe('10.244.1.77 dev cni0 FAILED \n')
    running.process.kill(15)
    expect(node.world.frames.inUse).toBe(0)
  })

  it('says when, on one line if asked to, and only of what was asked for', async () => {
    const node = new Node()
    const long = watch(node, 'ip -t monitor address')
    const short = watch(node, 'ip -ts -o monitor address label')
    await node.prints('ip addr add 10.1.0.2 peer 10.1.0.3 dev cni0')
    expect(long.said()).toMatch(
      /^Timestamp: \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4} \d+ usec\n4: cni0 {4}inet 10.1.0.2 peer 10.1.0.3\/32 scope global cni0\n/,
    )
    expect(short.said()).toMatch(
      /^\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\] \[ADDR\]4: cni0 {4}inet 10.1.0.2 peer 10.1.0.3\/32 scope global cni0\\ {7}valid_lft forever preferred_lft forever\n$/,
    )
    for (const { running } of [long, short]) running.process.kill(15)
    expect(await node.fails('ip monitor foo')).toBe('255 Argument "foo" is unknown, try "ip monitor help".')
    expect(await node.fails('ip monitor dev nope')).toBe('255 Error: argument "nope" is wrong: Device does not exist')
  })
})
