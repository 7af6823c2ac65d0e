/**
 * What IPVS does to conntrack's entries (ip_vs_nfct.c): with net.ipv4.vs.conntrack it keeps them, and makes the reply
 * tuple say where the answers really come from. Without it a packet that IPVS sends on is of no flow.
 */
import type { Frame } from '../../link/frame.ts'
import { IPPROTO_ICMP } from '../../wire/ipv4.ts'
import type { Flow } from '../flow.ts'
import type { FlowTable } from '../flow-table.ts'
import { CtInfo, isReply, Status } from '../status.ts'
import type { Connection } from './connection.ts'

export class Conntracked {
  readonly #flows: FlowTable

  constructor(flows: FlowTable) {
    this.#flows = flows
  }

  /** ip_vs_update_conntrack on the way to the real server. */
  towards(frame: Frame, connection: Connection): void {
    if (!connection.tracked) return untrack(frame)
    const flow = fresh(frame)
    if (flow === null || connection.once || connection.unanswered) return
    flow.reply.source = connection.destination
    if (flow.protocol !== IPPROTO_ICMP) flow.reply.sourcePort = connection.destinationPort
  }

  /** The same on the way back to the client. */
  back(frame: Frame, connection: Connection): void {
    if (!connection.tracked) return untrack(frame)
    const flow = fresh(frame)
    if (flow === null || connection.once) return
    flow.reply.destination = connection.virtual
    if (flow.protocol !== IPPROTO_ICMP) flow.reply.destinationPort = connection.virtualPort
  }

  /** The connection has ended: so has its flow (ip_vs_conn_drop_conntrack). */
  drop({ protocol, client, clientPort, virtual, virtualPort, template }: Connection): void {
    if (template) return
    const flows = this.#flows
    const tuple = flows.find(protocol, client, virtual, clientPort, virtualPort)
    if (tuple !== null) flows.remove(tuple.flow)
  }

  /** Would the packet go on by an old entry that leads elsewhere (ip_vs_conn_uses_old_conntrack)? */
  old(frame: Frame): boolean {
    const flow = frame.tracked as Flow | null
    return flow !== null && (flow.status & Status.CONFIRMED) !== 0
  }
}

/** ip_vs_notrack. */
function untrack(frame: Frame): void {
  if (frame.tracked === null) return
  frame.tracked = null
  frame.trackedInfo = CtInfo.UNTRACKED
}

/** The flow whose first packet this is. */
function fresh(frame: Frame): Flow | null {
  const flow = frame.tracked as Flow | null
  if (flow === null || (flow.status & (Status.CONFIRMED | Status.DYING)) !== 0) return null
  return isReply(frame.trackedInfo) ? null : flow
}
