/**
 * Clusters of full size: how long a fleet takes to build, what it keeps in memory, and how long a ping and a connection to a
 * Service take between pods that were never asked for before. Each size in a process of its own.
 */
import { spawnSync } from 'node:child_process'
import type { Pod, Service } from '../src/kube/objects.ts'
import { Random } from '../src/sim/random.ts'
import { Lab } from '../src/topology/lab.ts'
import { topologySchema } from '../src/topology/schema.ts'

interface Size {
  readonly nodes: number
  /** Deployments, each with a Service. */
  readonly apps: number
  /** Pods of each. */
  readonly replicas: number
  readonly connections: number
}

/** 5,000 pods; a fifth of the largest cluster; the largest that Kubernetes supports. */
const sizes: readonly Size[] = [
  { nodes: 50, apps: 500, replicas: 10, connections: 1000 },
  { nodes: 1000, apps: 2000, replicas: 15, connections: 2000 },
  { nodes: 5000, apps: 10_000, replicas: 15, connections: 10_000 },
]

const HEAD =
  '| nodes | pods | Services | built in | RSS | KiB per pod | ping: median, worst | to a Service: median, worst ' +
  '| connections | in all | median, 99 %, worst | the last tenth | RSS then |'

/** `NODES APPS REPLICAS CONNECTIONS` measures one size here; nothing: all of them, each in a process of its own. */
export async function scaleTable(words: readonly string[]): Promise<void> {
  const [nodes, apps, replicas, connections] = words.map(Number)
  if (connections > 0) return void process.stdout.write(`${await measure({ nodes, apps, replicas, connections })}\n`)
  process.stdout.write(`${HEAD}\n${HEAD.replace(/[^|]+/g, '---')}\n`)
  for (const size of sizes) {
    const numbers = [size.nodes, size.apps, size.replicas, size.connections].map(String)
    const flags = ['--expose-gc', '--max-old-space-size=6144']
    spawnSync(process.execPath, [...flags, process.argv[1], 'scale', ...numbers], { stdio: 'inherit' })
  }
}

async function measure({ nodes, apps, replicas, connections }: Size): Promise<string> {
  globalThis.gc?.()
  const before = kept()
  const cpu = process.cpuUsage()
  const began = performance.now()
  const lab = await Lab.build(topology({ nodes, apps, replicas }), {
    capture: null,
    readFile: () => null,
    listFolder: () => null,
  })
  const seconds = (performance.now() - began) / 1000
  const { user, system } = process.cpuUsage(cpu)
  globalThis.gc?.()
  const rss = process.memoryUsage.rss()
  const after = kept()
  const ours = ({ metadata }: Pod | Service) => metadata.namespace?.startsWith('apps') === true
  const store = lab.cluster?.store
  const pods = store?.list<Pod>('Pod', null, ours) ?? []
  const services = store?.list<Service>('Service', null, ours) ?? []
  const random = new Random(1)
  const any = <T>(list: readonly T[]) => list[random.below(list.length)]
  const pings: number[] = []
  const first: number[] = []
  for (let i = 0; i < 100; i++) {
    pings.push(await timed(lab, any(pods), ['ping', '-c', '1', any(pods).status.podIP ?? '']))
    first.push(await timed(lab, any(pods), ['curl', '-s', `http://${any(services).spec.clusterIP}/hostname`]))
  }
  const times: number[] = []
  const start = performance.now()
  const busy = process.cpuUsage()
  for (let i = 0; i < connections; i++) {
    times.push(await timed(lab, any(pods), ['curl', '-s', `http://${any(services).spec.clusterIP}/hostname`]))
  }
  const inAll = (performance.now() - start) / 1000
  const used = process.cpuUsage(busy)
  const done = times.filter((time) => !Number.isNaN(time)).length
  const each = (after - before) / 1024 / pods.length
  const cells = [
    nodes,
    pods.length,
    services.length,
    `${seconds.toFixed(2)} s (CPU ${cpuSeconds({ user, system })})`,
    mebibytes(rss),
    each.toFixed(1),
    `${quantile(pings, 0.5)}, ${quantile(pings, 1)} ms`,
    `${quantile(first, 0.5)}, ${quantile(first, 1)} ms`,
    `${done} of ${connections}`,
    `${inAll.toFixed(1)} s (CPU ${cpuSeconds(used)})`,
    `${quantile(times, 0.5)}, ${quantile(times, 0.99)}, ${quantile(times, 1)} ms`,
    `${quantile(times.slice(-Math.ceil(connections / 10)), 0.5)} ms`,
    mebibytes(process.memoryUsage.rss()),
  ]
  return `| ${cells.join(' | ')} |`
}

/** Milliseconds of wall time from the command to its end; NaN when it fails. */
async function timed(lab: Lab, { metadata }: Pod, argv: readonly string[]): Promise<number> {
  const io = { out: () => {}, err: () => {} }
  const began = performance.now()
  const running = lab.cluster?.exec(metadata.namespace as string, metadata.name, null, argv, io)
  const code = running === undefined ? 1 : await lab.runner.until(running.exit)
  return code === 0 ? performance.now() - began : Number.NaN
}

function topology({ nodes, apps, replicas }: Omit<Size, 'connections'>) {
  return topologySchema.parse({
    name: 'scale',
    underlay: { cidr: '172.16.0.0/12', gateway: '172.16.0.1' },
    hosts: [{ name: 'router', ip: '172.16.0.1', router: true }],
    nodes: [
      { name: 'master', ip: '172.16.0.2', roles: ['control-plane'] },
      { name: 'w1', ip: '172.16.0.3' },
    ],
    cluster: {
      podCIDR: '10.128.0.0/9',
      fleet: { nodes, firstIp: '172.16.1.0', apps: { count: apps, replicas, namespaces: Math.ceil(apps / 100) } },
    },
  })
}

function cpuSeconds({ user, system }: { readonly user: number; readonly system: number }): string {
  return ((user + system) / 1e6).toFixed(2)
}

function quantile(times: readonly number[], part: number): string {
  const sorted = [...times].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))].toFixed(2)
}

/** What is alive, in bytes. */
function kept(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 1_048_576)} MiB`
}
