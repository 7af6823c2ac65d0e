/** One device under observation; it keeps what it has counted when the device is detached or gone. */
import type { NetDevice } from '../link/device.ts'
import type { Nanos } from '../sim/scheduler.ts'
import type { InterfaceHeader } from './pcapng-writer.ts'

/** What is known about an interface beside its name, asked when its first frame comes: by then it has its addresses. */
export type InterfaceFacts = Omit<InterfaceHeader, 'name' | 'snaplen' | 'filter' | 'linkType'>

export class CapturedInterface {
  readonly device: NetDevice
  /** Its place among the capture's interfaces, from 0. */
  readonly number: number
  /** `machine/interface`, or `namespace/pod/eth0`. */
  readonly name: string
  readonly description: string
  /** When it was attached. */
  readonly since: Nanos
  /** When it was detached; null while it is watched. */
  until: Nanos | null = null
  /** Frames seen so far. */
  frames = 0
  /** Bytes seen so far. */
  bytes = 0
  readonly #files: InterfaceFiles
  readonly #facts: () => InterfaceFacts
  readonly #droppedBefore: number
  #header: InterfaceHeader | null = null

  constructor(
    files: InterfaceFiles,
    number: number,
    device: NetDevice,
    name: string,
    description: string,
    facts: () => InterfaceFacts,
    since: Nanos,
  ) {
    this.#files = files
    this.number = number
    this.device = device
    this.name = name
    this.description = description
    this.#facts = facts
    this.since = since
    this.#droppedBefore = device.rxDropped + device.txDropped
  }

  /** Frames that the device dropped since the capture began. */
  get dropped(): number {
    return this.device.rxDropped + this.device.txDropped - this.#droppedBefore
  }

  /** As a capture file introduces it; it stays what it is on first asking. */
  header(): InterfaceHeader {
    this.#header ??= { name: this.name, description: this.description, mac: this.device.mac, ...this.#facts() }
    return this.#header
  }

  /** The frames of this interface that are kept in memory as classic pcap, with nanoseconds. */
  pcap(): Uint8Array {
    return this.#files.pcapOf(this)
  }

  /** The frames of this interface that are kept in memory as pcapng. */
  pcapng(): Uint8Array {
    return this.#files.pcapngOf([this])
  }
}

/** Who writes an interface's frames. */
export interface InterfaceFiles {
  pcapOf(only: CapturedInterface): Uint8Array
  pcapngOf(chosen: readonly CapturedInterface[]): Uint8Array
}
