/** A flow as it was at one moment: taken fast, and made a flow again only when somebody wants its text. */
import { Flow, type Tuple } from './flow.ts'
import { TcpTrack } from './tcp-track.ts'

interface Numbers {
  readonly protocol: number
  readonly source: number
  readonly destination: number
  readonly sourcePort: number
  readonly destinationPort: number
}

function numbersOf({ protocol, source, destination, sourcePort, destinationPort }: Tuple): Numbers {
  return { protocol, source, destination, sourcePort, destinationPort }
}

function setTuple(tuple: Tuple, from: Numbers): void {
  tuple.set(
    from.protocol,
    from.source as Tuple['source'],
    from.destination as Tuple['source'],
    from.sourcePort,
    from.destinationPort,
  )
}

/** -1 in place of a TCP state: the flow is not TCP's. */
const NO_TCP = -1

export class FlowSnapshot {
  readonly #flow: Flow
  readonly #original: Numbers
  readonly #reply: Numbers
  readonly status: number
  readonly #mark: number
  readonly tcpState: number
  readonly #counts: readonly [number, number, number, number] | null
  #still: Flow | null = null

  constructor(flow: Flow) {
    this.#flow = flow
    this.#original = numbersOf(flow.original)
    this.#reply = numbersOf(flow.reply)
    this.status = flow.status
    this.#mark = flow.mark
    this.tcpState = flow.tcp === null ? NO_TCP : flow.tcp.state
    this.#counts = flow.accounted
      ? [flow.originalPackets, flow.originalBytes, flow.replyPackets, flow.replyBytes]
      : null
  }

  /** It is in no table. */
  get flow(): Flow {
    this.#still ??= this.#made()
    return this.#still
  }

  #made(): Flow {
    const { id, owner, masquerade } = this.#flow
    const made = new Flow(id, owner)
    setTuple(made.original, this.#original)
    setTuple(made.reply, this.#reply)
    made.status = this.status
    made.mark = this.#mark
    made.masquerade = masquerade
    if (this.#counts !== null) {
      made.accounted = true
      ;[made.originalPackets, made.originalBytes, made.replyPackets, made.replyBytes] = this.#counts
    }
    if (this.tcpState !== NO_TCP) {
      made.tcp = new TcpTrack()
      made.tcp.adopt(this.tcpState)
    }
    return made
  }
}
