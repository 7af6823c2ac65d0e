/** CoreDNS and its clients with real sockets, a cable between them. */
import { describe, expect, it } from 'vitest'
import { dig, getent, nslookup } from '../../src/host/commands/dns-tools.ts'
import { Machine } from '../../src/host/machine.ts'
import type { Program } from '../../src/host/process.ts'
import { Runner } from '../../src/host/run.ts'
import { coreDns } from '../../src/kube/coredns.ts'
import type { DnsEndpoint, DnsRecords } from '../../src/kube/coredns-zone.ts'
import { Veth } from '../../src/link/veth.ts'
import { MICROSECOND, SECOND } from '../../src/sim/scheduler.ts'
import { parseIpv4 } from '../../src/wire/address.ts'
import * as udp from '../../src/wire/udp.ts'
import { mac, testWorld } from '../support/world.ts'

const CLIENT = parseIpv4('10.0.0.1')
const SERVER = parseIpv4('10.0.0.2')

const pods: DnsEndpoint[] = Array.from({ length: 50 }, (_, i) => ({
  address: parseIpv4(`10.244.1.${i + 1}`),
  hostname: null,
  ports: [{ name: '', protocol: 'TCP', port: 80 }],
}))

const records: DnsRecords = {
  hasNamespace: (namespace) => namespace === 'default',
  service: (_namespace, name) => {
    if (name === 'many') return { type: 'headless' }
    const ports = [{ name: '', protocol: 'TCP', port: 80 }]
    return name === 'web' ? { type: 'cluster', addresses: [parseIpv4('10.96.0.80')], ports } : null
  },
  endpoints: () => pods,
  serviceAt: () => null,
  endpointsAt: () => [],
  upstream: () => null,
  serial: () => 1_700_000_000,
}

const programs = new Map<string, Program>([
  ['coredns', coreDns({ records })],
  ['dig', dig],
  ['getent', getent],
  ['nslookup', nslookup],
])

function lab() {
  const world = testWorld()
  const runner = new Runner(world)
  const [near, far] = Veth.pair(world, 'eth0', mac(1), 'eth0', mac(2), { delay: 10 * MICROSECOND })
  const [client, server] = [new Machine(runner, 'client', programs), new Machine(runner, 'server', programs)]
  for (const [machine, device, address] of [
    [client, near, CLIENT],
    [server, far, SERVER],
  ] as const) {
    machine.netns.adopt(device)
    machine.netns.addAddress(device, address, 24)
    machine.netns.setUp(device)
  }
  client.place.files.set('/etc/resolv.conf', 'search default.svc.cluster.local\nnameserver 10.0.0.2\noptions ndots:5\n')
  let output = ''
  const io = {
    out: (text: string) => {
      output += text
    },
    err: (text: string) => {
      output += text
    },
  }
  const silent = { out: () => {}, err: () => {} }
  return {
    world,
    runner,
    server,
    near,
    serve: () => server.place.spawn(['coredns'], silent),
    run: async (line: string) => {
      output = ''
      const code = await runner.until(client.place.spawn(line.split(' '), io).exit)
      return { output, code }
    },
    async end() {
      for (const process of server.place.processes.values()) process.kill(9)
      await runner.runFor(200 * SECOND)
      expect(world.frames.inUse).toBe(0)
    },
  }
}

describe('CoreDNS over the network', () => {
  it('answers glibc', async () => {
    const net = lab()
    net.serve()
    const ports: number[] = []
    net.near.tap = (frame) => {
      if (frame.bytes[frame.start + 23] === 17) ports.push(udp.sourcePort(frame.bytes, frame.start + 34))
    }
    const { output, code } = await net.run('getent ahosts web')
    expect(output).toContain('10.96.0.80      STREAM web.default.svc.cluster.local\n')
    expect(code).toBe(0)
    expect(ports).toHaveLength(2)
    expect(new Set(ports).size).toBe(2)
    await net.end()
  })

  it('serves what is too large for UDP by TCP', async () => {
    const net = lab()
    net.serve()
    const { output } = await net.run('dig +noedns many.default.svc.cluster.local')
    expect(output).toContain(';; Truncated, retrying in TCP mode.\n')
    expect(output).toContain('ANSWER: 50,')
    expect(output).toContain('(10.0.0.2) (TCP)\n')
    const { output: found } = await net.run('getent ahostsv4 many')
    expect(found.match(/STREAM/g)).toHaveLength(50)
    await net.end()
  })

  it('is refused when the server is gone', async () => {
    const net = lab()
    net.serve().process.kill(9)
    await net.runner.runFor(0)
    const { output, code } = await net.run('nslookup web')
    const refused = ';; communications error to 10.0.0.2#53: connection refused\n'
    expect(output).toBe(`${refused.repeat(3)};; no servers could be reached\n\n`)
    expect(code).toBe(1)
    expect(await net.run('getent hosts web')).toEqual({ output: '', code: 2 })
    await net.end()
  })

  it('cannot be started twice, and frees its port when killed', async () => {
    const net = lab()
    const first = net.serve()
    expect(await net.runner.until(net.serve().exit)).toBe(1)
    first.process.kill(15)
    expect(await net.runner.until(first.exit)).toBe(143)
    net.serve()
    expect((await net.run('dig +short web.default.svc.cluster.local')).output).toBe('10.96.0.80\n')
    await net.end()
  })
})
