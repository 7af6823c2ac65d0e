/** SHA-512 (FIPS 180-4), for the chains that CNI plug-ins name by it. Nothing is hashed on the path of a frame. */

const MASK = (1n << 64n) - 1n

/** The first 64 bits of the fractional parts of the square (2) or cube (3) roots of the first primes. */
function primeRoots(count: number, degree: 2 | 3): bigint[] {
  const words: bigint[] = []
  for (let candidate = 2; words.length < count; candidate++) {
    let prime = true
    for (let divisor = 2; divisor * divisor <= candidate; divisor++) if (candidate % divisor === 0) prime = false
    if (prime) words.push(root(BigInt(candidate) << BigInt(64 * degree), BigInt(degree)) & MASK)
  }
  return words
}

/** The greatest integer whose power is not above the value (Newton). */
function root(value: bigint, degree: bigint): bigint {
  let guess = 1n << (BigInt(value.toString(2).length) / degree + 1n)
  for (;;) {
    const next = ((degree - 1n) * guess + value / guess ** (degree - 1n)) / degree
    if (next >= guess) return guess
    guess = next
  }
}

const K = primeRoots(80, 3)
const H = primeRoots(8, 2)

function rotate(word: bigint, by: bigint): bigint {
  return ((word >> by) | (word << (64n - by))) & MASK
}

function pad(message: Uint8Array): DataView {
  const padded = new Uint8Array((((message.length + 16) >> 7) + 1) << 7)
  padded.set(message)
  padded[message.length] = 0x80
  const view = new DataView(padded.buffer)
  view.setUint32(padded.length - 4, message.length * 8)
  return view
}

/** 128 hexadecimal digits. Messages are shorter than 2^29 bytes. */
export function sha512Hex(text: string): string {
  const view = pad(new TextEncoder().encode(text))
  const hash = [...H]
  const w: bigint[] = new Array(80)
  for (let block = 0; block < view.byteLength; block += 128) {
    for (let t = 0; t < 16; t++) w[t] = view.getBigUint64(block + 8 * t)
    for (let t = 16; t < 80; t++) {
      const [x, y] = [w[t - 15], w[t - 2]]
      const s0 = rotate(x, 1n) ^ rotate(x, 8n) ^ (x >> 7n)
      const s1 = rotate(y, 19n) ^ rotate(y, 61n) ^ (y >> 6n)
      w[t] = (w[t - 16] + s0 + w[t - 7] + s1) & MASK
    }
    let [a, b, c, d, e, f, g, h] = hash
    for (let t = 0; t < 80; t++) {
      const s1 = rotate(e, 14n) ^ rotate(e, 18n) ^ rotate(e, 41n)
      const first = h + s1 + ((e & f) ^ (~e & MASK & g)) + K[t] + w[t]
      const s0 = rotate(a, 28n) ^ rotate(a, 34n) ^ rotate(a, 39n)
      const second = s0 + ((a & b) ^ (a & c) ^ (b & c))
      ;[h, g, f, e, d, c, b, a] = [g, f, e, (d + first) & MASK, c, b, a, (first + second) & MASK]
    }
    ;[a, b, c, d, e, f, g, h].forEach((word, i) => {
      hash[i] = (hash[i] + word) & MASK
    })
  }
  return hash.map((word) => word.toString(16).padStart(16, '0')).join('')
}
