/** Which packet of one recording is which of the other: by flow and by order, not by time or number. */
import { instanceOf, SharedNames } from './diff-names.ts'
import { headersOf, innermost } from './headers.ts'
import type { Recording, SeenFrame } from './recording.ts'

/** The packets of one direction of one flow, in order, each by its frames. */
export interface FlowPackets {
  /** `TCP default/client → 10.96.0.10:80`. */
  readonly name: string
  readonly packets: SeenFrame[][]
}

export interface Side {
  readonly recording: Recording
  readonly names: SharedNames
  /** By name and number: the second connection of the same kind is `… #2`. */
  readonly flows: Map<string, FlowPackets>
  /** Packets that are not IPv4, ARP for one: they come and go with time. */
  readonly others: number
}

export function sideOf(recording: Recording): Side {
  const names = new SharedNames(recording)
  const flows = new Map<string, FlowPackets>()
  /** Exact ends of each flow, by its name: their order gives the number. */
  const instances = new Map<string, string[]>()
  let others = 0
  for (const frames of packetsOf(recording)) {
    const headers = headersOf(frames[0].bytes)
    const ip = headers === null ? null : innermost(headers).ip
    if (ip === null) {
      others++
      continue
    }
    const name = names.flow(ip)
    const exact = instanceOf(ip)
    const known = instances.get(name) ?? []
    if (!known.includes(exact)) known.push(exact)
    instances.set(name, known)
    const key = `${name} #${known.indexOf(exact) + 1}`
    const flow = flows.get(key) ?? { name, packets: [] }
    flow.packets.push(frames)
    flows.set(key, flow)
  }
  return { recording, names, flows, others }
}

/** In the order of their first frames. */
function packetsOf(recording: Recording): SeenFrame[][] {
  const packets = new Map<number, SeenFrame[]>()
  for (const frame of recording.frames) {
    const id = frame.packetId ?? -frame.number
    const frames = packets.get(id)
    if (frames === undefined) packets.set(id, [frame])
    else frames.push(frame)
  }
  return [...packets.values()]
}
