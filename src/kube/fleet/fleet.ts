/**
 * A fleet: nodes that have been in the cluster since before the world began, with what runs on them. The API has all of it
 * from the start. A node's machine, and a pod's namespace and processes, are made when something is meant for them: a frame,
 * a command, a change of their object. What is drawn for one comes from a seed of its own, so when it is made makes no
 * difference to anybody.
 *
 *   Population ─▶ Store            the objects, without events, and without history
 *   Directory ─▶ Flannel           ways to nodes, led when they are needed
 *   StandingServices ─▶ KubeProxy  rules of Services, written when they are asked for
 *   Dormitory ─▶ Bridge            who is asked for wakes up
 */
import type { Machine } from '../../host/machine.ts'
import { Veth } from '../../link/veth.ts'
import type { World } from '../../link/world.ts'
import { Dormitory } from '../../net/dormitory.ts'
import type { Netns } from '../../net/netns.ts'
import { seatBehind } from '../../net/seats.ts'
import { parseIpv4 } from '../../wire/address.ts'
import { FIRST_POD } from '../cni/bridge.ts'
import { type FlannelBackend, peerOf } from '../cni/flannel.ts'
import type { CniPins } from '../cni/plugin.ts'
import type { Controllers } from '../controllers/start.ts'
import type { PodCidrs } from '../ipam.ts'
import { callKubelets } from '../kubelet.ts'
import type { LazyMap } from '../lazy-map.ts'
import type { KubeNode } from '../node.ts'
import type { Node, Pod } from '../objects.ts'
import type { ImageSource } from '../runtime.ts'
import type { StandingServices } from '../service-selection.ts'
import type { Store } from '../store.ts'
import { type AppsOptions, appsOf } from './apps.ts'
import { Directory, type Member, type MemberOptions, membersOf, seedOf } from './member.ts'
import { Population } from './population.ts'
import { checkQuiet } from './quiet.ts'

export interface FleetOptions extends MemberOptions {
  /** Made when they are needed; false: all at once. */
  readonly lazy: boolean
  readonly apps?: AppsOptions | undefined
}

/** What a fleet needs of its cluster. */
export interface FleetHost {
  readonly store: Store
  readonly world: World
  readonly nodes: LazyMap<string, KubeNode>
  readonly backend: FlannelBackend
  readonly cidrs: PodCidrs
  readonly controllers: Controllers
  readonly services: StandingServices
  readonly images: ImageSource
  makeNode(member: Member, machine: Machine): KubeNode
}

/** What lists a node's rules. */
const RULES = /^(.*\/)?(ip6?tables|nft|xtables|ebtables)/

export class Fleet {
  readonly members: readonly Member[]
  readonly #options: FleetOptions
  readonly #host: FleetHost
  readonly #machineOf: (name: string) => Machine
  readonly #directory: Directory
  readonly #population: Population
  /** The cluster's other nodes. */
  readonly #others: readonly string[]
  /** Told of a member on which a command begins; null: nobody asks. */
  onCommand: ((node: KubeNode) => void) | null = null

  /** `machineOf` makes a member's machine. @throws PlanError when it does not fit. */
  constructor(host: FleetHost, options: FleetOptions, machineOf: (name: string) => Machine) {
    const { store, world, nodes, cidrs, backend } = host
    this.#host = host
    this.#options = options
    this.#machineOf = machineOf
    this.members = membersOf(options, world.seed, cidrs, backend)
    this.#directory = new Directory(this.members)
    this.#population = new Population(store, world.random, this.members, host.controllers, host.services)
    this.#others = [...nodes.keys()]
    this.members.forEach(({ name }, number) => {
      nodes.promise(name, () => this.#wake(number))
    })
    for (const node of nodes.made()) this.#introduce(node)
    callKubelets(store, (name) => void nodes.get(name))
    store.listen('Node', ({ type, object }) => {
      if (type === 'DELETED') this.#directory.leave(object.metadata.name)
    })
  }

  /** Can its pods sleep? @throws PlanError */
  async check(): Promise<void> {
    const { apps } = this.#options
    if (apps !== undefined) await checkQuiet(this.#host.images, apps.image, apps.args)
  }

  /** The API's objects of it all. Unless it is lazy, everything else as well. */
  populate(): void {
    const { store, world, backend } = this.#host
    const { apps, lazy } = this.#options
    world.random.during(seedOf(world.seed, 'fleet'), () => {
      store.clock.during(0, () => {
        store.quietly(() => {
          this.#population.addNodes(backend)
          for (const object of apps === undefined ? [] : appsOf(apps)) this.#population.add(object)
        })
      })
    })
    // The daemon sets count their pods, and the name of this node stands for all.
    store.tellAgain(store.get<Node>('Node', null, this.members[0].name) as Node)
    if (!lazy) for (const { name } of this.members) this.wake(name)
  }

  /** Makes a node and its pods now. */
  wake(name: string): void {
    const node = this.#host.nodes.get(name)
    if (node !== undefined) wakePods(node)
  }

  /** A node that is there, from now on one of the fleet's neighbours. */
  #introduce(node: KubeNode): void {
    node.flannel.follow(this.#directory)
    node.machine.onCommand = (argv) => {
      this.onCommand?.(node)
      wakePods(node)
      if (RULES.test(argv[0] ?? '')) node.proxy.writeAll()
    }
  }

  #wake(number: number): KubeNode {
    const { world, store } = this.#host
    const member = this.members[number]
    const machine = this.#machineOf(member.name)
    return world.random.during(seedOf(world.seed, `node ${member.name}`), () =>
      asBefore(machine, () => {
        const node = this.#host.makeNode(member, machine)
        node.resume()
        for (const name of this.#others) {
          const other = store.get<Node>('Node', null, name)
          const peer = other === null ? null : peerOf(other)
          if (peer !== null) node.flannel.join(peer)
        }
        this.#layUp(node, number)
        for (const uid of this.#population.daemons[number]) {
          const pod = store.find(uid) as Pod | null
          if (pod !== null) node.kubelet.resume(pod).resume({ standing: true })
        }
        this.#introduce(node)
        return node
      }),
    )
  }

  /** Its pods have their addresses, interface indices and ports, and sleep. */
  #layUp(node: KubeNode, number: number): void {
    const uids = this.#population.pods[number]
    const { podCidr } = this.members[number].peer
    const { cni, kubelet, machine } = node
    const bridge = cni.ensureBridge()
    cni.keep(uids)
    const seat = machine.netns.reserve(uids.length)
    const port = bridge.reserve(uids.length)
    const numbers = new Map(uids.map((uid, i) => [uid, i]))
    const dormitory = new Dormitory(
      bridge,
      uids.length,
      (address) => {
        const i = address - podCidr.network - FIRST_POD
        return i >= 0 && i < uids.length ? i : -1
      },
      (i) => {
        numbers.delete(uids[i])
        this.#wakePod(node, uids[i], dormitory, { seat: seatBehind(seat, i), port: port + i })
      },
    )
    bridge.sleepers = dormitory
    kubelet.sleepers = {
      has: (uid) => numbers.has(uid),
      wake: (uid) => dormitory.wake(numbers.get(uid) as number),
      wakeAll: () => dormitory.wakeAll(),
    }
  }

  #wakePod(node: KubeNode, uid: string, dormitory: Dormitory, place: Place): void {
    const { store, world } = this.#host
    const { cni, kubelet, machine } = node
    cni.yieldTo(uid)
    const pod = store.find(uid) as Pod | null
    if (pod === null) return
    world.random.during(seedOf(world.seed, uid), () =>
      asBefore(machine, () => {
        const address = parseIpv4(pod.status.podIP ?? '')
        const sandbox = kubelet.resume(pod).resume({ ...place, address, standing: true })
        const eth0 = sandbox.netns.devices.get('eth0') as Veth
        if (eth0.peer !== null) dormitory.settle(eth0, eth0.peer)
        // As they would stand if all had begun in turn.
        sortBy(machine.namespaces, seatOf)
        sortBy(node.runtime.sandboxes, ({ netns }) => seatOf(netns))
      }),
    )
  }
}

type Place = Pick<CniPins, 'seat' | 'port'>

function wakePods(node: KubeNode): void {
  node.kubelet.sleepers?.wakeAll()
}

/** The kernel tells nothing of it: it happened long ago. */
function asBefore<T>({ netns }: Machine, action: () => T): T {
  const { kernelLog } = netns
  const before = kernelLog.muted
  kernelLog.muted = true
  try {
    return action()
  } finally {
    kernelLog.muted = before
  }
}

/** Where a pod's interface stands on its node; behind all others for what has none there. */
function seatOf({ devices }: Netns): number {
  const eth0 = devices.get('eth0')
  return eth0 instanceof Veth && eth0.peer !== null ? eth0.peer.index : Number.POSITIVE_INFINITY
}

function sortBy<V>(map: Map<string, V>, placeOf: (value: V) => number): void {
  const entries = [...map].map(([key, value]) => ({ key, value, at: placeOf(value) }))
  entries.sort((a, b) => (a.at === b.at ? 0 : a.at - b.at))
  map.clear()
  for (const { key, value } of entries) map.set(key, value)
}
