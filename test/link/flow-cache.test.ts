/**
 * The flow cache against the long way: the same random traffic and the same random changes of configuration, once with
 * the cache and once without. What the end points see, byte for byte and moment for moment, and every counter, table and
 * timer in between must be the same.
 */
import { expect, test } from 'vitest'
import {
  BACKEND_PORT,
  bridge,
  type Network,
  overlay,
  routed,
  SERVICE_PORT,
  service,
  VIP,
} from '../../src/bench/networks.ts'
import { IpvsMode } from '../../src/kube/proxy-ipvs.ts'
import type { ProxyMode, ProxyModeOptions } from '../../src/kube/proxy-mode.ts'
import { NftablesMode } from '../../src/kube/proxy-nftables.ts'
import { Bridge } from '../../src/link/bridge.ts'
import type { NetDevice } from '../../src/link/device.ts'
import { journal } from '../../src/link/flow-cache.ts'
import { laneOf } from '../../src/link/lane.ts'
import { Macvlan } from '../../src/link/macvlan.ts'
import { Veth } from '../../src/link/veth.ts'
import { VlanDevice } from '../../src/link/vlan.ts'
import type { World } from '../../src/link/world.ts'
import type { Netns } from '../../src/net/netns.ts'
import { route } from '../../src/net/route.ts'
import { Random } from '../../src/sim/random.ts'
import { MICROSECOND, MILLISECOND, SECOND } from '../../src/sim/scheduler.ts'
import { Sockets } from '../../src/socket/sockets.ts'
import type { TcpSocket } from '../../src/socket/tcp/socket.ts'
import { VxlanDevice } from '../../src/tunnel/vxlan.ts'
import { ANY, type Ipv4, parseCidr, parseIpv4 } from '../../src/wire/address.ts'

const SEEDS = 3
const networks = {
  bridge,
  routed,
  service,
  overlay,
  nftables: (flowCache: boolean) => proxied(overlay(flowCache), (netns, options) => new NftablesMode(netns, options)),
  ipvs: (flowCache: boolean) => proxied(overlay(flowCache), (netns, options) => new IpvsMode(netns, options)),
  vlan: (flowCache: boolean) =>
    stacked(routed(flowCache), (world, lower) => new VlanDevice(world, 'v0', null, lower, 10)),
  macvlan: (flowCache: boolean) => {
    let last = 0x60
    return stacked(
      routed(flowCache),
      (world, lower) => new Macvlan(world, 'm0', Uint8Array.of(2, 0, 0, 0, 1, ++last), lower),
    )
  },
}

/** The router reaches B by a device upon the cable's, and so does B the router. */
function stacked(network: Network, upon: (world: World, lower: NetDevice) => NetDevice): Network {
  const { world, b, between } = network
  for (const [netns, name, address] of [
    [between[0], 'vb', '10.2.0.254'],
    [b, 'eth0', '10.2.0.1'],
  ] as const) {
    const lower = netns.devices.get(name) as NetDevice
    netns.removeAddress(lower, parseIpv4(address))
    netns.main.purge(({ device }) => device === lower)
    const upper = upon(world, lower)
    netns.adopt(upper)
    netns.addAddress(upper, parseIpv4(address), 24)
    netns.setUp(upper)
    if (netns !== b) continue
    b.main.add(route({ destination: parseCidr('0.0.0.0/0'), gateway: parseIpv4('10.2.0.254'), device: upper }))
  }
  return network
}

/** The nodes' rules are another mode's than iptables'. */
function proxied(network: Network, modeOf: (netns: Netns, options: ProxyModeOptions) => ProxyMode): Network {
  for (const [i, netns] of network.between.entries()) {
    if (!netns.filters) continue
    for (const table of ['nat', 'filter']) {
      netns.netfilter.iptables(['-t', table, '-F'])
      netns.netfilter.iptables(['-t', table, '-X'])
    }
    const nodeIP = `192.168.50.${i === 0 ? 1 : 2}`
    const options = { node: netns.name, nodeIP, clusterCIDR: '10.244.0.0/16', serviceCIDR: '10.96.0.0/12' }
    const mode = modeOf(netns, options)
    mode.start()
    const endpoints = [{ address: network.backend, port: BACKEND_PORT, local: i > 0 }]
    const common = { namespace: 'ns', name: 'svc0', clusterIP: VIP, port: SERVICE_PORT, endpoints }
    const udp = { ...common, protocol: 'UDP' as const, portName: 'p' }
    const tcp = { ...common, protocol: 'TCP' as const, portName: 'q' }
    mode.sync([udp, tcp], { node: netns.name, zone: null })
  }
  return network
}

/** What an end point's interface saw: the time and the bytes of each frame. */
function watch(network: Network): string[] {
  const seen: string[] = []
  for (const device of [network.aDevice, network.bDevice]) {
    device.tap = (frame, _, direction) => {
      const bytes = Buffer.from(frame.bytes.subarray(frame.start, frame.end)).toString('hex')
      seen.push(`${network.world.scheduler.now} ${device.name} ${direction} ${bytes}`)
    }
  }
  return seen
}

/** Servers at B: UDP sends back what it gets, TCP too, and closes when the client does. */
function serve(network: Network, port: number): void {
  const sockets = Sockets.of(network.b)
  const udp = sockets.udp()
  udp.bind(ANY, port)
  udp.onDatagram = (payload, from, fromPort) => void udp.sendTo(payload, from, fromPort)
  const tcp = sockets.tcp()
  tcp.bind(ANY, port)
  const listener = tcp.listen(16)
  if (typeof listener === 'string') throw new Error(listener)
  listener.onAccept = (socket) => echo(socket)
}

function echo(socket: TcpSocket): void {
  const inbox = new Uint8Array(4096)
  socket.onReadable = () => {
    for (let length = socket.read(inbox); length > 0; length = socket.read(inbox)) socket.write(inbox, 0, length)
    if (socket.ended) socket.close()
  }
}

/** Everything that can be read of the namespaces on the way. */
function stateOf(network: Network): string {
  const lines: string[] = []
  for (const netns of [network.a, ...network.between, network.b]) {
    lines.push(`== ${netns.name}`, netns.netfilter.save({ counters: true }), JSON.stringify(netns.counters))
    for (const flow of netns.netfilter.conntrack.list()) {
      const { id, status, mark, due, originalPackets, originalBytes, replyPackets, replyBytes } = flow
      const state = flow.tcp?.state
      lines.push(
        JSON.stringify({ id, status, mark, due, originalPackets, originalBytes, replyPackets, replyBytes, state }),
      )
    }
    lines.push(JSON.stringify(netns.netfilter.runNft({ name: '', text: 'list ruleset' }, () => netns.devices.values())))
    const { invalid, errors, clashes, resolved } = netns.netfilter.conntrack
    lines.push(JSON.stringify({ invalid, errors, clashes, resolved }))
    for (const { device, address, state, times } of netns.neighbours.list()) {
      lines.push(`${device.name} ${address} ${state} ${times}`)
    }
    for (const device of netns.devices.values()) {
      const { rxPackets, rxBytes, rxDropped, txPackets, txBytes, txDropped } = device
      lines.push(`${device.name} ${[rxPackets, rxBytes, rxDropped, txPackets, txBytes, txDropped]}`)
      if (!(device instanceof Bridge || device instanceof VxlanDevice)) continue
      for (const { high, low, times, local } of device.fdb.entries()) lines.push(`${high} ${low} ${local} ${times}`)
    }
  }
  const { frames, scheduler, random } = network.world
  lines.push(`${frames.dropped}`, `${scheduler.pending} ${random.int32()}`)
  return lines.join('\n')
}

/** One change of some table or switch on the way, or somebody who watches and writes into `seen`; `random` chooses. */
function disturb(network: Network, random: Random, seen: string[]): void {
  const netns = network.between[random.below(network.between.length)]
  const devices = [...netns.devices.values()]
  const device = devices[random.below(devices.length)]
  const nft = (text: string) => netns.netfilter.runNft({ name: '', text }, () => netns.devices.values())
  switch (random.below(21)) {
    case 18:
      nft('table ip t { chain c { type filter hook forward priority 5; udp length > 300 counter accept; counter } }')
      break
    case 19:
      nft(
        'table ip t { set s { type ipv4_addr; flags timeout; }; chain d { type filter hook prerouting priority 1; ip saddr @s counter; limit rate 5/second counter; meta l4proto tcp counter } }',
      )
      break
    case 20:
      nft('flush ruleset')
      break
    case 14:
      if (device instanceof Bridge) device.fdb.ageing = random.below(2) * SECOND + 1000 * MICROSECOND
      break
    case 15:
      device.tap = device.tap === null ? (frame) => void seen.push(`${device.name} ${frame.end - frame.start}`) : null
      break
    case 16:
      netns.setDown(device)
      netns.setUp(device)
      break
    case 17:
      device.setPromiscuous(!device.promiscuous)
      break
    case 0:
      netns.netfilter.conntrack.flush()
      break
    case 1:
      netns.neighbours.flush(device)
      break
    case 2:
      if (device instanceof Bridge) device.fdb.flush((entry) => !entry.permanent)
      break
    case 3:
      netns.netfilter.iptables([
        '-I',
        'FORWARD',
        '-p',
        'udp',
        '-m',
        'statistic',
        '--mode',
        'nth',
        '--every',
        '5',
        '--packet',
        '0',
        '-j',
        'DROP',
      ])
      break
    case 4:
      netns.netfilter.iptables(['-I', 'FORWARD', '-m', 'conntrack', '--ctstate', 'ESTABLISHED', '-j', 'ACCEPT'])
      break
    case 5:
      netns.netfilter.iptables(['-F', 'FORWARD'])
      break
    case 6:
      netns.netfilter.iptables(['-t', 'mangle', '-A', 'FORWARD', '-p', 'tcp', '-j', 'TTL', '--ttl-set', '33'])
      break
    case 7:
      netns.netfilter.iptables(['-t', 'mangle', '-F'])
      break
    case 8:
      device.mtu = random.below(2) === 0 ? 1400 : 1500
      break
    case 9:
      netns.sysctl.set('net.ipv4.ip_default_ttl', String(60 + random.below(5)))
      break
    case 10:
      netns.sysctl.set('net.bridge.bridge-nf-call-iptables', String(random.below(2)))
      break
    case 11:
      netns.sysctl.set('net.netfilter.nf_conntrack_udp_timeout', String(1 + random.below(30)))
      break
    case 12:
      netns.netfilter.iptables([
        '-t',
        'raw',
        '-A',
        'PREROUTING',
        '-p',
        'udp',
        '-m',
        'length',
        '--length',
        '300:',
        '-j',
        'ACCEPT',
      ])
      break
    default:
      if (device instanceof Veth && device.master !== null) {
        const port = (device.master as Bridge).portOf(device)
        if (port !== null) port.learning = !port.learning
      }
  }
}

/** Some datagrams, or a connection, or none; `random` chooses. */
function speak(network: Network, random: Random, port: number, seen: string[]): void {
  const sockets = Sockets.of(network.a)
  const target = parseIpv4(random.below(4) === 0 ? network.backend : network.target)
  if (random.below(3) === 0) return burst(network, random, target, port, seen)
  if (random.below(2) === 0) {
    const socket = sockets.udp()
    if (random.below(2) === 0) socket.connect(target, port)
    const count = 1 + random.below(40)
    const gap = random.below(3) === 0 ? 100 * MILLISECOND : 20 * MICROSECOND
    for (let i = 0; i < count; i++) {
      const payload = new Uint8Array(random.below(20) === 0 ? random.below(4000) : random.below(600)).fill(i)
      network.world.scheduler.call(i * gap, () => void socket.sendTo(payload, target, port))
    }
    network.world.scheduler.call(count * gap + SECOND, () => socket.close())
    return
  }
  const socket = sockets.tcp()
  const total = random.below(random.below(3) === 0 ? 400_000 : 20_000)
  const aborts = random.below(5) === 0
  const outbox = new Uint8Array(total).map((_, i) => i)
  let sent = 0
  let received = 0
  const push = () => {
    sent += Math.max(0, socket.write(outbox, sent))
    if (sent === total && total > 0) socket.onWritable = null
  }
  socket.onConnect = push
  socket.onWritable = push
  const inbox = new Uint8Array(8192)
  socket.onReadable = () => {
    for (let length = socket.read(inbox); length > 0; length = socket.read(inbox)) received += length
    if (received >= total / 2 && aborts) socket.abort()
    else if (received >= total) socket.close()
  }
  socket.connect(target, port)
}

/** Datagrams of several flows in one instant, over and over; sometimes something changes while they are on their way. */
function burst(network: Network, random: Random, target: Ipv4, port: number, seen: string[]): void {
  const { scheduler } = network.world
  const sockets = Array.from({ length: 1 + random.below(3) }, () => Sockets.of(network.a).udp())
  const together = 1 + random.below(6)
  const gap = [2, 3, 4, 5, 7, 50][random.below(6)] * MICROSECOND
  const rounds = 30 + random.below(60)
  for (let i = 0; i < rounds; i++) {
    scheduler.call(i * gap, () => {
      for (let j = 0; j < together; j++) {
        const payload = new Uint8Array(random.below(100)).fill(j)
        sockets[random.below(sockets.length)].sendTo(payload, target, port)
      }
    })
    if (random.below(40) > 0) continue
    const chance = new Random(random.int32())
    scheduler.call(i * gap + random.below(8) * MICROSECOND, () => disturb(network, chance, seen))
  }
  scheduler.call(rounds * gap + SECOND, () => {
    for (const socket of sockets) socket.close()
  })
}

function play(name: keyof typeof networks, seed: number, flowCache: boolean) {
  const network = networks[name](flowCache)
  const { world } = network
  world.frames.poison = true
  const random = new Random(seed)
  const port = ['bridge', 'routed', 'vlan', 'macvlan'].includes(name) ? 8053 : SERVICE_PORT
  serve(network, 8053)
  const seen = watch(network)
  if (random.below(2) === 0) {
    for (const netns of network.between) {
      for (const device of netns.devices.values()) {
        if (device instanceof Veth && random.below(3) === 0) device.setNetem({ delay: 5 * MICROSECOND, loss: 0.01 })
      }
    }
  }
  for (let round = 0; round < 12; round++) {
    for (let i = random.below(4); i >= 0; i--) speak(network, random, port, seen)
    world.scheduler.run(world.scheduler.now + random.below(4) * SECOND + random.below(1000) * MICROSECOND)
    seen.push(stateOf(network))
    if (random.below(2) === 0) disturb(network, random, seen)
  }
  world.scheduler.run(world.scheduler.now + 400 * SECOND)
  return { seen, state: stateOf(network), carried: laneOf(world.scheduler).carried }
}

for (const name of Object.keys(networks) as (keyof typeof networks)[]) {
  test(`${name}: with the flow cache and without, the same frames and the same state`, () => {
    let repeated = 0
    let carried = 0
    for (let seed = 1; seed <= SEEDS; seed++) {
      const plain = play(name, seed, false)
      const before = journal.repeated
      const cached = play(name, seed, true)
      expect(cached.seen.length, `seed ${seed}`).toBe(plain.seen.length)
      for (const [i, line] of plain.seen.entries()) {
        if (cached.seen[i] !== line) expect(cached.seen[i], `seed ${seed}, frame ${i}`).toBe(line)
      }
      expect(cached.state, `seed ${seed}`).toBe(plain.state)
      expect(journal.open).toBe(false)
      repeated += journal.repeated - before
      carried += cached.carried
      expect(plain.carried).toBe(0)
    }
    // It was in use: of the frames that crossed the network, many went the short way. What devices upon devices do is no step.
    if (name === 'vlan' || name === 'macvlan') expect(repeated).toBe(0)
    else expect(repeated).toBeGreaterThan(500)
    // And some of them over all machines at once.
    if (name === 'vlan' || name === 'macvlan') expect(carried).toBe(0)
    else expect(carried).toBeGreaterThan(100)
  })
}
