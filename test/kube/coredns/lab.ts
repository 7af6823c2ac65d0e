/** A CoreDNS server with a Corefile, a client and a name server outside, on three cables of one switch. */
import { expect } from 'vitest'
import { linuxCommands } from '../../../src/host/commands/table.ts'
import { Machine } from '../../../src/host/machine.ts'
import { Runner } from '../../../src/host/run.ts'
import { coreDns } from '../../../src/kube/coredns/coredns.ts'
import { type ObjectSource, StoreRecords } from '../../../src/kube/coredns/records.ts'
import type { KubeObject } from '../../../src/kube/objects.ts'
import { defaultCorefile } from '../../../src/kube/system-objects.ts'
import { Bridge } from '../../../src/link/bridge.ts'
import { Veth } from '../../../src/link/veth.ts'
import { Netns } from '../../../src/net/netns.ts'
import { MICROSECOND, MILLISECOND, type Nanos, SECOND } from '../../../src/sim/scheduler.ts'
import { Sockets } from '../../../src/socket/sockets.ts'
import { type Ipv4, parseIpv4 } from '../../../src/wire/address.ts'
import { mac, testWorld } from '../../support/world.ts'

export function object(
  kind: string,
  namespace: string | null,
  name: string,
  rest: object = {},
  labels = {},
): KubeObject {
  return { apiVersion: 'v1', kind, metadata: { name, labels, ...(namespace === null ? {} : { namespace }) }, ...rest }
}

export const http = { name: 'http', protocol: 'TCP', port: 80, targetPort: 8080 }

export function slice(
  service: string,
  endpoints: object[],
  ports: object[] = [{ name: 'http', protocol: 'TCP', port: 8080 }],
): KubeObject {
  const labels = { 'kubernetes.io/service-name': service }
  return object('EndpointSlice', 'default', `${service}-x`, { addressType: 'IPv4', endpoints, ports }, labels)
}

const headless = { spec: { type: 'ClusterIP', clusterIP: 'None', ports: [http] } }
const outside = (externalName: string) => ({ spec: { type: 'ExternalName', externalName } })
const five = Array.from({ length: 5 }, (_, i) => ({ addresses: [`10.244.5.${i + 1}`], conditions: { ready: true } }))
const many = Array.from({ length: 40 }, (_, i) => ({ addresses: [`10.244.9.${i + 1}`], conditions: { ready: true } }))

export const cluster: readonly KubeObject[] = [
  object('Namespace', null, 'default'),
  object('Namespace', null, 'kube-system'),
  object('Service', 'kube-system', 'kube-dns', {
    spec: { type: 'ClusterIP', clusterIP: '10.96.0.10', ports: [{ name: 'dns', protocol: 'UDP', port: 53 }] },
  }),
  object('Service', 'default', 'hello', { spec: { type: 'ClusterIP', clusterIP: '10.96.0.80', ports: [http] } }),
  slice('hello', [{ addresses: ['10.244.1.2'], conditions: { ready: true } }]),
  object('Service', 'default', 'db', headless),
  slice('db', [
    { addresses: ['10.244.1.3'], conditions: { ready: true }, hostname: 'db-0', targetRef: { name: 'db-0' } },
    { addresses: ['10.244.2.3'], conditions: { ready: true }, targetRef: { name: 'db-x7' } },
    { addresses: ['10.244.2.4'], conditions: { ready: false } },
  ]),
  object('Service', 'default', 'many', headless),
  slice('many', many),
  object('Service', 'default', 'five', headless),
  slice('five', five),
  object('Service', 'default', 'empty', headless),
  object('Service', 'default', 'portless', { spec: { type: 'ClusterIP', clusterIP: 'None' } }),
  slice('portless', [{ addresses: ['10.244.1.9'], conditions: { ready: true } }], []),
  object('Service', 'default', 'numbers', outside('raw.example.com')),
  object('Service', 'default', 'lost', outside('nosuch.example.com')),
  object('Service', 'default', 'address', outside('203.0.113.10')),
  object('Service', 'default', 'other-name', outside('hello.default.svc.cluster.local')),
  object('Service', 'default', 'itself', outside('itself.default.svc.cluster.local')),
  object('Service', 'default', 'written', headless),
  object('Endpoints', 'default', 'written', {
    subsets: [{ addresses: [{ ip: '192.168.123.234' }], ports: [{ port: 80 }] }],
  }),
  object('Pod', 'default', 'there', { spec: { containers: [] }, status: { podIP: '10.244.1.2' } }),
]

function source(objects: readonly KubeObject[]): ObjectSource {
  return {
    get: (kind, namespace, name) =>
      objects.find(
        (known) =>
          known.kind === kind && known.metadata.name === name && (known.metadata.namespace ?? null) === namespace,
      ) ?? null,
    list: (kind, namespace = null) =>
      objects.filter((known) => known.kind === kind && (namespace === null || known.metadata.namespace === namespace)),
  }
}

export const CLIENT = parseIpv4('10.0.0.1')
export const SERVER = parseIpv4('10.0.0.2')
export const OUTSIDE = parseIpv4('10.0.0.53')

export interface DnsLabOptions {
  readonly corefile?: string
  /** Beside the usual ones. */
  readonly objects?: readonly KubeObject[]
  readonly upstream?: Readonly<Record<string, string>>
  readonly resolv?: string
}

export function dnsLab(options: DnsLabOptions = {}) {
  const world = testWorld()
  const runner = new Runner(world)
  const space = new Netns(world, 'switch')
  const bridge = new Bridge(world, 'br0', mac(99))
  space.adopt(bridge)
  space.setUp(bridge)
  const declared = options.upstream ?? { 'raw.example.com': '203.0.113.10', 'www.example.com': '203.0.113.11' }
  const records = new StoreRecords(source([...cluster, ...(options.objects ?? [])]), {
    upstream: (name) => (declared[name] === undefined ? null : [parseIpv4(declared[name])]),
    serial: () => 1_700_000_000,
  })
  let n = 0
  const plug = (name: string, address: Ipv4) => {
    const programs = new Map([...linuxCommands(), ['coredns', coreDns({ records })] as const])
    const machine = new Machine(runner, name, programs)
    const [near, far] = Veth.pair(world, 'eth0', mac(++n), `p${n}`, mac(n + 50), { delay: 10 * MICROSECOND })
    machine.netns.adopt(near)
    machine.netns.addAddress(near, address, 24)
    machine.netns.setUp(near)
    space.adopt(far)
    bridge.attach(far)
    space.setUp(far)
    return { machine, near }
  }
  const client = plug('client', CLIENT)
  const server = plug('server', SERVER)
  const outer = plug('outside', OUTSIDE)
  const { files } = server.machine.place
  files.set('/etc/coredns/Corefile', options.corefile ?? defaultCorefile('cluster.local'))
  files.set('/etc/resolv.conf', options.resolv ?? '')
  client.machine.place.files.set(
    '/etc/resolv.conf',
    'search default.svc.cluster.local\nnameserver 10.0.0.2\noptions ndots:5\n',
  )
  let log = ''
  const io = { out: (text: string) => void (log += text), err: (text: string) => void (log += text) }
  const start = () => server.machine.place.spawn(['coredns'], io)
  return {
    world,
    runner,
    client: client.machine,
    server: server.machine,
    outside: outer.machine,
    /** The client's cable, and that of the name server outside. */
    near: client.near,
    outer: outer.near,
    files,
    start,
    /** What CoreDNS has written so far. */
    log: () => log,
    run: async (line: string, machine = client.machine) => {
      let output = ''
      const keep = { out: (text: string) => void (output += text), err: (text: string) => void (output += text) }
      const code = await runner.until(machine.place.shell(line, keep).exit)
      return { output, code }
    },
    /** The reply's bytes; null when none comes within the time. */
    async exchange(query: Uint8Array, wait: Nanos = 10 * MILLISECOND): Promise<Uint8Array | null> {
      const socket = Sockets.of(client.machine.netns).udp()
      let reply: Uint8Array | null = null
      socket.connect(SERVER, 53)
      socket.onDatagram = (payload) => {
        reply = payload
      }
      socket.send(query)
      await runner.runFor(wait)
      socket.close()
      return reply
    },
    /** The same over TCP. */
    async exchangeTcp(query: Uint8Array): Promise<Uint8Array> {
      const socket = Sockets.of(client.machine.netns).tcp()
      const got: number[] = []
      const chunk = new Uint8Array(4096)
      socket.onConnect = () => void socket.write(Uint8Array.of(query.length >>> 8, query.length, ...query))
      socket.onReadable = () => {
        while (socket.readable > 0) got.push(...chunk.subarray(0, socket.read(chunk)))
      }
      socket.connect(SERVER, 53)
      await runner.runFor(20 * MILLISECOND)
      socket.onReadable = null
      socket.close()
      return Uint8Array.from(got.slice(2))
    },
    async end() {
      for (const machine of [client.machine, server.machine, outer.machine])
        for (const process of machine.place.processes.values()) process.kill(9)
      await runner.runFor(200 * SECOND)
      expect(world.frames.inUse).toBe(0)
    },
  }
}

export type DnsLab = ReturnType<typeof dnsLab>

export function hex(bytes: Uint8Array | null): string {
  return bytes === null ? 'none' : Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
