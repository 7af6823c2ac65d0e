/**
 * What is set on a device and meets no frame here: names and flags that listings show, IFF_MULTICAST and IFF_ALLMULTI
 * (no device of ours filters by address), and the queue length that a new fifo takes as its limit.
 */
export class LinkSettings {
  /** `ip link set alias`; empty: none. */
  alias = ''
  /** `ip link property add altname`: further names, in the order in which they came. */
  readonly altNames: string[] = []
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

  constructor(multicast = true) {
    this.multicast = multicast
  }
}
