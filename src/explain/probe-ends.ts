/** Who sends a probe, and where to: the words of `podwire trace --from … --to …`. */
import type { Place } from '../host/place.ts'
import { selects } from '../kube/label-selector.ts'
import type { KubeObject, LabelSelector, Pod } from '../kube/objects.ts'
import type { Service } from '../kube/objects-service.ts'
import type { Lab } from '../topology/lab.ts'
import { nearest } from '../topology/problem.ts'
import type { Probe, Protocol } from './probe.ts'

export interface Sender {
  /** `default/client`, `w1.example.com`. */
  readonly name: string
  readonly place: Place
}

export interface Target {
  /** For people: `svc/web (10.109.128.104:8001)`. */
  readonly name: string
  readonly probe: Probe
}

/** Where names are looked for. */
export interface Scope {
  readonly lab: Lab
  readonly namespace: string
  /** Might steps that were not run have made it? */
  readonly stepsLeft: boolean
}

/** Kinds that stand for one of their pods. */
const owners: ReadonlyMap<string, string> = new Map([
  ['deploy', 'Deployment'],
  ['deployment', 'Deployment'],
  ['ds', 'DaemonSet'],
  ['daemonset', 'DaemonSet'],
  ['sts', 'StatefulSet'],
  ['statefulset', 'StatefulSet'],
  ['rs', 'ReplicaSet'],
  ['replicaset', 'ReplicaSet'],
])

const FORMS = 'pod/NAME, deploy/NAME, node/NAME or host/NAME'

/** @throws RangeError in words. */
export function senderOf(scope: Scope, text: string): Sender {
  const { lab } = scope
  const [kind, name] = split(text)
  if (kind === 'node' || kind === 'host') {
    const machine = machineOf(lab, text, name)
    return { name: machine.name, place: machine.place }
  }
  if (kind !== 'pod' && !owners.has(kind)) throw new RangeError(`podwire: --from ${text}: expected ${FORMS}`)
  const pod = podOf(scope, kind, name)
  const { namespace: where = scope.namespace, name: own } = pod.metadata
  const containers = lab.cluster?.sandbox(where, own)?.containers ?? []
  const running = containers.find(({ state }) => state === 'Running')
  if (running === undefined) throw new RangeError(`podwire: pod ${where}/${own} has no container that runs`)
  return { name: `${where}/${own}`, place: running.place }
}

/** @throws RangeError in words. `wanted`: null takes the port's own protocol, else TCP. */
export function targetOf(scope: Scope, text: string, wanted: Protocol | null): Target {
  const { lab } = scope
  const { base, port } = portOf(text)
  const [kind, name] = split(base)
  if (kind === 'svc' || kind === 'service') return serviceTarget(scope, name, port, wanted)
  const protocol = wanted ?? 'tcp'
  if (kind === 'pod' || owners.has(kind)) {
    const pod = podOf(scope, kind, name)
    const { podIP } = pod.status
    const label = `pod ${pod.metadata.namespace}/${pod.metadata.name}`
    if (podIP === undefined) throw new RangeError(`podwire: ${label} has no address yet`)
    const first = pod.spec.containers.flatMap(({ ports }) => ports ?? [])[0]?.containerPort
    return target(label, protocol, podIP, port ?? first?.toString() ?? null, text)
  }
  if (kind === 'node' || kind === 'host') {
    const machine = machineOf(lab, base, name)
    const spec = [...lab.topology.nodes, ...lab.topology.hosts].find((each) => each.name === machine.name)
    return target(`${kind} ${machine.name}`, protocol, (spec?.ip ?? '').split('/')[0], port, text)
  }
  if (kind !== '') {
    const forms = 'pod/NAME, svc/NAME, node/NAME, host/NAME, an address or a name, with :PORT'
    throw new RangeError(`podwire: --to ${text}: expected ${forms}`)
  }
  return target(base, protocol, base, port, text)
}

/** By its cluster IP; by its name where it has none (headless, ExternalName). */
function serviceTarget(scope: Scope, name: string, port: string | null, wanted: Protocol | null): Target {
  const [space, own] = scoped(name, scope.namespace)
  const service = find<Service>(scope, 'Service', space, own)
  const ports = service.spec.ports ?? []
  const chosen = port === null ? ports[0] : ports.find((each) => each.name === port || String(each.port) === port)
  const label = `svc ${space}/${own}`
  if (chosen === undefined && port !== null && !/^\d+$/.test(port)) {
    const names = ports.map((each) => each.name ?? String(each.port))
    throw new RangeError(`podwire: ${label} has no port ${port}: there are ${names.join(', ')}`)
  }
  const protocol = wanted ?? (chosen?.protocol === 'UDP' ? 'udp' : 'tcp')
  const { clusterIP } = service.spec
  const address = clusterIP === undefined || clusterIP === '' || clusterIP === 'None' ? null : clusterIP
  const domain = scope.lab.topology.cluster?.dns.domain ?? 'cluster.local'
  return target(label, protocol, address ?? `${own}.${space}.svc.${domain}`, chosen?.port.toString() ?? port, name)
}

function target(label: string, protocol: Protocol, host: string, port: string | null, text: string): Target {
  if (protocol === 'icmp')
    return { name: host === label ? label : `${label} (${host})`, probe: { protocol, host, port: 0 } }
  const number = Number(port)
  if (port === null) throw new RangeError(`podwire: --to ${text}: which port? Say ${text}:PORT, or --proto icmp`)
  if (!Number.isInteger(number) || number < 1 || number > 65_535) {
    throw new RangeError(`podwire: --to ${text}: ${JSON.stringify(port)} is no port: 1 to 65535`)
  }
  const name = host === label ? `${host}:${port}` : `${label} (${host}:${port})`
  return { name, probe: { protocol, host, port: number } }
}

function podOf(scope: Scope, kind: string, name: string): Pod {
  const [space, own] = scoped(name, scope.namespace)
  const owner = owners.get(kind)
  if (owner === undefined) return find<Pod>(scope, 'Pod', space, own)
  const object = find<KubeObject & { spec: { selector: LabelSelector } }>(scope, owner, space, own)
  const pods = scope.lab.cluster?.store.list<Pod>('Pod', space, (pod) => {
    return selects(object.spec.selector, pod.metadata.labels) && pod.status.phase === 'Running'
  })
  const pod = pods?.[0]
  if (pod === undefined) throw new RangeError(`podwire: ${kind}/${own} has no running pod in namespace ${space}`)
  return pod
}

function find<T extends KubeObject>(scope: Scope, kind: string, namespace: string, name: string): T {
  const { cluster } = scope.lab
  const what = `${kind.toLowerCase()} ${namespace}/${name}`
  if (cluster === null) throw new RangeError(`podwire: there is no ${what}: the topology has no nodes`)
  const found = cluster.store.get<T>(kind, namespace, name)
  if (found !== null) return found
  const names = cluster.store.list(kind, namespace).map(({ metadata }) => metadata.name)
  const meant = nearest(name, names)
  const hint = meant !== null ? `; did you mean ${meant}?` : names.length > 0 ? `; there are: ${names.join(', ')}` : ''
  const steps = scope.stepsLeft ? ' (steps were not run: --after-steps runs them)' : ''
  throw new RangeError(`podwire: there is no ${what}${hint}${steps}`)
}

/** `NAMESPACE/NAME`, or a name in the namespace given. */
function scoped(name: string, namespace: string): [namespace: string, name: string] {
  const slash = name.indexOf('/')
  return slash < 0 ? [namespace, name] : [name.slice(0, slash), name.slice(slash + 1)]
}

/** By full name, or by its first label. */
function machineOf(lab: Lab, text: string, name: string) {
  const machines = [...lab.machines.values()]
  const found = lab.machines.get(name) ?? machines.find((machine) => machine.name.split('.')[0] === name)
  if (found !== undefined) return found
  throw new RangeError(`podwire: ${text}: there are ${machines.map((machine) => machine.name).join(', ')}`)
}

function split(text: string): [kind: string, name: string] {
  const slash = text.indexOf('/')
  return slash < 0 ? ['', text] : [text.slice(0, slash), text.slice(slash + 1)]
}

function portOf(text: string): { base: string; port: string | null } {
  const colon = text.lastIndexOf(':')
  return colon < 0 ? { base: text, port: null } : { base: text.slice(0, colon), port: text.slice(colon + 1) }
}
