/**
 * What is set on a device and hardly ever meets a frame: names and flags that listings show, IFF_ALLMULTI and filters
 * (only macvlans look at destinations), and the queue length that a new fifo takes as its limit.
 */
import type { Mac } from '../wire/address.ts'

export class LinkSettings {
  /** `ip link set alias`; empty: none. */
  alias = ''
  /** `ip link property add altname`: further names, in the order in which they came. */
  readonly altNames: string[] = []
  /** Addresses and groups that it was told to let in besides its own (dev_uc_add, dev_mc_add). Macvlans read the groups. */
  readonly unicastFilter: Mac[] = []
  readonly groupFilter: Mac[] = []
  /** IFLA_GROUP: 0 is `default`. */
  group = 0
  /** Packets (tx_queue_len). */
  txQueueLength = 1000
  /** IFF_ALLMULTI. */
  allMulticast = false
  /** IFF_MULTICAST. */
  multicast: boolean
  /** IFF_DYNAMIC. */
  dynamic = false
  /** IFF_NOTRAILERS. */
  noTrailers = false

  constructor(multicast: boolean) {
    this.multicast = multicast
  }
}
