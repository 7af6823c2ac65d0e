/**
 * What explanations are made of, wherever it comes from: frames at interfaces, each with the decisions about it. A lab that
 * was traced gives all of it (lab-recording.ts); a capture file that podwire wrote gives what its comments hold
 * (file-recording.ts).
 */
import type { Ipv4 } from '../wire/address.ts'

/** A decision about a packet, as words. */
export interface Reason {
  /** The same decision, told at two frames, has the same identity. */
  readonly told: object
  /** In nanoseconds since the first frame; null where the source does not tell. */
  readonly time: number | null
  /** The namespace that decided: `w1.example.com`, `default/web-1`; null where the source does not tell. */
  readonly where: string | null
  /** A DecisionKind; null where the source does not tell. */
  readonly kind: string | null
  readonly sentence: string
  readonly entry: string | null
  readonly command: string | null
}

/** One frame at one interface. */
export interface SeenFrame {
  /** In the merged capture, from 1. */
  readonly number: number
  /** In the capture of its interface alone, from 1. */
  readonly ownNumber: number
  /** Index into the recording's interfaces. */
  readonly interface: number
  /** In nanoseconds since the first frame of the recording, as Wireshark counts. */
  readonly time: number
  readonly direction: 'in' | 'out' | null
  /** One number for one packet on all its hops; null where nobody gave it one. */
  readonly packetId: number | null
  readonly bytes: Uint8Array
  /** What led to the frame, and what became of it afterwards. */
  readonly reasons: () => { readonly because: readonly Reason[]; readonly became: readonly Reason[] }
}

export interface RecordedInterface {
  /** `machine/eth0`, `namespace/pod/eth0`, as its file is called. */
  readonly name: string
  /** The namespace that it is in: all before the last slash. */
  readonly place: string
  /** The last part. */
  readonly device: string
}

export interface Recording {
  /** For people: the topology's or the file's name. */
  readonly source: string
  readonly interfaces: readonly RecordedInterface[]
  readonly frames: readonly SeenFrame[]
  /** For the legend: which address is whose. */
  readonly names: ReadonlyMap<Ipv4, string>
  /** Were decisions recorded? */
  readonly explained: boolean
}

export function recordedInterface(name: string): RecordedInterface {
  const slash = name.lastIndexOf('/')
  return { name, place: slash < 0 ? name : name.slice(0, slash), device: name.slice(slash + 1) }
}

/** Something that came later may have a name that is taken: it gets a number, as its file does. */
export function uniqueNames(names: readonly string[]): string[] {
  const used = new Map<string, number>()
  return names.map((name) => {
    const count = (used.get(name) ?? 0) + 1
    used.set(name, count)
    return count === 1 ? name : `${name}.${count}`
  })
}
