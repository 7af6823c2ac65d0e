/** `observe.flows`: what happens to the entries of conntrack, as `conntrack -E` tells it. */
import { Observable } from 'rxjs'
import type { World } from '../link/world.ts'
import { Netns } from '../net/netns.ts'
import type { Flow, Tuple } from '../netfilter/flow.ts'
import type { FlowEvent, FlowTable } from '../netfilter/flow-table.ts'
import { flowProtocolName, formatEvent } from '../netfilter/flow-text.ts'
import type { Nanos } from '../sim/scheduler.ts'
import { formatIpv4 } from '../wire/address.ts'
import { Hub, Hubs } from './hub.ts'
import { type LabLike, waker, watchNamespaces, worldOf } from './source.ts'

/** One direction of a flow. */
export interface ObservedTuple {
  readonly source: string
  readonly destination: string
  /** For ICMP the identifier, and type × 256 + code. */
  readonly sourcePort: number
  readonly destinationPort: number
}

export interface ObservedFlow {
  readonly time: Nanos
  /** The namespace. */
  readonly where: string
  readonly event: FlowEvent
  /** The same for all events of one flow in its namespace. */
  readonly id: number
  /** `tcp`, `udp`, `icmp`, `unknown`. */
  readonly protocol: string
  readonly original: ObservedTuple
  readonly reply: ObservedTuple
  /** The line of `conntrack -E`, without what is in front of it. */
  readonly text: string
}

const readers = new Hubs<FlowTable, [FlowEvent, Flow, number]>(
  (table) =>
    new Hub(
      () => table.onEvent,
      (call) => {
        table.onEvent = call
      },
    ),
)

/**
 * Of one namespace, which completes when the namespace vanishes, or of all namespaces of a lab or world, those that come
 * later included. Flows that began unobserved are told of only if nf_conntrack_events is 1, as in Linux.
 */
export function flows(source: LabLike | World | Netns): Observable<ObservedFlow> {
  const world = worldOf(source)
  return new Observable((subscriber) => {
    const ends = new Map<Netns, () => void>()
    const detach = (netns: Netns) => {
      ends.get(netns)?.()
      ends.delete(netns)
    }
    const attach = (netns: Netns) => {
      const { flows: table } = netns.netfilter.conntrack
      const end = readers.at(table).add((event, flow) => {
        if (!subscriber.closed) subscriber.next(observed(netns, event, flow))
      })
      ends.set(netns, end)
    }
    if (source instanceof Netns) attach(source)
    const stop = watchNamespaces(
      world,
      (netns) => {
        if (!(source instanceof Netns)) attach(netns)
      },
      (netns) => {
        if (netns === source) subscriber.complete()
        else if (!(source instanceof Netns)) detach(netns)
      },
    )
    const wake = waker(source)
    return () => {
      stop()
      for (const netns of [...ends.keys()]) detach(netns)
      wake()
    }
  })
}

function observed(netns: Netns, event: FlowEvent, flow: Flow): ObservedFlow {
  const time = netns.world.scheduler.now
  return {
    time,
    where: netns.name,
    event,
    id: flow.id,
    protocol: flowProtocolName(flow.protocol),
    original: tuple(flow.original),
    reply: tuple(flow.reply),
    // What a flow is changes: the text must be made now.
    text: formatEvent(event, flow, time).trim(),
  }
}

function tuple({ source, destination, sourcePort, destinationPort }: Tuple): ObservedTuple {
  return { source: formatIpv4(source), destination: formatIpv4(destination), sourcePort, destinationPort }
}
