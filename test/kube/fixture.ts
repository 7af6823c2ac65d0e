/** A small real cluster for tests: a control-plane node m and workers w1, w2 on one switch, as in the course's lab. */

import { serveHttp } from '../../src/host/http-server.ts'
import type { Image } from '../../src/host/images/image.ts'
import { parseReference } from '../../src/host/images/image.ts'
import { Machine } from '../../src/host/machine.ts'
import type { Program } from '../../src/host/process.ts'
import { Runner } from '../../src/host/run.ts'
import { TcpStream } from '../../src/host/streams.ts'
import { Cluster, type ClusterOptions } from '../../src/kube/cluster.ts'
import type { KubeObject, Pod } from '../../src/kube/objects.ts'
import { isReady } from '../../src/kube/ownership.ts'
import { Bridge } from '../../src/link/bridge.ts'
import { Veth } from '../../src/link/veth.ts'
import { World } from '../../src/link/world.ts'
import { Netns } from '../../src/net/netns.ts'
import { route } from '../../src/net/route.ts'
import { SECOND } from '../../src/sim/scheduler.ts'
import { macOf, parseCidr, parseIpv4 } from '../../src/wire/address.ts'

/** Prints what the server says: `get 10.96.0.1:80`. */
const get: Program = async (self) => {
  const [address, port] = self.args[1].split(':')
  try {
    const stream = await TcpStream.connect(self, parseIpv4(address), Number(port))
    await stream.write(new TextEncoder().encode('GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n'))
    let text = ''
    for (let bytes = await stream.read(); bytes !== null; bytes = await stream.read())
      text += new TextDecoder().decode(bytes)
    stream.close()
    self.out(text.slice(text.indexOf('\r\n\r\n') + 4))
    return 0
  } catch (error) {
    self.out(`${(error as Error).message}\n`)
    return 7
  }
}

/** Says its host name on port 80. */
const web: Program = async (self) => {
  serveHttp(self, 80, () => ({ status: 200, headers: [], body: `I am ${self.place.hostname}\n` }))
  self.out('started\n')
  return self.forever()
}

const sleep: Program = (self) => self.forever()
const ends: Program = async (self) => Number(self.args[1] ?? 0)
const cat: Program = async (self) => {
  self.out(self.place.files.get(self.args[1]) ?? '')
  return 0
}
const env: Program = async (self) => {
  for (const [name, value] of Object.entries(self.env)) self.out(`${name}=${value}\n`)
  return 0
}

const programs = new Map<string, Program>(Object.entries({ get, web, sleep, exit: ends, cat, env }))

/** Everything that is named like the textbook's images serves its host name; `sleep` images do nothing. */
function findImage(reference: string): Image | null {
  const { name } = parseReference(reference)
  if (name === 'busybox') return { name, programs, entrypoint: ['sleep'], fixed: 0 }
  if (name === 'kiamol/ch03-sleep') return { name, programs, entrypoint: ['sleep'] }
  if (name === 'nginx' || name.startsWith('kiamol/')) return { name, programs, entrypoint: ['web'], fixed: 0 }
  return null
}

export interface Site {
  readonly world: World
  readonly runner: Runner
  readonly machines: ReadonlyMap<string, Machine>
}

/** Machines with eth0 on one switch. */
export function site(hosts: Readonly<Record<string, string>>, seed = 1): Site {
  const world = new World(seed)
  world.frames.poison = true
  const runner = new Runner(world)
  const space = new Netns(world, 'switch')
  const bridge = new Bridge(world, 'br0', macOf(0x02, 0x00, parseIpv4('0.0.0.1')))
  space.adopt(bridge)
  space.setUp(bridge)
  const machines = new Map<string, Machine>()
  for (const [name, ip] of Object.entries(hosts)) {
    const machine = new Machine(runner, name, programs)
    const address = parseIpv4(ip)
    const port = `p-${name.split('.')[0]}`
    const [eth0, far] = Veth.pair(world, 'eth0', macOf(0x52, 0x54, address), port, macOf(0xfe, 0x54, address), {
      delay: 50_000,
    })
    machine.netns.adopt(eth0)
    space.adopt(far)
    bridge.attach(far)
    space.setUp(far)
    machine.netns.addAddress(eth0, address, 24)
    machine.netns.setUp(eth0)
    machine.netns.main.add(
      route({ destination: parseCidr('0.0.0.0/0'), gateway: parseIpv4('192.168.14.1'), device: eth0 }),
    )
    machines.set(name, machine)
  }
  return { world, runner, machines }
}

export const NODES = {
  'm.example.com': '192.168.14.50',
  'w1.example.com': '192.168.14.51',
  'w2.example.com': '192.168.14.52',
} as const

export interface Lab extends Site {
  readonly cluster: Cluster
  /** Runs the world for some seconds. */
  run(seconds: number): Promise<void>
  pods(selector?: string): Pod[]
  /** Runs until the pods with this label are all ready, and there are as many as said. */
  readyPods(selector: string, count: number): Promise<Pod[]>
  /** A command in a pod's container: exit code and output. */
  exec(pod: string, ...argv: string[]): Promise<{ code: number; output: string }>
  /** A command on a node. */
  on(node: string, ...argv: string[]): Promise<{ code: number; output: string }>
}

export async function lab(options: Partial<ClusterOptions> = {}, seed = 1): Promise<Lab> {
  const made = site(NODES, seed)
  const { world, runner, machines } = made
  const cluster = new Cluster({
    world,
    runner,
    catalogue: { find: findImage },
    machines: Object.entries(NODES).map(([name, ip]) => ({
      machine: machines.get(name) as Machine,
      ip,
      controlPlane: name.startsWith('m.'),
    })),
    ...options,
  })
  await cluster.ready()
  const pods = (selector = ''): Pod[] => {
    const [key, value] = selector.split('=')
    return cluster.store.list<Pod>('Pod', 'default', (pod) => selector === '' || pod.metadata.labels?.[key] === value)
  }
  const collect = async (start: (write: (text: string) => void) => Promise<number>) => {
    let output = ''
    const code = await runner.until(
      start((text) => {
        output += text
      }),
    )
    return { code, output }
  }
  return {
    ...made,
    cluster,
    pods,
    run: (seconds) => runner.runFor(seconds * SECOND),
    readyPods: async (selector, count) => {
      const there = () => {
        const found = pods(selector).filter((pod) => pod.metadata.deletionTimestamp === undefined)
        return found.length === count && found.every(isReady) && pods(selector).length === count
      }
      if (!(await cluster.until(there, 60 * SECOND)))
        throw new Error(`not ready: ${JSON.stringify(pods(selector), null, 1)}`)
      return pods(selector)
    },
    exec: (pod, ...argv) =>
      collect((write) => cluster.exec('default', pod, null, argv, { out: write, err: write }).exit),
    on: (node, ...argv) =>
      collect((write) => (machines.get(node) as Machine).place.spawn(argv, { out: write, err: write }).exit),
  }
}

/** A Deployment as `kubectl create deployment` makes it. */
export function deployment(name: string, image: string, replicas = 1, more: Record<string, unknown> = {}): KubeObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: 'default', labels: { app: name } },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'web', image }], ...more } },
    },
  }
}

export function pod(name: string, image: string, more: Record<string, unknown> = {}): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', labels: { app: name } },
    spec: { containers: [{ name: 'web', image }], ...more },
  }
}

export function service(name: string, port: number, more: Record<string, unknown> = {}): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { selector: { app: name }, ports: [{ port }], ...more },
  }
}
