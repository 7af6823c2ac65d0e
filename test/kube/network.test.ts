/** What the network plug-ins and kube-proxy leave on the nodes. */
import { describe, expect, it } from 'vitest'
import { SIGKILL } from '../../src/host/process.ts'
import { resolve } from '../../src/host/resolver.ts'
import type { Service } from '../../src/kube/objects.ts'
import { Sockets } from '../../src/socket/sockets.ts'
import { formatIpv4, formatMac, parseIpv4 } from '../../src/wire/address.ts'
import { deployment, type Lab, lab, pod, service } from './fixture.ts'

function devices(made: Lab, node: string): string[] {
  return [...(made.machines.get(node)?.netns.devices.values() ?? [])].map((device) => `${device.name} ${device.mtu}`)
}

function routes(made: Lab, node: string): string[] {
  const { main } = made.machines.get(node)?.netns ?? { main: null }
  return (main?.list() ?? []).map((route) => {
    const via = route.gateway === null ? '' : ` via ${formatIpv4(route.gateway)}`
    return `${formatIpv4(route.destination.network)}/${route.destination.prefix}${via} dev ${route.device?.name}${route.onlink ? ' onlink' : ''}`
  })
}

describe('flannel', () => {
  it('leads to the other nodes through flannel.1, and asks nobody', async () => {
    const made = await lab()
    const { netns } = made.machines.get('w1.example.com') ?? {}
    expect(devices(made, 'w1.example.com')).toEqual(['lo 65536', 'eth0 1500', 'flannel.1 1450'])
    expect(devices(made, 'm.example.com').slice(0, 4)).toEqual(['lo 65536', 'eth0 1500', 'flannel.1 1450', 'cni0 1450'])
    expect(routes(made, 'w1.example.com')).toEqual([
      '0.0.0.0/0 via 192.168.14.1 dev eth0',
      '10.244.0.0/24 via 10.244.0.0 dev flannel.1 onlink',
      '10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink',
      '192.168.14.0/24 dev eth0',
    ])
    const permanent = netns?.neighbours.list().filter((n) => n.state === 'PERMANENT') ?? []
    expect(permanent.map((n) => `${formatIpv4(n.address)} ${n.device.name}`).sort()).toEqual([
      '10.244.0.0 flannel.1',
      '10.244.2.0 flannel.1',
    ])
    expect(netns?.isLocal(parseIpv4('10.244.1.0'))).toBe(true)
    const node = made.cluster.store.get('Node', null, 'w1.example.com')
    const mac = formatMac(netns?.devices.get('flannel.1')?.mac ?? new Uint8Array(6))
    expect(node?.metadata.annotations).toMatchObject({
      'flannel.alpha.coreos.com/backend-data': `{"VNI":1,"VtepMAC":"${mac}"}`,
      'flannel.alpha.coreos.com/backend-type': 'vxlan',
      'flannel.alpha.coreos.com/public-ip': '192.168.14.51',
    })
    made.cluster.store.delete('Node', null, 'w2.example.com')
    await made.run(1)
    expect(routes(made, 'w1.example.com').some((route) => route.startsWith('10.244.2.0'))).toBe(false)
  })

  it('with host-gw leads there by plain routes', async () => {
    const made = await lab({ cni: { backend: 'host-gw' } })
    expect(devices(made, 'w1.example.com')).toEqual(['lo 65536', 'eth0 1500'])
    expect(routes(made, 'w1.example.com')).toContain('10.244.2.0/24 via 192.168.14.52 dev eth0')
    made.cluster.apply([deployment('one', 'nginx'), deployment('two', 'nginx')])
    const [one] = await made.readyPods('app=one', 1)
    const [two] = await made.readyPods('app=two', 1)
    expect((await made.exec(one.metadata.name, 'get', `${two.status.podIP}:80`)).output).toBe(
      `I am ${two.metadata.name}\n`,
    )
  })
})

describe('the bridge plug-in', () => {
  it('wires a pod as flannel configures it', async () => {
    const made = await lab()
    made.cluster.apply([pod('p', 'nginx', { nodeName: 'w1.example.com' })])
    await made.readyPods('app=p', 1)
    const sandbox = made.cluster.sandbox('default', 'p')
    const eth0 = sandbox?.netns.devices.get('eth0')
    expect(eth0?.mtu).toBe(1450)
    expect((eth0?.mac[0] ?? 1) & 3).toBe(2)
    const own = eth0 === undefined ? [] : sandbox?.netns.addressesOf(eth0)
    expect(own?.map((a) => `${formatIpv4(a.address)}/${a.prefix} ${formatIpv4(a.broadcast ?? a.address)}`)).toEqual([
      '10.244.1.2/24 10.244.1.255',
    ])
    const found = sandbox?.netns.main.list().map((r) => `${formatIpv4(r.destination.network)}/${r.destination.prefix}`)
    expect(found).toEqual(['0.0.0.0/0', '10.244.0.0/16', '10.244.1.0/24'])
    const { bridge } = made.cluster.nodes.get('w1.example.com')?.cni ?? { bridge: null }
    expect(formatMac(bridge?.mac ?? new Uint8Array(6))).toBe('0a:58:0a:f4:01:01')
    expect(bridge?.ports.map((port) => [port.device.name.replace(/[0-9a-f]{8}$/, 'X'), port.hairpin])).toEqual([
      ['vethX', true],
    ])
    const { cni } = made.cluster.nodes.get('w1.example.com') ?? {}
    expect(sandbox === null ? 'none' : cni?.check(sandbox)).toBeNull()
  })
})

describe('kube-proxy', () => {
  it('leaves rules that others wrote, and drops the chains of Services that are gone', async () => {
    const made = await lab()
    const { netfilter } = made.machines.get('w1.example.com')?.netns ?? {}
    netfilter?.restore('*filter\n-A INPUT -p tcp -m tcp --dport 9999 -j DROP\nCOMMIT\n', { noflush: true })
    made.cluster.apply([deployment('web', 'nginx'), service('web', 80)])
    await made.readyPods('app=web', 1)
    await made.run(2)
    expect(netfilter?.save()).toContain('default/web cluster IP')
    expect(netfilter?.save()).toContain('--dport 9999 -j DROP')
    const chains = (netfilter?.save().match(/:KUBE-(SVC|SEP)-/g) ?? []).length
    made.cluster.store.delete('Service', 'default', 'web')
    await made.run(2)
    expect(netfilter?.save()).not.toContain('default/web')
    expect(netfilter?.save()).toContain('--dport 9999 -j DROP')
    expect((netfilter?.save().match(/:KUBE-(SVC|SEP)-/g) ?? []).length).toBe(chains - 2)
  })

  it('forgets UDP flows to endpoints that are gone', async () => {
    const made = await lab()
    const ports = [{ port: 5000, protocol: 'UDP' }]
    const placed = { nodeName: 'w1.example.com' }
    made.cluster.apply([pod('udp', 'busybox', placed), pod('client', 'busybox', placed), service('udp', 0, { ports })])
    const [server] = await made.readyPods('app=udp', 1)
    await made.readyPods('app=client', 1)
    await made.run(2)
    const client = made.cluster.sandbox('default', 'client')
    const vip = parseIpv4(made.cluster.store.get<Service>('Service', 'default', 'udp')?.spec.clusterIP ?? '')
    const socket = client === null ? null : Sockets.of(client.netns).udp()
    socket?.sendTo(Uint8Array.of(1), vip, 5000)
    await made.run(0.1)
    const { conntrack } = made.machines.get('w1.example.com')?.netns.netfilter ?? {}
    const flows = () => conntrack?.list().filter((flow) => flow.original.destination === vip) ?? []
    expect(flows().map((flow) => formatIpv4(flow.reply.source))).toEqual([server.status.podIP])
    made.cluster.store.delete('Pod', 'default', 'udp', { gracePeriodSeconds: 5 })
    // It has no ear for SIGTERM, and serves until SIGKILL: as long, its flow stays.
    await made.run(4)
    expect(flows()).not.toEqual([])
    await made.run(4)
    expect(flows()).toEqual([])
    socket?.close()
  })

  it('brings names to CoreDNS', async () => {
    const made = await lab()
    made.cluster.apply([service('api', 80), pod('client', 'busybox')])
    await made.readyPods('app=client', 1)
    await made.run(2)
    const container = made.cluster.sandbox('default', 'client')?.running('web')
    let answer: unknown = null
    container?.place.programs.set('lookup', async (self) => {
      answer = await resolve(self, self.args[1], { family: 4 })
      return 0
    })
    await made.exec('client', 'lookup', 'api')
    const ip = made.cluster.store.get<Service>('Service', 'default', 'api')?.spec.clusterIP ?? ''
    expect(answer).toMatchObject({ addresses: [parseIpv4(ip)] })
    await made.exec('client', 'lookup', 'nothing')
    expect(answer).toHaveProperty('error')
    container?.kill(SIGKILL)
  })
})
