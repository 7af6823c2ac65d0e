/** Several taps on one device, each called in the order in which they came, and gone in any order. */
import type { Frame } from './frame.ts'

type Hear<Device> = (frame: Frame, device: Device, direction: 'in' | 'out') => void

interface Listener<Device> {
  readonly hear: Hear<Device>
}

/** The taps of one device while there are any. */
export class Listeners<Device> {
  /** What the device calls. */
  readonly call: Hear<Device>
  /** A tap that somebody set without listening; it goes on being called, first. */
  readonly earlier: Hear<Device> | null
  #listeners: readonly Listener<Device>[] = []

  constructor(earlier: Hear<Device> | null) {
    this.earlier = earlier
    this.call = (frame, device, direction) => {
      if (earlier !== null) earlier(frame, device, direction)
      const listeners = this.#listeners
      for (let i = 0; i < listeners.length; i++) listeners[i].hear(frame, device, direction)
    }
  }

  get none(): boolean {
    return this.#listeners.length === 0
  }

  /** What is returned ends that; a frame that is being shown is still shown to all. */
  add(hear: Hear<Device>): () => void {
    const listener = { hear }
    this.#listeners = [...this.#listeners, listener]
    return () => {
      this.#listeners = this.#listeners.filter((each) => each !== listener)
    }
  }
}
