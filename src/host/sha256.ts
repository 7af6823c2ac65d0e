/**
 * SHA-256 (FIPS 180-4), for the names that Kubernetes derives from it (kube-proxy's chains, image digests) and for
 * sha256sum. Nothing is hashed on the path of a frame.
 */

/** The first 32 bits of the fractional parts of a root of the first `count` primes. */
function primeRoots(count: number, exponent: number): Int32Array {
  const words = new Int32Array(count)
  for (let candidate = 2, found = 0; found < count; candidate++) {
    let prime = true
    for (let divisor = 2; divisor * divisor <= candidate; divisor++) if (candidate % divisor === 0) prime = false
    if (!prime) continue
    const root = candidate ** exponent
    words[found++] = (root - Math.floor(root)) * 4294967296
  }
  return words
}

const K = primeRoots(64, 1 / 3)
const H = primeRoots(8, 1 / 2)

function rotate(word: number, by: number): number {
  return (word >>> by) | (word << (32 - by))
}

function pad(message: Uint8Array): Uint8Array {
  const padded = new Uint8Array((((message.length + 8) >> 6) + 1) << 6)
  padded.set(message)
  padded[message.length] = 0x80
  new DataView(padded.buffer).setUint32(padded.length - 4, message.length * 8)
  return padded
}

/** 32 bytes. Messages are shorter than 2^29 bytes. */
export function sha256(text: string): Uint8Array {
  const bytes = pad(new TextEncoder().encode(text))
  const view = new DataView(bytes.buffer)
  const hash = Int32Array.from(H)
  const w = new Int32Array(64)
  for (let block = 0; block < bytes.length; block += 64) {
    for (let i = 0; i < 16; i++) w[i] = view.getInt32(block + i * 4)
    for (let i = 16; i < 64; i++) {
      const s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ (w[i - 15] >>> 3)
      const s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ (w[i - 2] >>> 10)
      w[i] = w[i - 16] + s0 + w[i - 7] + s1
    }
    let [a, b, c, d, e, f, g, h] = hash
    for (let i = 0; i < 64; i++) {
      const s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0
      const s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0
      h = g
      g = f
      f = e
      e = (d + t1) | 0
      d = c
      c = b
      b = a
      a = (t1 + t2) | 0
    }
    const round = [a, b, c, d, e, f, g, h]
    for (let i = 0; i < 8; i++) hash[i] += round[i]
  }
  const digest = new Uint8Array(32)
  for (let i = 0; i < 8; i++) new DataView(digest.buffer).setInt32(i * 4, hash[i])
  return digest
}

/** 64 lower-case hexadecimal digits. */
export function sha256Hex(text: string): string {
  return Array.from(sha256(text), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** The first characters (at most 51) of the digest in base 32 (RFC 4648). */
export function sha256Base32(text: string, characters: number): string {
  const digest = sha256(text)
  let result = ''
  for (let bit = 0; result.length < characters; bit += 5) {
    const two = (digest[bit >> 3] << 8) | (digest[(bit >> 3) + 1] ?? 0)
    result += BASE32[(two >> (11 - (bit & 7))) & 31]
  }
  return result
}
