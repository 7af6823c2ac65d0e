/**
 * Machines of a fleet that are awake and overhear ARP questions for others: a world in which such a question goes to those
 * whom it concerns, and one in which everybody listens (a tap on each machine's eth0), say and count the same.
 */
import { beforeAll, describe, expect, test } from 'vitest'
import { Capture } from '../../src/capture/capture.ts'
import type { Pod } from '../../src/kube/objects.ts'
import type { NetDevice } from '../../src/link/device.ts'
import type { Netns } from '../../src/net/netns.ts'
import { Random } from '../../src/sim/random.ts'
import { Lab } from '../../src/topology/lab.ts'
import { loadTopology } from '../../src/topology/load.ts'
import { parseIpv4 } from '../../src/wire/address.ts'

const NODES = 12
const TOPOLOGY = `
seed: 11
underlay: {cidr: 172.16.0.0/16, gateway: 172.16.0.1}
hosts:
  - {name: router, ip: 172.16.0.1, router: true}
nodes:
  - {name: master, ip: 172.16.0.2, roles: [control-plane]}
  - {name: w1, ip: 172.16.0.3}
cluster:
  fleet: {nodes: ${NODES}, firstIp: 172.16.1.0, apps: {count: 12, replicas: 5, namespaces: 1}}
`

async function built(everybodyListens: boolean): Promise<Lab> {
  const files = { readFile: () => null, listFolder: () => null }
  const lab = await Lab.build(loadTopology('topo.yaml', TOPOLOGY), { ...files, capture: null })
  lab.world.frames.poison = true
  const listen = (name: string) => lab.cables.get(name)?.[0].listen(() => {})
  if (everybodyListens) {
    lab.world.watchDevices({
      // Its cable is known by the time that flannel's device joins.
      joined: (device, name) => (device.name === 'flannel.1' && name.startsWith('fleet-') ? listen(name) : undefined),
      left: () => {},
    })
  }
  return lab
}

function netns(lab: Lab, name: string): Netns {
  return lab.machines.get(name)?.netns as Netns
}

function eth0(lab: Lab, name: string): NetDevice {
  return netns(lab, name).devices.get('eth0') as NetDevice
}

function podsOf(lab: Lab): Pod[] {
  return lab.cluster?.store.list<Pod>('Pod', 'apps-1') ?? []
}

/** What every awake machine's eth0 and its port have counted, and whom the machine knows. */
async function state(lab: Lab): Promise<string[]> {
  const lines: string[] = []
  for (const name of [...lab.cables.keys()].sort()) {
    // A command is what makes a machine's counters say all.
    const { output } = await lab.say(`ssh ${name} "ip -s link show eth0; ip neigh show dev eth0"`)
    const far = lab.cables.get(name)?.[1]
    lines.push(`${name} ${output} ${far?.txPackets} ${far?.txBytes} ${far?.rxPackets} ${far?.rxBytes}`)
  }
  return lines
}

describe('some are told, or everybody', () => {
  let some: Lab
  let all: Lab

  beforeAll(async () => {
    some = await built(false)
    all = await built(true)
  })

  const both = async (line: string) => {
    const [here, there] = [await some.say(line), await all.say(line)]
    expect(here).toEqual(there)
    return here
  }

  test('pods talk to each other, and machines are changed meanwhile', async () => {
    const captures = [some, all].map((lab) => new Capture(lab.world, lab.epochSeconds))
    captures.forEach((capture, i) => {
      const [device] = [some, all][i].cables.get('master') as readonly [never, never]
      capture.attach(device, 'master', 'eth0')
    })
    const random = new Random(5)
    const pods = podsOf(some)
    const any = () => pods[random.below(pods.length)]
    const talk = async (times: number) => {
      let answered = 0
      for (let i = 0; i < times; i++) {
        const from = any()
        const exec = `kubectl -n apps-1 exec ${from.metadata.name} --`
        if ((await both(`${exec} ping -c 1 ${any().status.podIP}`)).code === 0) answered++
      }
      return answered
    }
    expect(await talk(30)).toBe(30)
    const taken = [some, all].map((lab) => lab.world.frames.taken)
    expect(await talk(10)).toBe(10)
    const more = [some, all].map((lab, i) => lab.world.frames.taken - taken[i])
    expect(more[0]).toBeLessThan(more[1] * 0.8)
    // Somebody answers for others from now on, and another has an address more.
    await both('ssh fleet-03 sysctl -w net.ipv4.conf.all.proxy_arp=1')
    await both('ssh fleet-05 ip addr add 172.16.7.7/16 dev eth0')
    await both('ssh fleet-06 ip neigh add 172.16.1.0 lladdr 52:54:00:00:00:01 dev eth0 nud stale')
    await both('ssh fleet-09 ip link set eth0 down')
    expect((await both('ssh router ping -c 1 -W 1 172.16.7.7')).code).toBe(0)
    expect((await both('ssh router ping -c 1 -W 1 172.16.1.8')).code).toBe(1)
    await both('ssh fleet-09 ip link set eth0 up')
    for (const lab of [some, all]) {
      // The library's way of changing things is noticed, too.
      netns(lab, 'fleet-02').sysctl.set('net.ipv4.conf.eth0.arp_ignore', '8')
      netns(lab, 'fleet-08').sysctl.set('net.ipv4.conf.eth0.proxy_arp_pvlan', '1')
      netns(lab, 'fleet-08').sysctl.set('net.ipv4.conf.eth0.forwarding', '1')
      netns(lab, 'fleet-07').addAddress(eth0(lab, 'fleet-07'), parseIpv4('172.16.7.8'), 16)
      netns(lab, 'fleet-11').setDown(eth0(lab, 'fleet-11'))
      lab.setLink('fleet-10/eth0 down')
      await lab.runner.runFor(2e9)
      lab.setLink('fleet-10/eth0 up')
      // Neighbours get old, and are asked for again.
      await lab.runner.runFor(120e9)
    }
    expect((await both('ssh router ping -c 1 -W 1 172.16.7.8')).code).toBe(0)
    expect((await both('ssh w1 arping -c 1 -w 1 172.16.99.99')).output).toContain('Unicast reply from 172.16.99.99')
    for (const lab of [some, all]) netns(lab, 'fleet-11').setUp(eth0(lab, 'fleet-11'))
    // Whoever knows the machine by its old MAC hears of the new one when it asks for somebody.
    await both('ssh fleet-04 ip link set dev eth0 address 52:54:00:aa:bb:cc')
    await both('ssh fleet-04 ping -c 1 -W 1 172.16.0.99')
    // One machine answers nobody any more.
    expect(await talk(15)).toBeGreaterThan(7)
    expect((await both('ssh router ping -c 1 -W 1 172.16.1.1')).code).toBe(1)
    const [a, b] = captures.map((capture) => capture.pcapng())
    expect(Buffer.compare(a, b)).toBe(0)
    const counts = await state(some)
    expect(counts).toEqual(await state(all))
    expect(counts.filter((line) => line.startsWith('fleet-')).length).toBe(NODES)
    expect(some.world.scheduler.now).toBe(all.world.scheduler.now)
  })

  test('no frame is left', async () => {
    for (const lab of [some, all]) {
      await lab.runner.runFor(60e9)
      expect(lab.world.frames.inUse).toBe(0)
    }
  })
})
