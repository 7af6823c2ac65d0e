/** Cases drawn by chance: the same seed gives the same case. */
import type { Case } from './case.ts'

/** Numbers of a seed (mulberry32). */
class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = (seed * 0x9e3779b1) >>> 0
  }

  /** From `least` to `most`, both possible. */
  between(least: number, most: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return least + (((mixed ^ (mixed >>> 14)) >>> 0) % (most - least + 1))
  }

  chance(percent: number): boolean {
    return this.between(1, 100) <= percent
  }

  of<T>(choices: readonly T[]): T {
    return choices[this.between(0, choices.length - 1)]
  }
}

interface Target {
  readonly address: string
  readonly http: number
  readonly sink: number
  readonly echo: number
}

const STEPS = 7

export function randomCase(seed: number): Case {
  const dice = new Dice(seed)
  const nodes = Array.from({ length: dice.between(2, 4) }, (_, i) => `n${i + 1}`)
  const pods = Array.from({ length: dice.between(1, 6) }, (_, i) => ({ name: `pod${i + 1}`, node: dice.of(nodes) }))
  const backend = dice.of(['vxlan', 'host-gw'])
  const objects = pods.map(({ name, node }) => podText(name, node))
  const targets: Target[] = pods.map(({ name }) => ({ address: `{${name}}`, http: 8080, sink: 9000, echo: 7 }))
  for (const [i, { name }] of pods.entries()) {
    if (!dice.chance(60)) continue
    const open = dice.chance(40)
    const clusterIp = `10.96.0.${100 + i}`
    objects.push(serviceText(name, clusterIp, open, i))
    targets.push({ address: clusterIp, http: 80, sink: 90, echo: 77 })
    if (open) targets.push({ address: `{${dice.of(nodes)}}`, http: 30080 + i, sink: 30180 + i, echo: 30280 + i })
  }
  const steps = Array.from({ length: STEPS }, () => stepText(dice, pods, nodes, targets))
  return {
    name: `random-${seed}`,
    text: `name: random-${seed}
underlay: {cidr: 192.168.14.0/24, gateway: 192.168.14.1, mtu: ${dice.of([1500, 1500, 1400])}}
hosts:
  - {name: outside, ip: 192.168.14.1, router: true}
nodes:
${nodes.map((name, i) => `  - {name: ${name}, ip: 192.168.14.${11 + i}${i === 0 ? ', roles: [control-plane]' : ''}}`).join('\n')}
cluster: {cni: {backend: ${backend}}}
manifests: [objects.yaml]
steps:
${steps.map((step) => `  - run: ${step}`).join('\n')}
---
${objects.join('---\n')}`,
  }
}

function podText(name: string, node: string): string {
  const containers = ['http 8080 ' + name, 'sink 9000', 'udpecho 7'].map((server) => {
    const [verb, ...rest] = server.split(' ')
    return `    - {name: ${verb}, image: debian, command: [python3, apps.py, ${verb}, ${rest.map((word) => `"${word}"`).join(', ')}]}\n`
  })
  return `apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: ${name}}}
spec:
  nodeName: ${node}
  containers:
${containers.join('')}`
}

function serviceText(name: string, clusterIp: string, open: boolean, i: number): string {
  const ports = [
    ['http', 'TCP', 80, 8080, 30080 + i],
    ['sink', 'TCP', 90, 9000, 30180 + i],
    ['echo', 'UDP', 77, 7, 30280 + i],
  ] as const
  const lines = ports.map(([port, protocol, number, target, outside]) => {
    const nodePort = open ? `, nodePort: ${outside}` : ''
    return `    - {name: ${port}, protocol: ${protocol}, port: ${number}, targetPort: ${target}${nodePort}}\n`
  })
  return `apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec:
  type: ${open ? 'NodePort' : 'ClusterIP'}
  clusterIP: ${clusterIp}
  selector: {app: ${name}}
  ports:
${lines.join('')}`
}

function stepText(
  dice: Dice,
  pods: readonly { name: string }[],
  nodes: readonly string[],
  targets: readonly Target[],
): string {
  const pod = `kubectl exec ${dice.of(pods).name} --`
  const from = dice.chance(75) ? pod : `ssh ${dice.chance(50) ? dice.of(nodes) : 'outside'}`
  const fromOutside = from === 'ssh outside'
  // Pod and Service addresses have no route outside.
  const reachable = targets.filter(({ address, http }) => !fromOutside || (address.startsWith('{') && http > 8080))
  const kind = dice.between(1, 10)
  if (kind <= 3 || reachable.length === 0) {
    const to = fromOutside ? dice.of(nodes) : dice.of([...pods.map(({ name }) => name), ...nodes, 'outside'])
    return `${from} ping -c ${dice.between(1, 2)} -i 0.3 -W 1 -s ${dice.between(0, 3000)} {${to}}`
  }
  const to = dice.of(reachable)
  if (kind <= 5) return `${from} python3 apps.py udpsend ${to.address} ${to.echo} ${dice.between(0, 4000)} 1 0 0.3`
  if (kind <= 7) return `${from} python3 apps.py send ${to.address} ${to.sink} ${dice.between(1, 1400)}`
  if (kind <= 9) return `${from} curl -s -A podwire --max-time 2 http://${to.address}:${to.http}/`
  return `${from} nc -z -w 1 ${to.address} ${dice.between(20_000, 29_999)}`
}
