/** What a namespace says in its machine's log, besides what its devices do. */
import { type KernelLog, LogLevel } from '../link/kernel-log.ts'
import type { Netfilter } from '../netfilter/netfilter.ts'
import type { NeighbourTable } from './neighbour.ts'
import type { Sysctl } from './sysctl.ts'

interface Speaker {
  readonly kernelLog: KernelLog
  readonly netfilter: Netfilter
  readonly neighbours: NeighbourTable
  readonly sysctl: Sysctl
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

  /** Connects what a namespace has with the log. `own`: it is the machine's own namespace (init_net). */
  connect({ netfilter, neighbours, sysctl }: Speaker, own: boolean): void {
    const { log } = this
    const inode = own ? INIT_INODE : FIRST_INODE + this.#born++
    const where = own ? '' : ` in netns ${inode}`
    netfilter.rules.onRefused = (text) => log.print(LogLevel.INFO, text)
    // __nf_conntrack_alloc; module and text have the same name in front.
    netfilter.conntrack.onFull = () => {
      if (log.allows()) log.print(LogLevel.WARNING, `nf_conntrack: nf_conntrack: table full${where}, dropping packet`)
    }
    neighbours.onOverflow = () => {
      if (log.allows()) log.print(LogLevel.INFO, 'neighbour: arp_cache: neighbor table overflow!')
    }
    if (!own) return
    sysctl.ofMachine = true
    sysctl.watch((changed, value) => {
      if (changed === 'net.core.message_cost') log.cost = Number(value)
      if (changed === 'net.core.message_burst') log.burst = Number(value)
      if (changed === 'net.netfilter.nf_log_all_netns') log.allNamespaces = Number(value) !== 0
    })
  }
}
