/** A fleet's machines on the switch: plugged in from the start, and made when somebody has to do with them. */
import type { Machine } from '../host/machine.ts'
import type { Runner } from '../host/run.ts'
import type { Cluster } from '../kube/cluster.ts'
import type { Fleet, FleetOptions } from '../kube/fleet/fleet.ts'
import { type Member, seedOf } from '../kube/fleet/member.ts'
import type { LazyMap } from '../kube/lazy-map.ts'
import type { Bridge } from '../link/bridge.ts'
import type { Veth } from '../link/veth.ts'
import type { World } from '../link/world.ts'
import { Bystanders } from '../net/bystanders.ts'
import { Dormitory } from '../net/dormitory.ts'
import type { Netns } from '../net/netns.ts'
import { type Seat, seatBehind } from '../net/seats.ts'
import { SECOND } from '../sim/scheduler.ts'

/** The switch's end of a cable, kept for a machine. */
export interface Slot {
  readonly name: string
  readonly seat: Seat
  readonly port: number
}

/** What a fleet needs of its lab. */
export interface FleetSite {
  readonly world: World
  readonly runner: Runner
  readonly cluster: Cluster
  readonly machines: LazyMap<string, Machine>
  /** The switch, and the namespace that it is in. */
  readonly bridge: Bridge
  readonly space: Netns
  /** The machine, its eth0, and the switch's end. */
  plug(member: Member, slot: Slot): readonly [Machine, Veth, Veth]
}

/** Until controllers have looked at what has joined. */
const SETTLING = SECOND / 10

export async function launchFleet(options: FleetOptions, site: FleetSite): Promise<Fleet> {
  const { cluster, machines, bridge, space, world } = site
  const fleet = cluster.addFleet(options, (name) => machines.get(name) as Machine)
  const { members } = fleet
  await fleet.check()
  const seat = space.reserve(members.length)
  const port = bridge.reserve(members.length)
  const first = members[0].peer.publicIp
  const dormitory = new Dormitory(
    bridge,
    members.length,
    (address) => (address >= first && address < first + members.length ? address - first : -1),
    (number) => void cluster.nodes.get(members[number].name),
  )
  const bystanders = new Bystanders(bridge)
  dormitory.bystanders = bystanders
  // Whoever types there may look at the counters, and change anything.
  fleet.onCommand = ({ machine }) => bystanders.attend(machine.netns)
  const make = (member: Member, number: number) => {
    const slot = { name: portNameOf(member.name, number), seat: seatBehind(seat, number), port: port + number }
    space.kernelLog.muted = true
    const [machine, eth0, far] = site.plug(member, slot)
    space.kernelLog.muted = false
    // What the kernel said when it began has long left the ring.
    machine.netns.kernelLog.clear()
    dormitory.wake(number)
    dormitory.settle(eth0, far)
    bystanders.add({ netns: machine.netns, eth0, far, address: member.peer.publicIp })
    return machine
  }
  members.forEach((member, number) => {
    const seed = seedOf(world.seed, `machine ${member.name}`)
    machines.promise(member.name, () => world.random.during(seed, () => make(member, number)))
  })
  bridge.sleepers = dormitory
  fleet.populate()
  // Daemon sets count their pods.
  await site.runner.runFor(SETTLING)
  return fleet
}

function portNameOf(machine: string, number: number): string {
  const name = `p-${machine}`
  return name.length <= 15 ? name : `p-fleet${number}`
}
