/** A Linux machine: its root network namespace, further namespaces by name (`ip netns`), and what runs on it. */
import type { World } from '../link/world.ts'
import { Netns } from '../net/netns.ts'
import { Place, type PlaceOptions } from './place.ts'
import type { ProcessMachine, Program } from './process.ts'
import type { Runner } from './run.ts'

export class Machine implements ProcessMachine {
  readonly world: World
  readonly runner: Runner
  readonly name: string
  /** Its root network namespace. */
  readonly netns: Netns
  /** Where commands typed on the machine itself run. */
  readonly place: Place
  /** Named network namespaces, as `ip netns` lists them. */
  readonly namespaces = new Map<string, Netns>()
  /** Containers and other places on this machine, by name. */
  readonly places = new Map<string, Place>()
  onCommand: ((argv: readonly string[]) => void) | null = null

  /** `name` may be fully qualified; programs are what is installed (see commands/table.ts). `world` may be its own part of one. */
  constructor(runner: Runner, name: string, programs: ReadonlyMap<string, Program>, world = runner.world) {
    this.runner = runner
    this.world = world
    this.name = name
    this.netns = new Netns(world, name)
    this.place = new Place(this, name, this.netns, { hostname: name, programs })
    this.place.files.set('/etc/hostname', `${name}\n`)
    this.place.files.set('/etc/hosts', `127.0.0.1\tlocalhost\n127.0.1.1\t${name}\n`)
    // PID 1 is the machine's init.
    this.place.pids.next = 2
  }

  /** A place of its own on this machine: a container, or a shell in a namespace. */
  addPlace(name: string, netns: Netns, options: PlaceOptions): Place {
    const place = new Place(this, name, netns, options)
    this.places.set(name, place)
    return place
  }

  /** Kills what runs there and forgets it. */
  removePlace(name: string, signal: number): void {
    this.places.get(name)?.killAll(signal)
    this.places.delete(name)
  }
}
