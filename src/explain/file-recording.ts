/** A recording from a capture file that podwire wrote: packet ids, and decisions as comments, one line each. */
import type { CaptureFile } from '../capture/capture-file.ts'
import type { Ipv4 } from '../wire/address.ts'
import { type Reason, type Recording, recordedInterface, type SeenFrame, uniqueNames } from './recording.ts'

/** Does the file number its packets over all their hops, as podwire's do? */
export function isNumbered(file: CaptureFile): boolean {
  return file.packets.some((packet) => packet.packetId !== null)
}

export function recordingOfFile(file: CaptureFile, source: string): Recording {
  const names = uniqueNames(file.interfaces.map((each, number) => each.name ?? `interface ${number}`))
  const interfaces = names.map(recordedInterface)
  const own = new Int32Array(interfaces.length)
  const zero = file.packets[0] ?? { seconds: 0, nanos: 0 }
  /** Of each packet, what its latest frame on the way in says became of it. */
  const latest = new Map<number, readonly Reason[]>()
  const frames = file.packets.map((packet, row): SeenFrame => {
    const lines = packet.comments.flatMap((comment) => comment.split('\n')).filter((line) => line !== '')
    const before = latest.get(packet.packetId ?? -1) ?? []
    const all = lines.map((line) => before.find((reason) => reason.sentence === line) ?? reasonOfLine(line))
    // A frame on its way out is there because of them, but for its end.
    const end = all.findIndex((reason) => reason.kind === 'drop')
    const led = packet.direction === 'out' ? (end < 0 ? all.length : end) : 0
    const reasons = { because: all.slice(0, led), became: all.slice(led) }
    if (packet.packetId !== null && packet.direction === 'in') latest.set(packet.packetId, all)
    return {
      number: row + 1,
      ownNumber: ++own[packet.interface],
      interface: packet.interface,
      time: (packet.seconds - zero.seconds) * 1e9 + packet.nanos - zero.nanos,
      direction: packet.direction,
      packetId: packet.packetId,
      bytes: packet.bytes,
      reasons: () => reasons,
    }
  })
  return {
    source,
    interfaces,
    frames,
    names: new Map<Ipv4, string>(file.names.map(({ address, name }) => [address, name])),
    explained: file.packets.some((packet) => packet.comments.length > 0),
  }
}

/** A comment's line holds the sentence and the entry; which of it is which, nothing tells. */
function reasonOfLine(line: string): Reason {
  const dropped = line.startsWith('dropped')
  return {
    told: {},
    time: null,
    where: null,
    kind: dropped ? 'drop' : null,
    sentence: line,
    entry: null,
    command: null,
  }
}
