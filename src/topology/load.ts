/** A topology file as a checked value: every problem found at once, each with its place. */
import { z } from 'zod'
import { cidrOf, contains, formatCidr, type Ipv4, mask, parseCidr, parseIpv4, tryParseCidr } from '../wire/address.ts'
import { nearest, type Problem, TopologyError } from './problem.ts'
import { type TopologyFile, topologySchema } from './schema.ts'
import { formatPath, type Path, Source } from './source.ts'
import { parseLink } from './units.ts'

/** Reads files named in a topology, relative to it; null when there is none. */
export type ReadFile = (path: string) => string | null

/** What a topology may name: files, and folders of files. */
export interface FileAccess {
  readonly readFile: ReadFile
  readonly listFolder: (path: string) => readonly string[] | null
}

/** zod would compile the schema, which pays only when it is used again and again. */
const ONCE = { jitless: true }

/** `files`, when given, must hold every manifest. @throws TopologyError naming every problem of the file. */
export function loadTopology(file: string, text: string, files?: FileAccess): TopologyFile {
  const source = new Source(file, text)
  const fail = (problems: readonly Problem[]) => new TopologyError(problems, () => text)
  if (source.problems.length > 0) throw fail(source.problems)
  const parsed = topologySchema.safeParse(source.value ?? {}, ONCE)
  if (!parsed.success) throw fail(parsed.error.issues.flatMap((issue) => explain(issue, source)))
  const problems = [...contradictions(parsed.data, source), ...missing(parsed.data, source, files)]
  if (problems.length > 0) throw fail(problems)
  return parsed.data
}

function explain(issue: z.core.$ZodIssue, source: Source): Problem[] {
  const path = issue.path.filter((part): part is string | number => typeof part !== 'symbol')
  const place = { file: source.file, position: source.positionOf(path), path: formatPath(path) }
  const value = path.reduce<unknown>((inside, part) => (inside as Record<string, unknown> | null)?.[part], source.value)
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(path)
    return issue.keys.map((key) => {
      const meant = nearest(key, known)
      return {
        file: source.file,
        position: source.positionOfKey(path, key),
        path: formatPath([...path, key]),
        found: `unknown key ${JSON.stringify(key)}`,
        ...(known.length > 0 ? { expected: `one of: ${known.join(', ')}` } : {}),
        ...(meant === null ? {} : { suggestion: `did you mean ${JSON.stringify(meant)}?` }),
      }
    })
  }
  if (issue.code === 'invalid_value') {
    const choices = issue.values.map(String)
    const meant = nearest(String(value), choices)
    const suggestion = meant === null ? {} : { suggestion: `did you mean ${JSON.stringify(meant)}?` }
    return [{ ...place, found: found(value, path), expected: `one of: ${choices.join(', ')}`, ...suggestion }]
  }
  if (value === undefined) {
    const key = String(path.at(-1))
    return [{ ...place, found: `${JSON.stringify(key)} is missing`, expected: expectedOf(issue) }]
  }
  return [{ ...place, found: found(value, path), expected: expectedOf(issue) }]
}

function found(value: unknown, path: Path): string {
  const key = path.length === 0 ? 'the file' : formatPath(path)
  const shown = JSON.stringify(value) ?? 'nothing'
  return `${key} is ${shown.length > 60 ? `${shown.slice(0, 57)}…` : shown}`
}

function expectedOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'custom' || issue.code === 'invalid_format') return issue.message
  if (issue.code === 'invalid_type') return `a value of type ${issue.expected}`
  if (issue.code === 'too_small') return `at least ${issue.minimum}`
  if (issue.code === 'too_big') return `at most ${issue.maximum}`
  return issue.message
}

/** The keys that the schema knows at a place. */
function keysAt(path: Path): string[] {
  let schema: unknown = topologySchema
  for (const part of path) {
    const inner = unwrap(schema)
    if (inner instanceof z.ZodObject) schema = inner.shape[String(part)]
    else if (inner instanceof z.ZodArray) schema = inner.element
    else if (inner instanceof z.ZodRecord) schema = inner.valueType
    else return []
  }
  const inner = unwrap(schema)
  return inner instanceof z.ZodObject ? Object.keys(inner.shape) : []
}

function unwrap(schema: unknown): unknown {
  let inner = schema
  while (inner instanceof z.ZodOptional || inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault) {
    inner = inner.unwrap()
  }
  return inner
}

function* missing(topology: TopologyFile, source: Source, files: FileAccess | undefined): Generator<Problem> {
  if (files === undefined) return
  for (const [i, path] of topology.manifests.entries()) {
    if (files.readFile(path) !== null || files.listFolder(path) !== null) continue
    yield {
      file: source.file,
      position: source.positionOf(['manifests', i]),
      path: formatPath(['manifests', i]),
      found: `there is no file or folder ${JSON.stringify(path)}`,
      expected: 'a manifest, by its path from the topology file',
    }
  }
}

/** What is well-formed, and yet cannot be. */
function* contradictions(topology: TopologyFile, source: Source): Generator<Problem> {
  const at = (path: Path, said: Omit<Problem, 'file' | 'position' | 'path'>): Problem => ({
    file: source.file,
    position: source.positionOf(path),
    path: formatPath(path),
    ...said,
  })
  const underlay = parseCidr(topology.underlay.cidr)
  const machines = [
    ...topology.nodes.map((node, i) => ({ name: node.name, ip: node.ip, path: ['nodes', i] as Path })),
    ...topology.hosts.map((host, i) => ({ name: host.name, ip: host.ip.split('/')[0], path: ['hosts', i] as Path })),
  ]
  for (const [i, machine] of machines.entries()) {
    const before = machines.slice(0, i)
    const namesake = before.find((other) => other.name === machine.name)
    if (namesake !== undefined) {
      const found = `the name ${JSON.stringify(machine.name)} is already used by ${formatPath(namesake.path)}`
      yield at([...machine.path, 'name'], { found, expected: 'a name of its own for every machine' })
    }
    const twin = before.find((other) => other.ip === machine.ip)
    if (twin !== undefined) {
      const found = `the address ${machine.ip} is already used by ${formatPath(twin.path)} (${twin.name})`
      const free = freeAddress(
        topology,
        machines.map((other) => other.ip),
      )
      const suggestion = free === null ? {} : { suggestion: `${free} is free` }
      yield at([...machine.path, 'ip'], { found, expected: 'an address of its own for every machine', ...suggestion })
    }
    if (!contains(underlay, parseIpv4(machine.ip))) {
      const found = `the address ${machine.ip} of ${machine.name} is outside the underlay`
      yield at([...machine.path, 'ip'], { found, expected: `an address in ${topology.underlay.cidr}` })
    }
  }
  yield* fleetOf(topology, machines, at)
  yield* links(
    topology,
    machines.map((machine) => machine.name),
    at,
  )
  yield* ranges(topology, at)
  if (topology.nodes.length > 0 && topology.cluster !== undefined) {
    if (!topology.nodes.some((node) => node.roles.includes('control-plane'))) {
      const found = 'no node has the role control-plane'
      const suggestion = 'give one node `roles: [control-plane]`'
      yield at(['nodes'], { found, expected: 'one control-plane node', suggestion })
    }
  }
  if (topology.nodes.length === 0 && (topology.cluster !== undefined || topology.manifests.length > 0)) {
    const path = topology.cluster !== undefined ? ['cluster'] : ['manifests']
    yield at(path, { found: 'there is a cluster, and no nodes', expected: 'at least one entry in nodes' })
  }
}

/** A fleet's addresses are in the underlay, and nobody else's. */
function* fleetOf(
  topology: TopologyFile,
  machines: readonly { name: string; ip: string }[],
  at: At,
): Generator<Problem> {
  const fleet = topology.cluster?.fleet
  if (fleet === undefined) return
  const path: Path = ['cluster', 'fleet', 'firstIp']
  const first = parseIpv4(fleet.firstIp)
  const underlay = parseCidr(topology.underlay.cidr)
  if (!contains(underlay, first) || !contains(underlay, ((first + fleet.nodes) | 0) as Ipv4)) {
    const found = `the addresses of ${fleet.nodes} nodes from ${fleet.firstIp} on are not all inside the underlay`
    yield at(path, { found, expected: `addresses in ${topology.underlay.cidr}` })
  }
  for (const { name, ip } of machines) {
    const number = parseIpv4(ip) - first
    if (number < 0 || number >= fleet.nodes) continue
    yield at(path, { found: `the address ${ip} of ${name} is among the fleet's`, expected: 'addresses of its own' })
  }
}

/** Cables that are pulled must be somebody's. */
function* links(topology: TopologyFile, names: readonly string[], at: At): Generator<Problem> {
  const named = [
    ...topology.events.map(({ link }, i) => ({ link, path: ['events', i, 'link'] as Path })),
    ...topology.steps.map(({ link }, i) => ({ link, path: ['steps', i, 'link'] as Path })),
  ]
  for (const { link, path } of named) {
    const machine = link === undefined ? undefined : parseLink(link)?.machine
    if (machine === undefined || names.includes(machine)) continue
    const meant = nearest(machine, names)
    const found = `there is no machine ${JSON.stringify(machine)}`
    const suggestion = meant === null ? {} : { suggestion: `did you mean ${JSON.stringify(meant)}?` }
    yield at(path, { found, expected: 'the name of a node or host', ...suggestion })
  }
}

type At = (path: Path, said: Omit<Problem, 'file' | 'position' | 'path'>) => Problem

function* ranges(topology: TopologyFile, at: At): Generator<Problem> {
  const { cluster } = topology
  const named: { path: Path; text: string }[] = [{ path: ['underlay', 'cidr'], text: topology.underlay.cidr }]
  if (cluster !== undefined) {
    named.push({ path: ['cluster', 'podCIDR'], text: cluster.podCIDR })
    named.push({ path: ['cluster', 'serviceCIDR'], text: cluster.serviceCIDR })
  }
  for (const [i, range] of named.entries()) {
    for (const other of named.slice(0, i)) {
      if (!overlap(range.text, other.text)) continue
      const found = `${formatPath(range.path)} ${range.text} overlaps ${formatPath(other.path)} ${other.text}`
      const expected = 'ranges that have no address in common'
      yield at(range.path, { found, expected, suggestion: 'kubeadm and Flannel use 10.244.0.0/16 for pods' })
    }
  }
  for (const { path, text } of named) {
    const parsed = tryParseCidr(text)
    const written = text.split('/')[0]
    if (parsed !== null && (parseIpv4(written) & ~mask(parsed.prefix)) !== 0) {
      const found = `${text} has host bits set`
      yield at(path, { found, expected: 'the first address of the network', suggestion: `use ${formatCidr(parsed)}` })
    }
  }
  if (cluster === undefined) return
  if (!contains(parseCidr(cluster.serviceCIDR), parseIpv4(cluster.dns.service))) {
    const found = `the DNS Service's address ${cluster.dns.service} is outside the service range`
    yield at(['cluster', 'dns', 'service'], { found, expected: `an address in ${cluster.serviceCIDR}` })
  }
  const pods = parseCidr(cluster.podCIDR)
  for (const [i, node] of topology.nodes.entries()) {
    if (node.podCIDR === undefined) continue
    const own = parseCidr(node.podCIDR)
    if (!contains(pods, own.network) || own.prefix < pods.prefix) {
      const found = `the pod range ${node.podCIDR} of ${node.name} is not inside ${cluster.podCIDR}`
      yield at(['nodes', i, 'podCIDR'], { found, expected: `a part of cluster.podCIDR ${cluster.podCIDR}` })
    }
    const twin = topology.nodes.slice(0, i).find((other) => other.podCIDR && overlap(other.podCIDR, node.podCIDR ?? ''))
    if (twin !== undefined) {
      const found = `the pod range ${node.podCIDR} of ${node.name} overlaps that of ${twin.name}`
      yield at(['nodes', i, 'podCIDR'], { found, expected: 'a range of its own for every node' })
    }
  }
}

function overlap(a: string, b: string): boolean {
  const first = parseCidr(a)
  const second = parseCidr(b)
  const prefix = Math.min(first.prefix, second.prefix)
  return cidrOf(first.network, prefix).network === cidrOf(second.network, prefix).network
}

function freeAddress(topology: TopologyFile, used: readonly string[]): string | null {
  const base = topology.underlay.cidr.split('/')[0].split('.').slice(0, 3).join('.')
  for (let last = 10; last < 250; last++) if (!used.includes(`${base}.${last}`)) return `${base}.${last}`
  return null
}
