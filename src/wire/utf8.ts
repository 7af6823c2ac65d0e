/** UTF-8 (RFC 3629), without TextEncoder and TextDecoder, which are no part of the language. */

export function encodeUtf8(text: string): Uint8Array {
  // A unit of the text takes three bytes at most, a pair of surrogates four.
  const bytes = new Uint8Array(3 * text.length)
  let end = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.codePointAt(i) as number
    if (code < 0x80) {
      bytes[end++] = code
      continue
    }
    if (code < 0x800) bytes[end++] = 0xc0 | (code >> 6)
    else {
      if (code < 0x10000) bytes[end++] = 0xe0 | (code >> 12)
      else {
        bytes[end++] = 0xf0 | (code >> 18)
        bytes[end++] = 0x80 | ((code >> 12) & 63)
        i++
      }
      bytes[end++] = 0x80 | ((code >> 6) & 63)
    }
    bytes[end++] = 0x80 | (code & 63)
  }
  return bytes.slice(0, end)
}

/** What is no UTF-8 becomes U+FFFD, byte by byte. */
export function decodeUtf8(bytes: Uint8Array, from: number, to: number): string {
  let text = ''
  for (let at = from; at < to; ) {
    const lead = bytes[at]
    const more = lead < 0x80 ? 0 : lead >> 5 === 6 ? 1 : lead >> 4 === 14 ? 2 : lead >> 3 === 30 ? 3 : -1
    let code = more <= 0 ? lead : lead & (0x3f >> more)
    let whole = more >= 0 && at + more < to
    for (let i = 1; whole && i <= more; i++) {
      whole = bytes[at + i] >> 6 === 2
      code = (code << 6) | (bytes[at + i] & 63)
    }
    whole &&= code <= 0x10ffff
    text += whole ? String.fromCodePoint(code) : '\ufffd'
    at += whole ? more + 1 : 1
  }
  return text
}
