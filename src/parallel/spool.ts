/** What one thread's capture sees, on its way to who puts the captures of all threads together. */
import type { Capture } from '../capture/capture.ts'
import type { CaptureListener } from '../capture/capture-listener.ts'
import type { CapturedInterface } from '../capture/captured-interface.ts'
import type { InterfaceHeader } from '../capture/pcapng-writer.ts'
import type { DeviceKind } from '../link/device.ts'
import type { Nanos } from '../sim/scheduler.ts'
import type { Ipv4 } from '../wire/address.ts'

/** Bytes of frames that travel together. */
const CHUNK = 1 << 19
/** Bytes in front of each frame: six words of 8 bytes. */
export const RECORD = 48

/** What is told besides frames, and is rarer. */
export type Notice =
  | { readonly type: 'appears'; readonly number: number; readonly device: DeviceFacts; readonly since: Nanos }
  | { readonly type: 'header'; readonly number: number; readonly header: InterfaceHeader }
  | { readonly type: 'vanishes'; readonly number: number; readonly counts: InterfaceCounts }
  | { readonly type: 'named'; readonly address: Ipv4; readonly name: string }

export interface DeviceFacts {
  readonly name: string
  readonly description: string
  readonly kind: DeviceKind
  readonly mac: Uint8Array
  readonly index: number
}

export interface InterfaceCounts {
  readonly frames: number
  readonly bytes: number
  readonly dropped: number
  readonly until: Nanos | null
}

/**
 * A part of a thread's stream: frames, each behind RECORD bytes (now, time and packet as doubles; interface, machine, flags,
 * length as words), and notices with the byte of the frame that they come before.
 */
export interface Chunk {
  readonly bytes: ArrayBuffer
  readonly length: number
  readonly notices: readonly {
    readonly at: number
    readonly now: Nanos
    readonly machine: number
    readonly notice: Notice
  }[]
  /** Nothing that comes later was seen before this moment. */
  readonly upTo: Nanos
}

export class Spool implements CaptureListener {
  /** While it is false, nobody wants to know. */
  on = true
  readonly #capture: Capture
  readonly #send: (chunk: Chunk) => void
  readonly #machineOf: (seen: CapturedInterface) => number
  #bytes = new ArrayBuffer(CHUNK)
  #doubles = new Float64Array(this.#bytes)
  #words = new Int32Array(this.#bytes)
  #octets = new Uint8Array(this.#bytes)
  #length = 0
  #notices: Chunk['notices'][number][] = []
  readonly #introduced: boolean[] = []

  /** `machineOf`: by it, what happens at one instant is put in order; -1 for an interface that is not told of. */
  constructor(capture: Capture, send: (chunk: Chunk) => void, machineOf: (seen: CapturedInterface) => number) {
    this.#capture = capture
    this.#send = send
    this.#machineOf = machineOf
    for (const [address, name] of capture.names) this.named(address, name)
    capture.listen(this)
  }

  appears(seen: CapturedInterface): void {
    const { number, name, description, device, since } = seen
    const { kind, mac, index } = device
    this.#notice(seen, { type: 'appears', number, device: { name, description, kind, mac, index }, since })
  }

  vanishes(seen: CapturedInterface): void {
    this.#notice(seen, { type: 'vanishes', number: seen.number, counts: countsOf(seen) })
  }

  named(address: Ipv4, name: string): void {
    this.#notice(null, { type: 'named', address, name })
  }

  frame(
    seen: CapturedInterface,
    _number: number,
    flags: number,
    time: Nanos,
    packetId: number,
    bytes: Uint8Array,
    at: number,
    length: number,
  ): void {
    if (!this.on) return
    if (this.#introduced[seen.number] === undefined) {
      this.#introduced[seen.number] = true
      this.#notice(seen, { type: 'header', number: seen.number, header: plain(seen.header()) })
    }
    const size = RECORD + ((length + 7) & ~7)
    if (this.#length + size > this.#bytes.byteLength) this.flush(Math.max(CHUNK, size))
    const begin = this.#length
    this.#doubles[begin >> 3] = this.#capture.now
    this.#doubles[(begin >> 3) + 1] = time
    this.#doubles[(begin >> 3) + 2] = packetId
    const word = (begin >> 2) + 6
    this.#words[word] = seen.number
    this.#words[word + 1] = this.#machineOf(seen)
    this.#words[word + 2] = flags
    this.#words[word + 3] = length
    this.#octets.set(bytes.subarray(at, at + length), begin + RECORD)
    this.#length = begin + size
  }

  #notice(seen: CapturedInterface | null, notice: Notice): void {
    if (!this.on) return
    const machine = seen === null ? 0 : this.#machineOf(seen)
    this.#notices.push({ at: this.#length, now: this.#capture.now, machine, notice })
  }

  /** Sends what is there; `room` bytes are made for what comes. */
  flush(room = CHUNK, upTo = this.#capture.now): void {
    this.#send({ bytes: this.#bytes, length: this.#length, notices: this.#notices, upTo })
    this.#bytes = new ArrayBuffer(room)
    this.#doubles = new Float64Array(this.#bytes)
    this.#words = new Int32Array(this.#bytes)
    this.#octets = new Uint8Array(this.#bytes)
    this.#length = 0
    this.#notices = []
  }
}

export function countsOf({ frames, bytes, dropped, until }: CapturedInterface): InterfaceCounts {
  return { frames, bytes, dropped, until }
}

/** Without what addresses know besides: it cannot travel. */
function plain(header: InterfaceHeader): InterfaceHeader {
  const { addresses } = header
  if (addresses === undefined) return header
  return { ...header, addresses: addresses.map(({ address, prefix }) => ({ address, prefix })) }
}
