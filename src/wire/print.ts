/**
 * Packets as text: what `tcpdump -nn` 4.99 prints for them, without the time stamp. A VXLAN frame takes two lines,
 * as there: the second is the frame inside. Any bytes give some text.
 */
import type { TcpConversations } from './print-conversations.ts'
import { printEthernet, printPayload } from './print-ethernet.ts'
import type { LinkType } from './print-link.ts'
import { Cut, PacketText } from './print-text.ts'

export interface PrintOptions {
  /** `-e`: the Ethernet header too. */
  readonly link?: boolean
  /** `-v`, as often as it stands there: IP's fields, whether the checksums are right, all DNS records. */
  readonly verbose?: boolean | number
  /** `-q`: less about the protocols. */
  readonly quick?: boolean
  /** `-K`: checksums are not checked. */
  readonly unchecked?: boolean
  /** TCP sequence numbers relative to their connections' first; without it they are absolute, as with `-S`. */
  readonly conversations?: TcpConversations
  /** Bytes on the wire, when the capture holds fewer. */
  readonly length?: number
  /** Names to show in place of addresses, by the addresses' texts. */
  readonly names?: ReadonlyMap<string, string> | null
  /** The name of an interface whose number stands in a cooked header; null when nobody knows. */
  readonly interfaceName?: (index: number) => string | null
  /** `-x` and its kin: the bytes are shown anyhow, so that of what nobody understands they are not. */
  readonly dumped?: boolean
  /** Told whose header it was within which the bytes ended. */
  readonly onCut?: (protocol: string) => void
}

/** The text for the Ethernet frame that stands at `at`..`end`. */
export function printFrame(bytes: Uint8Array, at: number, end: number, options: PrintOptions = {}): string {
  return printed(bytes, end, options, (out) => printEthernet(out, at, options.length ?? end - at))
}

/** The text for what stands at `at`..`end` in a capture of this link type. */
export function printCaptured(
  link: LinkType,
  bytes: Uint8Array,
  at: number,
  end: number,
  options: PrintOptions = {},
): string {
  return printed(bytes, end, options, (out) => link.print(out, at, options.length ?? end - at))
}

/** tcpdump's text for a link type that nobody knows. */
export function printUnsupported(bytes: Uint8Array, at: number, end: number, options: PrintOptions = {}): string {
  return printed(bytes, end, options, (out) => {
    out.text += 'UNSUPPORTED'
    out.dumpUnknown(at)
  })
}

function printed(bytes: Uint8Array, end: number, options: PrintOptions, print: (out: PacketText) => void): string {
  const out = new PacketText(bytes, end, {
    link: options.link ?? false,
    verbose: Number(options.verbose ?? 0),
    quick: options.quick ?? false,
    unchecked: options.unchecked ?? false,
    names: options.names ?? null,
    interfaceName: options.interfaceName ?? (() => null),
    dumped: options.dumped ?? false,
    conversations: options.conversations ?? null,
    printFrame: printEthernet,
    printPayload,
  })
  try {
    print(out)
  } catch (error) {
    if (!(error instanceof Cut)) throw error
    out.truncated()
  }
  if (out.cut !== null) options.onCut?.(out.cut)
  return out.text
}
