import type { Frame } from './frame.ts'

/** IP's hooks on bridged frames; the net room implements it. */
export interface BridgeFilter<Port> {
  /** Takes the frame; it goes on with `bridge.admit`, now, later, or never. */
  preRouting(frame: Frame, port: Port): void
  /** May it go from port to port? When not, the filter has dropped it. */
  forward(frame: Frame, output: Port): boolean
  /** The last hook before a forwarded frame leaves by the port. When it says no, it has dropped the frame. */
  postRouting(frame: Frame, output: Port): boolean
  /** A bridged frame that waited for ARP comes back as if the host had sent it. True: the filter took it. */
  resume(frame: Frame): boolean
}
