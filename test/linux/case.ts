/**
 * A case: one file with a topology in podwire's own format and, behind a line `---`, the manifests that it names
 * `objects.yaml`. Its steps are what a person types, `kubectl exec POD -- …` or `ssh MACHINE …`; `{web}` stands for
 * the address of the pod or machine `web`.
 */
import type { Place } from '../../src/host/place.ts'
import type { Netns } from '../../src/net/netns.ts'
import { Lab } from '../../src/topology/lab.ts'
import { type FileAccess, loadTopology } from '../../src/topology/load.ts'
import type { ImageSpec, TopologyFile } from '../../src/topology/schema.ts'
import { formatIpv4 } from '../../src/wire/address.ts'
import { forgetLearnt, namespacesOf } from './namespaces.ts'

export interface Case {
  readonly name: string
  readonly text: string
}

/** One command, in both worlds. */
export interface Command {
  readonly line: string
  /** Where podwire runs `line`. */
  readonly place: Place
  /** Where the kernel runs `inside`: the namespace that `line` enters, if it does. */
  readonly netns: Netns
  readonly inside: string
}

export interface Built {
  readonly lab: Lab
  readonly namespaces: readonly Netns[]
  readonly commands: readonly Command[]
  /** Servers by namespace, as `apps.py all` takes them. */
  readonly servers: ReadonlyMap<Netns, readonly string[]>
  /** Ports that somebody named. */
  readonly fixedPorts: ReadonlySet<number>
}

const OBJECTS = 'objects.yaml'
const SECOND = 1e9
const APP = /^python3 apps\.py (.*)$/
const ENTERING = /^ip netns exec (\S+) (.*)$/

export async function build(given: Case): Promise<Built> {
  const [text, ...objects] = given.text.split(/^---$/m)
  const files: FileAccess = {
    readFile: (path) => (path === OBJECTS ? objects.join('---') : null),
    listFolder: () => null,
  }
  const topology = loadTopology(given.name, text, files)
  const cables = [topology.underlay.cable, ...[...topology.nodes, ...topology.hosts].map((each) => each.cable)]
  if (cables.some((cable) => cable !== undefined)) throw new Error(`${given.name}: cables are as the kernel has them`)
  const lab = await Lab.build(topology, { ...files, capture: null })
  if (lab.cluster !== null) {
    // Its readiness probes are nobody's steps.
    await must(lab, 'kubectl -n kube-system delete deployment coredns')
    await must(lab, 'kubectl wait --for=condition=Ready pod --all --timeout=60s')
  }
  await lab.runner.runFor(3 * SECOND)
  const namespaces = namespacesOf(lab)
  for (const netns of namespaces) forgetLearnt(netns)
  const commands = topology.steps.map((step) => commandOf(lab, step.run ?? ''))
  const servers = serversOf(lab, topology)
  const words = [given.text, ...namespaces.map((netns) => netns.netfilter.save())].join(' ')
  const fixedPorts = new Set([...words.matchAll(/\b\d+\b/g)].map(Number).filter((port) => port < 65_536))
  return { lab, namespaces, commands, servers, fixedPorts }
}

async function must(lab: Lab, line: string): Promise<void> {
  const { code, output } = await lab.say(line)
  if (code !== 0) throw new Error(`${line}: ${output}`)
}

function commandOf(lab: Lab, written: string): Command {
  const line = written.replace(/\{([-a-z0-9.]+)\}/g, (_, name: string) => addressOf(lab, name))
  const exec = /^kubectl exec (\S+) -- (.*)$/.exec(line)
  if (exec !== null) {
    const place = podOf(lab, exec[1]).containers[0].place
    return { line: exec[2], place, netns: place.netns, inside: exec[2] }
  }
  const ssh = /^ssh (\S+) (.*)$/.exec(line)
  const machine = lab.machines.get(ssh?.[1] ?? '')
  if (ssh === null || machine === undefined) throw new Error(`a step must begin with ssh or kubectl exec: ${written}`)
  const { place } = machine
  const entering = ENTERING.exec(ssh[2])
  const inner = entering === null ? undefined : machine.namespaces.get(entering[1])
  if (entering === null || inner === undefined) return { line: ssh[2], place, netns: machine.netns, inside: ssh[2] }
  return { line: ssh[2], place, netns: inner, inside: entering[2] }
}

function addressOf(lab: Lab, name: string): string {
  const machine =
    lab.topology.hosts.find((each) => each.name === name) ?? lab.topology.nodes.find((each) => each.name === name)
  if (machine !== undefined) return machine.ip.split('/')[0]
  const { netns } = podOf(lab, name)
  const eth0 = netns.devices.get('eth0')
  const address = eth0 === undefined ? null : netns.addressOf(eth0)
  if (address === null) throw new Error(`${name} has no address`)
  return formatIpv4(address)
}

function podOf(lab: Lab, name: string) {
  const sandbox = lab.cluster?.sandbox('default', name) ?? null
  if (sandbox === null) throw new Error(`there is no pod or machine ${name}`)
  return sandbox
}

/** What containers and hosts run: podwire's traffic programs, and the echo servers of images. */
function serversOf(lab: Lab, topology: TopologyFile): Map<Netns, string[]> {
  const servers = new Map<Netns, string[]>()
  const add = (netns: Netns, lines: readonly string[]) => {
    if (lines.length > 0) servers.set(netns, [...(servers.get(netns) ?? []), ...lines])
  }
  for (const node of lab.cluster?.nodes.values() ?? []) {
    for (const sandbox of node.runtime.sandboxes.values()) {
      for (const { options } of sandbox.containers) {
        const app = APP.exec(options.argv.join(' '))
        if (app !== null) add(sandbox.netns, [app[1]])
        else if (options.argv[0] === 'podwire-server') add(sandbox.netns, echoes(topology.images[options.image]))
      }
    }
  }
  for (const host of topology.hosts) {
    const machine = lab.machines.get(host.name)
    if (machine === undefined) continue
    if (host.image !== undefined) add(machine.netns, echoes(topology.images[host.image]))
    for (const line of host.run) {
      const entering = ENTERING.exec(line)
      const netns = entering === null ? machine.netns : machine.namespaces.get(entering[1])
      const app = APP.exec(entering === null ? line : entering[2])
      if (netns !== undefined && app !== null) add(netns, [app[1]])
    }
  }
  return servers
}

function echoes(image: ImageSpec | undefined): string[] {
  const said: string[] = []
  if (image?.tcpEcho !== undefined) said.push(`tcpecho ${image.tcpEcho}`)
  if (image?.udpEcho !== undefined) said.push(`udpecho ${image.udpEcho}`)
  return said
}
