/** What a namespace says in its machine's log, besides what its devices do. */
import { type KernelLog, LogLevel } from '../link/kernel-log.ts'
import type { Netfilter } from '../netfilter/netfilter.ts'
import type { NeighbourTable } from './neighbour.ts'
import type { Sysctl } from './sysctl.ts'

/** A namespace; the machine's own (init_net) is its own root. */
interface Entering {
  readonly root: object
  readonly sysctl: Sysctl
  readonly neighbours: NeighbourTable
}

/** PROC_NET_INIT_INO, and where the numbers of further namespaces begin on a machine that has just started. */
const INIT_INODE = 4_026_531_833
const FIRST_INODE = 4_026_532_200

/** The namespaces of one machine: their log, and their numbers (ns.inum). */
export class KernelMessages {
  readonly log: KernelLog
  #born = 0

  constructor(log: KernelLog) {
    this.log = log
  }

  /** A namespace comes into being: its number. */
  enter(netns: Entering): number {
    netns.neighbours.onOverflow = this.#overflow
    if (netns.root !== netns) return FIRST_INODE + this.#born++
    this.#own(netns.sysctl)
    return INIT_INODE
  }

  /** Gives a namespace's netfilter a voice. */
  connect(netfilter: Netfilter, inode: number): Netfilter {
    const { log } = this
    const where = inode === INIT_INODE ? '' : ` in netns ${inode}`
    netfilter.rules.onRefused = (text) => log.print(LogLevel.INFO, text)
    // __nf_conntrack_alloc; module and text have the same name in front.
    netfilter.conntrack.onFull = () => {
      if (log.allows()) log.print(LogLevel.WARNING, `nf_conntrack: nf_conntrack: table full${where}, dropping packet`)
    }
    return netfilter
  }

  /** A neighbour found no room. */
  readonly #overflow = (): void => {
    const { log } = this
    if (log.allows()) log.print(LogLevel.INFO, 'neighbour: arp_cache: neighbor table overflow!')
  }

  /** The machine's own namespace has some switches alone. */
  #own(sysctl: Sysctl): void {
    const { log } = this
    sysctl.ofMachine = true
    sysctl.watch((changed, value) => {
      if (changed === 'net.core.message_cost') log.cost = Number(value)
      if (changed === 'net.core.message_burst') log.burst = Number(value)
      if (changed === 'net.netfilter.nf_log_all_netns') log.allNamespaces = Number(value) !== 0
    })
  }
}
