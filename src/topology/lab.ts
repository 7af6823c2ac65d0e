/**
 * A lab: the world that a topology file describes, ready to be typed at. The underlay is one switch; nodes and
 * outside hosts are machines with eth0 on it; the operator sits at a workstation beside the network, with kubectl
 * and ssh.
 */
import type { Capture } from '../capture/capture.ts'
import type { Section } from '../capture/pcapng-writer.ts'
import { linuxCommands } from '../host/commands/table.ts'
import { Catalogue } from '../host/images/catalogue.ts'
import { Machine } from '../host/machine.ts'
import { nameServer, nameTable } from '../host/name-server.ts'
import type { Place } from '../host/place.ts'
import type { Io, Program, Running } from '../host/process.ts'
import { Runner } from '../host/run.ts'
import { ssh } from '../host/ssh.ts'
import { Cluster } from '../kube/cluster.ts'
import type { Fleet } from '../kube/fleet/fleet.ts'
import { LazyMap } from '../kube/lazy-map.ts'
import { Bridge } from '../link/bridge.ts'
import type { NetDevice } from '../link/device.ts'
import { Veth } from '../link/veth.ts'
import { World } from '../link/world.ts'
import { type DeviceAddress, Netns } from '../net/netns.ts'
import { route } from '../net/route.ts'
import { SECOND } from '../sim/scheduler.ts'
import { type Ipv4, type Mac, parseCidr, parseIpv4, tryParseInterfaceAddress } from '../wire/address.ts'
import { AddressNames } from './address-names.ts'
import { type CableSpec, directionsOf } from './cable.ts'
import { Events } from './events.ts'
import { launchFleet, type Slot } from './fleet.ts'
import { SYSTEM } from './interface-facts.ts'
import { InterfaceList } from './interfaces.ts'
import type { FileAccess } from './load.ts'
import { Recorder } from './recorder.ts'
import type { HostSpec, TopologyFile } from './schema.ts'
import { kubectlProgram } from './workstation.ts'

/** The files are those that commands and the topology name, relative to the topology. */
export interface LabOptions extends FileAccess {
  /** Instead of the topology's own. */
  readonly seed?: number
  /** Capture from time zero: only interfaces that match, all when empty; null: none. */
  readonly capture: readonly string[] | null
  /** Keep with each captured frame why it is where it is. */
  readonly explain?: boolean
  /** Keep captured frames in memory? True without it. */
  readonly keepFrames?: boolean
  /**
   * Each machine is a part of the world that numbers its packets, and can be given a stream of chance, by itself: so its
   * frames do not depend on what other machines do meanwhile (src/parallel).
   */
  readonly inParts?: boolean
  /** Told before anything is built: who writes captures down while they are made listens from the first frame. */
  readonly onRecorder?: (recorder: Recorder, lab: Lab) => void
}

const ANYWHERE = parseCidr('0.0.0.0/0')
/** What kubeadm calls the cluster. */
const DOMAIN = 'cluster.local'
/** Between two commands of a person: clusters react in less. */
const TYPING = SECOND
/** Where the packets of a world in parts are numbered: 12,000,000,345 is the 345th of the twelfth machine. */
const PACKETS = 1_000_000_000

export class Lab {
  readonly topology: TopologyFile
  readonly world: World
  readonly runner: Runner
  readonly catalogue = new Catalogue()
  /** Nodes and outside hosts, by name. */
  readonly machines = new LazyMap<string, Machine>()
  readonly workstation: Place
  readonly recorder: Recorder | null
  /** Whose addresses which are, for captures. */
  readonly addressNames = new AddressNames()
  /** All that frames pass, as it is now. */
  readonly interfaces: InterfaceList
  readonly events = new Events(this)
  readonly epochSeconds: number
  #cluster: Cluster | null = null
  #fleet: Fleet | null = null
  /** Of every machine. */
  #hostsFile = ''
  /** Who hears of what a manifest asks for and podwire does not model. */
  #reader: Io | null = null
  readonly #options: LabOptions
  /** All cables end there. */
  readonly switch: Bridge
  /** The switch's part of the world, and its ports' are parts of it; the world itself when it has no parts. */
  readonly switchWorld: World
  readonly #switchSpace: Netns
  /** The machine's end and the switch's end of each machine's cable. */
  readonly cables = new Map<string, readonly [Veth, Veth]>()

  private constructor(topology: TopologyFile, options: LabOptions) {
    this.topology = topology
    this.#options = options
    this.world = new World(options.seed ?? topology.seed)
    this.epochSeconds = Date.parse(topology.epoch) / 1000
    this.world.epochSeconds = this.epochSeconds
    this.runner = new Runner(this.world, this.epochSeconds)
    this.interfaces = new InterfaceList(this.world)
    this.recorder = options.capture === null ? null : this.#record(options.capture)
    this.switchWorld = options.inParts === true ? this.world.part(0) : this.world
    this.#switchSpace = new Netns(this.switchWorld, 'switch')
    this.switch = new Bridge(this.switchWorld, 'br0', this.#randomMac())
    this.#switchSpace.adopt(this.switch)
    this.#switchSpace.setUp(this.switch)
    for (const [name, spec] of Object.entries(topology.images)) this.catalogue.declare(name, spec)
    this.workstation = new Machine(this.runner, 'workstation', linuxCommands(), this.#part(0)).place
    this.workstation.workdir = '/root'
  }

  static async build(topology: TopologyFile, options: LabOptions): Promise<Lab> {
    const lab = new Lab(topology, options)
    try {
      await lab.#build()
      return lab
    } catch (error) {
      lab.recorder?.stopExplaining()
      throw error
    }
  }

  /** A recorder with everything that its files tell. */
  #record(globs: readonly string[]): Recorder {
    const recorder = new Recorder(this.world, this.epochSeconds, globs)
    recorder.capture.keeps = this.#options.keepFrames ?? true
    this.introduce(recorder.capture)
    if (this.#options.explain === true) recorder.explain()
    this.#options.onRecorder?.(recorder, this)
    return recorder
  }

  /** The capture learns what its files tell: of what they are, and whose addresses which are, until what is returned is called. */
  introduce(capture: Capture): () => void {
    const { nodes, hosts } = this.topology
    capture.section = sectionOf(this.topology, this.world.seed)
    for (const machine of [...nodes, ...hosts]) this.addressNames.set(machine.ip, machine.name)
    return this.addressNames.follow(capture)
  }

  /** The cluster; null in a topology without nodes. */
  get cluster(): Cluster | null {
    return this.#cluster
  }

  /** The nodes that have been there since before; null: there are none. */
  get fleet(): Fleet | null {
    return this.#fleet
  }

  /** Types a line at the workstation, which takes a moment; resolves to its exit code. */
  async type(line: string, io: Io): Promise<number> {
    await this.runner.runFor(TYPING)
    return this.runner.until(this.begin(line, io))
  }

  /** Begins a line at the workstation, and leaves it to the caller to let time pass; resolves to its exit code. */
  begin(line: string, io: Io): Promise<number> {
    return this.start(line, io).exit
  }

  /** As `begin`, for who may want to end it. */
  start(line: string, io: Io): Running {
    this.#reader = io
    return this.workstation.shell(line, io)
  }

  /** Runs a line at once, waits for its end, and gives all it said. */
  async say(line: string): Promise<{ readonly code: number; readonly output: string }> {
    let output = ''
    const keep = (text: string) => {
      output += text
    }
    const code = await this.runner.until(this.workstation.shell(line, { out: keep, err: keep }).exit)
    return { code, output }
  }

  /** `w1/eth0 down` pulls the machine's cable, `up` plugs it in again: both ends notice at once. */
  setLink(text: string): void {
    const { machine, up } = Events.link(text)
    // Who sleeps has no cable yet.
    this.machines.get(machine)
    const cable = this.cables.get(machine)
    if (cable === undefined) throw new RangeError(`there is no machine ${JSON.stringify(machine)}`)
    const [eth0, far] = cable
    eth0.plugged = up
    this.machines.get(machine)?.netns.carrierChanged(eth0)
    this.#switchSpace.carrierChanged(far)
    // The API server is on the control plane: a worker without a cable cannot tell it that it lives.
    const node = this.#cluster?.nodes.get(machine)
    if (node?.controlPlane === false) this.#cluster?.silence(machine, 'cable', !up)
  }

  /** The IPv4 addresses of a device, wherever it is. */
  addressesOf(device: NetDevice): readonly DeviceAddress[] {
    const machines = [...this.machines.made(), this.workstation.machine]
    const spaces = machines.flatMap((machine) => [machine.netns, ...machine.namespaces.values()])
    const home = spaces.find((netns) => netns.devices.get(device.name) === device)
    return home?.addressesOf(device) ?? []
  }

  /** The loose end of one more cable to the switch, for something outside of the world; its name is for the port. */
  looseCable(name: string): NetDevice {
    const [loose, far] = this.#cable(name, undefined)
    loose.up = true
    this.#switchSpace.setUp(far)
    return loose
  }

  async #build(): Promise<void> {
    const { topology } = this
    for (const host of topology.hosts) this.#addHost(host)
    for (const node of topology.nodes) this.#plug(node.name, `${node.ip}/${this.#prefix}`, node.cable, this.#gateway)
    for (const host of topology.hosts) await this.#configure(host)
    await this.#startCluster()
    this.#furnish()
    await this.#launchFleet()
    for (const path of topology.manifests) await this.#apply(path)
    this.events.schedule(topology.events)
  }

  get #prefix(): number {
    return parseCidr(this.topology.underlay.cidr).prefix
  }

  get #gateway(): string | undefined {
    return this.topology.underlay.gateway
  }

  #addHost(host: HostSpec): void {
    const ip = host.ip.includes('/') ? host.ip : `${host.ip}/${this.#prefix}`
    const gateway = host.gateway ?? (host.ip.split('/')[0] === this.#gateway ? undefined : this.#gateway)
    const machine = this.#plug(host.name, ip, host.cable, gateway)
    if (host.router) machine.netns.sysctl.set('net.ipv4.ip_forward', '1')
    for (const text of host.addresses) {
      const extra = tryParseInterfaceAddress(text)
      if (extra !== null) machine.netns.addAddress(machine.netns.loopback, extra.address, extra.prefix, null)
    }
  }

  /** Routes and programs of an outside host, once all machines stand. */
  async #configure(host: HostSpec): Promise<void> {
    const machine = this.machines.get(host.name) as Machine
    let said = ''
    const quiet: Io = { out: () => {}, err: (text) => void (said += text) }
    for (const text of host.routes) {
      const code = await this.runner.until(machine.place.shell(`ip route add ${text}`, quiet).exit)
      if (code !== 0) throw new RangeError(`host ${host.name}: ip route add ${text}: ${said.trim()}`)
    }
    if (host.image !== undefined) {
      const image = this.catalogue.find(host.image)
      if (image === null) throw new RangeError(`${host.name}: unknown image ${JSON.stringify(host.image)}`)
      for (const [name, program] of image.programs) machine.place.programs.set(name, program)
      for (const [path, text] of Object.entries(image.files ?? {})) machine.place.files.set(path, text)
      Object.assign(machine.place.env, image.env)
      if (image.entrypoint.length > 0) machine.place.spawn(image.entrypoint, quiet)
    }
    if (host.dns !== undefined) machine.place.launch(nameServer(nameTable(host.dns)), ['named'], quiet)
    for (const line of host.run) machine.place.shell(line, quiet)
  }

  /** A machine with eth0 on the switch. */
  #plug(name: string, ip: string, cable: CableSpec | undefined, gateway: string | undefined, slot?: Slot): Machine {
    const machine = new Machine(this.runner, name, linuxCommands(), this.#part(this.machines.size + 1))
    this.machines.set(name, machine)
    const [eth0, far] = this.#cable(name, cable, machine.world, slot)
    this.cables.set(name, [eth0, far])
    machine.netns.adopt(eth0)
    this.#switchSpace.setUp(far)
    const own = tryParseInterfaceAddress(ip)
    if (own === null) throw new RangeError(`${ip} is not an address`)
    machine.netns.addAddress(eth0, own.address, own.prefix)
    machine.netns.setUp(eth0)
    if (gateway !== undefined) this.#defaultRoute(machine.netns, eth0, parseIpv4(gateway))
    const servers = this.topology.underlay.nameservers.map((server) => `nameserver ${server}\n`)
    if (servers.length > 0) machine.place.files.set('/etc/resolv.conf', servers.join(''))
    return machine
  }

  /** A cable whose end named eth0 is loose, and whose other end is a port of the switch. */
  #cable(name: string, spec: CableSpec | undefined, world = this.world, slot?: Slot): [Veth, Veth] {
    const { underlay } = this.topology
    const { toSwitch, fromSwitch } = directionsOf(underlay.cable, spec)
    const port = slot?.name ?? this.#portName(name)
    const farWorld = this.#options.inParts === true ? this.#portWorld(this.cables.size + 1) : world
    const [loose, far] = Veth.pair(world, 'eth0', this.#randomMac(), port, this.#randomMac(), {}, farWorld)
    loose.setNetem(toSwitch)
    far.setNetem(fromSwitch)
    loose.mtu = underlay.mtu
    far.mtu = underlay.mtu
    this.#switchSpace.adopt(far, slot?.seat)
    this.switch.attach(far, slot?.port)
    return [loose, far]
  }

  /** `p-` and the machine's first label, within the 15 characters of a device name. */
  #portName(machine: string): string {
    const short = `p-${machine.split('.')[0]}`.slice(0, 15)
    return this.#switchSpace.devices.has(short) ? `p${this.#switchSpace.devices.size}-${short.slice(2, 12)}` : short
  }

  #defaultRoute(netns: Netns, device: NetDevice, gateway: Ipv4): void {
    netns.main.add(route({ destination: ANYWHERE, gateway, device }))
  }

  async #startCluster(): Promise<void> {
    const { topology } = this
    if (topology.nodes.length === 0) return
    this.#cluster = new Cluster({
      world: this.world,
      runner: this.runner,
      epochSeconds: this.epochSeconds,
      catalogue: this.catalogue,
      machines: topology.nodes.map((node) => ({
        machine: this.machines.get(node.name) as Machine,
        ip: node.ip,
        controlPlane: node.roles.includes('control-plane'),
        labels: node.labels,
        ...(node.podCIDR === undefined ? {} : { podCIDR: node.podCIDR }),
      })),
      ...topology.cluster,
    })
    this.addressNames.watch(this.#cluster.store, topology.cluster?.dns.domain ?? DOMAIN)
    await this.#cluster.ready()
    this.#cluster.store.onWarning = (sentence) => this.#reader?.err(`Warning: ${sentence}\n`)
  }

  async #apply(path: string): Promise<void> {
    const { code, output } = await this.say(`kubectl apply -f ${path}`)
    if (code !== 0) throw new RangeError(`${path}: ${output.trim()}`)
  }

  /** The workstation's own commands, and names for every machine everywhere. */
  #furnish(): void {
    const programs: [string, Program][] = [['ssh', ssh((name) => this.remote(name))]]
    if (this.#cluster !== null) programs.push(['kubectl', kubectlProgram(this.#cluster, this.#options)])
    for (const [name, program] of programs) this.workstation.programs.set(name, program)
    const names = [...this.topology.nodes, ...this.topology.hosts].map((machine) => {
      const short = machine.name.includes('.') ? ` ${machine.name.split('.')[0]}` : ''
      return `${machine.ip.split('/')[0]}\t${machine.name}${short}\n`
    })
    this.#hostsFile = `127.0.0.1\tlocalhost\n${names.join('')}`
    for (const { place } of this.machines.values()) place.files.set('/etc/hosts', this.#hostsFile)
  }

  /** The nodes that have been there for long. */
  async #launchFleet(): Promise<void> {
    const spec = this.topology.cluster?.fleet
    const cluster = this.#cluster
    if (spec === undefined || cluster === null) return
    const { world, runner, machines } = this
    // A capture from the beginning sees everything: nothing can wait.
    const lazy = spec.lazy && this.recorder === null
    this.#fleet = await launchFleet(
      { ...spec, lazy },
      {
        world,
        runner,
        cluster,
        machines,
        bridge: this.switch,
        space: this.#switchSpace,
        plug: ({ name, ip }, slot) => {
          const machine = this.#plug(name, `${ip}/${this.#prefix}`, undefined, this.#gateway, slot)
          machine.place.files.set('/etc/hosts', this.#hostsFile)
          return [machine, ...(this.cables.get(name) as readonly [Veth, Veth])]
        },
      },
    )
  }

  /** The world for the machine of this number. */
  #part(number: number): World {
    return this.#options.inParts === true ? this.world.part(number * PACKETS) : this.world
  }

  /** The world for the switch's port of the machine of this number; what it sees first has the upper half of the numbers. */
  #portWorld(number: number): World {
    return this.switchWorld.part((number + 0.5) * PACKETS)
  }

  /** Where ssh goes: by full name, or by its first label when that is clear. */
  remote(name: string): Place | null {
    const bare = name.includes('@') ? name.slice(name.indexOf('@') + 1) : name
    const exact = this.machines.get(bare)
    if (exact !== undefined) return exact.place
    const short = [...this.machines.keys()].filter((each) => each.split('.')[0] === bare)
    return short.length === 1 ? (this.machines.get(short[0])?.place ?? null) : null
  }

  /** Locally administered, unicast. */
  #randomMac(): Mac {
    const { random } = this.world
    return Uint8Array.from({ length: 6 }, (_, i) => (i === 0 ? 0x52 : i === 1 ? 0x54 : random.below(256)))
  }
}

/** What capture files of a run tell first: what made them, and makes them again. */
export function sectionOf({ name }: TopologyFile, seed: number): Section {
  const run = `${name === undefined ? 'a topology' : `topology ${name}`}, seed ${seed}`
  return { hardware: 'emulated by podwire', os: SYSTEM, comment: run }
}
