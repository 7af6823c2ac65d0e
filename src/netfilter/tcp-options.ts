/** Looks through the options of a TCP header (RFC 9293 section 3.1). */
import * as tcp from '../wire/tcp.ts'

/** Where the option of this kind begins; 0 when there is none or the options are broken. */
export function findOption(bytes: Uint8Array, at: number, end: number, kind: number): number {
  if (end - at < tcp.HEADER) return 0
  const stop = at + tcp.headerLength(bytes, at)
  if (stop > end) return 0
  let i = at + tcp.HEADER
  while (i < stop) {
    if (bytes[i] === kind) return i
    if (bytes[i] < 2 || i + 1 >= stop) i++
    else i += bytes[i + 1] === 0 ? 1 : bytes[i + 1]
  }
  return 0
}
