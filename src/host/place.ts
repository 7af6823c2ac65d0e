/**
 * Where commands run: a machine's own namespaces, or a container: a network namespace, a host name, a few files,
 * a set of programs, and processes numbered from 1 (the PID namespace).
 */
import type { Netns } from '../net/netns.ts'
import { began, ended, type Programs } from '../socket/programs.ts'
import { Sockets } from '../socket/sockets.ts'
import {
  commandName,
  type Io,
  Killed,
  Process,
  type ProcessMachine,
  type ProcessPlace,
  type Program,
  type Running,
} from './process.ts'

export interface PlaceOptions {
  readonly hostname: string
  readonly programs: ReadonlyMap<string, Program>
  readonly env?: Readonly<Record<string, string>>
  readonly workdir?: string
  readonly files?: Readonly<Record<string, string>>
  readonly confined?: boolean
}

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

export class Place implements ProcessPlace, Programs {
  /** For people: `node1`, or `default/web/nginx`. */
  readonly name: string
  readonly machine: ProcessMachine
  readonly netns: Netns
  hostname: string
  workdir: string
  /** By absolute path: /etc/resolv.conf, /etc/hosts, what people write. */
  readonly files: Map<string, string>
  /** Made by mkdir; those that files are in exist without being here. */
  readonly directories: Set<string> = new Set<string>()
  readonly programs: Map<string, Program>
  readonly env: Record<string, string>
  readonly confined: boolean
  readonly processes: Map<number, Process> = new Map<number, Process>()
  /** The PID of the next process. */
  readonly pids: { next: number } = { next: 1 }

  constructor(machine: ProcessMachine, name: string, netns: Netns, options: PlaceOptions) {
    this.machine = machine
    this.name = name
    this.netns = netns
    // TCP, UDP and ICMP are there before anybody opens a socket: closed ports must answer.
    Sockets.of(netns)
    this.hostname = options.hostname
    this.confined = options.confined ?? false
    this.workdir = options.workdir ?? '/'
    this.files = new Map(Object.entries(options.files ?? {}))
    this.programs = new Map(options.programs)
    this.env = { PATH, HOSTNAME: options.hostname, HOME: '/root', ...options.env }
  }

  /** The program of this name or path (`/bin/sh`); null when there is none. */
  find(name: string): Program | null {
    return this.programs.get(name) ?? this.programs.get(name.slice(name.lastIndexOf('/') + 1)) ?? null
  }

  spawn(argv: readonly string[], io: Io): Running {
    return this.launch(null, argv, io)
  }

  /** Runs this function, or with null the program that argv names. */
  launch(program: Program | null, argv: readonly string[], io: Io): Running {
    if (this.machine.onCommand !== null && this.netns === this.machine.netns) this.machine.onCommand(argv)
    const process = new Process(this, this.pids.next++, argv, io)
    this.processes.set(process.pid, process)
    began(this.netns, this)
    // Started from inside an event, it goes on before time does.
    this.machine.runner.wake()
    return { process, exit: live(this, process, program ?? this.find(argv[0] ?? '')) }
  }

  /** `sh -c LINE`. */
  shell(line: string, io: Io): Running {
    return this.spawn(['sh', '-c', line], io)
  }

  /** Which of its processes holds this socket. */
  holderOf(socket: object): string | null {
    for (const process of this.processes.values()) {
      for (const { holder } of process.sockets()) {
        if (holder === socket) return `${commandName(process)} (pid ${process.pid})`
      }
    }
    return null
  }

  /** The end of a container: everything in it is killed. */
  killAll(signal: number): void {
    for (const process of [...this.processes.values()]) process.kill(signal)
  }
}

/** From start to exit code. */
async function live(place: Place, process: Process, program: Program | null): Promise<number> {
  try {
    if (program === null) {
      process.err(`${process.args[0] ?? ''}: command not found\n`)
      return 127
    }
    const code = await program(process)
    return process.killed ? 128 + process.signal : code
  } catch (error) {
    if (error instanceof Killed) return 128 + error.signal
    throw error
  } finally {
    place.processes.delete(process.pid)
    if (place.processes.size === 0) ended(place.netns, place)
    process.release()
  }
}
