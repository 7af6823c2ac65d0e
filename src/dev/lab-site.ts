/** What every part of a lab is built on: the world, its machines, and the places where commands run. */
import { createHash } from 'node:crypto'
import { linuxCommands } from '../host/commands/table.ts'
import { Machine } from '../host/machine.ts'
import type { Place } from '../host/place.ts'
import { Runner } from '../host/run.ts'
import type { NetDevice } from '../link/device.ts'
import type { Netem } from '../link/veth.ts'
import { World } from '../link/world.ts'
import type { Netns } from '../net/netns.ts'
import { MICROSECOND } from '../sim/scheduler.ts'
import { type Ipv4, type Mac, macOf, parseCidr, parseIpv4 } from '../wire/address.ts'
import type { Lab, LabPod } from './lab-file.ts'

export const POD_CABLE: Netem = { delay: 10 * MICROSECOND }
export const UNDERLAY_CABLE: Netem = { delay: 20 * MICROSECOND }
export const ANYWHERE = parseCidr('0.0.0.0/0')
export const VXLAN_OVERHEAD = 50

export class LabSite {
  readonly lab: Lab
  readonly world: World
  readonly runner: Runner
  /** Where commands run, by name: pods, containers, nodes, hosts, and `sw`. */
  readonly places = new Map<string, Place>()
  readonly machines = new Map<string, Machine>()

  constructor(lab: Lab, seed: number) {
    this.lab = lab
    this.world = new World(seed)
    this.runner = new Runner(this.world)
  }

  addMachine(name: string): Machine {
    const machine = new Machine(this.runner, name, linuxCommands())
    this.machines.set(name, machine)
    this.places.set(name, machine.place)
    return machine
  }

  machine(name: string): Machine {
    const machine = this.machines.get(name)
    if (machine === undefined) throw new Error(`the lab has no machine ${name}`)
    return machine
  }

  /** A place on a machine, by its name in the lab. */
  addPlace(machine: Machine, name: string, netns: Netns, hostname = name): Place {
    const place = machine.addPlace(name, netns, { hostname, programs: linuxCommands() })
    this.places.set(name, place)
    return place
  }

  /** The place of a pod, with the resolv.conf that its kubelet writes. */
  addPodPlace(pod: LabPod, netns: Netns): void {
    const place = this.addPlace(this.machine(pod.node), pod.name, netns)
    place.files.set('/etc/hosts', '127.0.0.1\tlocalhost\n')
    const { dns } = this.lab
    if (dns !== undefined && !pod.hostNetwork) {
      const search = dns.search ?? 'default.svc.cluster.local svc.cluster.local cluster.local'
      place.files.set('/etc/resolv.conf', `search ${search}\nnameserver ${dns.server}\noptions ndots:5\n`)
    }
  }

  /** Types a command that must work; `;` joins several. */
  async type(machine: Machine, line: string): Promise<void> {
    let said = ''
    const keep = (text: string) => {
      said += text
    }
    const code = await this.runner.until(machine.place.shell(line, { out: keep, err: keep }).exit)
    if (code !== 0) throw new Error(`${machine.name}: ${line}: ${said}`)
  }

  /** As the CNI plugin is told, whatever the underlay can carry. */
  podMtu(): number {
    return this.lab.backend === 'host-gw' ? 1500 : 1500 - VXLAN_OVERHEAD
  }

  /** A tunnel that asks for as much gets what its lower device leaves it (vxlan_config_apply). */
  tunnelMtu(lower: NetDevice): number {
    return Math.min(1500, lower.mtu) - VXLAN_OVERHEAD
  }
}

export function becomeRouter(netns: Netns): void {
  netns.sysctl.set('net.ipv4.ip_forward', '1')
  netns.sysctl.set('net.ipv4.conf.all.route_localnet', '1')
}

/** The host-side device of a pod or container. */
export function vethName(name: string): string {
  return `veth${sha1(name).slice(0, 8)}`
}

export function sha1(text: string): string {
  return createHash('sha1').update(text).digest('hex')
}

export function podMac(address: Ipv4): Mac {
  return macOf(0x0a, 0x58, address)
}

export function vethMac(address: Ipv4): Mac {
  return macOf(0xfe, 0x58, address)
}

export function nodeMac(address: string): Mac {
  return macOf(0x52, 0x54, parseIpv4(address))
}

export function dockerMac(address: Ipv4): Mac {
  return macOf(0x02, 0x42, address)
}
