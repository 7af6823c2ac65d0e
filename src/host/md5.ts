/** MD5 (RFC 1321), for md5sum. Nothing is hashed on the path of a frame. */

const SHIFTS = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21]
/** RFC 1321, section 3.4: the integer part of 4294967296 times abs(sin(i)). */
const SINES = Int32Array.from({ length: 64 }, (_, i) => Math.floor(Math.abs(Math.sin(i + 1)) * 4294967296))

function padded(message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array((((message.length + 8) >> 6) + 1) << 6)
  bytes.set(message)
  bytes[message.length] = 0x80
  const view = new DataView(bytes.buffer)
  view.setUint32(bytes.length - 8, message.length * 8, true)
  view.setUint32(bytes.length - 4, Math.floor(message.length / 0x20000000), true)
  return bytes
}

/** 32 lower-case hexadecimal digits. */
export function md5Hex(message: Uint8Array): string {
  const bytes = padded(message)
  const view = new DataView(bytes.buffer)
  const state = Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476)
  for (let block = 0; block < bytes.length; block += 64) {
    let [a, b, c, d] = state
    for (let i = 0; i < 64; i++) {
      const round = i >> 4
      let mixed: number
      let word: number
      if (round === 0) [mixed, word] = [(b & c) | (~b & d), i]
      else if (round === 1) [mixed, word] = [(d & b) | (~d & c), (5 * i + 1) & 15]
      else if (round === 2) [mixed, word] = [b ^ c ^ d, (3 * i + 5) & 15]
      else [mixed, word] = [c ^ (b | ~d), (7 * i) & 15]
      const sum = (a + mixed + SINES[i] + view.getInt32(block + word * 4, true)) | 0
      const shift = SHIFTS[round * 4 + (i & 3)]
      a = d
      d = c
      c = b
      b = (b + ((sum << shift) | (sum >>> (32 - shift)))) | 0
    }
    state[0] += a
    state[1] += b
    state[2] += c
    state[3] += d
  }
  return Array.from(new Uint8Array(state.buffer), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
