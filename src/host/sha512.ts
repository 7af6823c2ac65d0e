/** SHA-512 (FIPS 180-4), for the chains that CNI plug-ins name by it. Nothing is hashed on the path of a frame. */

/** Words of 64 bits, each as two of 32, the higher one first. */
type Words = Int32Array

const MASK = (1n << 64n) - 1n

/** The first 64 bits of the fractional parts of the square (2) or cube (3) roots of the first primes. */
function primeRoots(count: number, degree: 2 | 3): Words {
  const words = new DataView(new ArrayBuffer(8 * count))
  for (let candidate = 2, found = 0; found < count; candidate++) {
    let prime = true
    for (let divisor = 2; divisor * divisor <= candidate; divisor++) if (candidate % divisor === 0) prime = false
    if (prime) words.setBigUint64(8 * found++, root(BigInt(candidate) << BigInt(64 * degree), BigInt(degree)) & MASK)
  }
  return Int32Array.from({ length: 2 * count }, (_, i) => words.getInt32(4 * i))
}

/** The greatest integer whose power is not above the value (Newton, from a little above it). */
function root(value: bigint, degree: bigint): bigint {
  let guess = BigInt(Math.ceil(Number(value) ** (1 / Number(degree)) * (1 + 2 ** -40)))
  for (;;) {
    const next = ((degree - 1n) * guess + value / guess ** (degree - 1n)) / degree
    if (next >= guess) return guess
    guess = next
  }
}

/** Made with the first message. */
let K: Words | null = null
let H: Words | null = null

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
  K ??= primeRoots(80, 3)
  H ??= primeRoots(8, 2)
  const view = pad(new TextEncoder().encode(text))
  const hash = Int32Array.from(H)
  const schedule = new Int32Array(160)
  for (let block = 0; block < view.byteLength; block += 128) {
    expand(schedule, view, block)
    compress(hash, schedule, K)
  }
  return Array.from(hash, (word) => (word >>> 0).toString(16).padStart(8, '0')).join('')
}

/** The message schedule of a block, w. */
function expand(w: Words, view: DataView, block: number): void {
  for (let i = 0; i < 32; i++) w[i] = view.getInt32(block + 4 * i)
  for (let i = 32; i < 160; i += 2) {
    const xh = w[i - 30]
    const xl = w[i - 29]
    const yh = w[i - 4]
    const yl = w[i - 3]
    // Rotated right by 1 and by 8, shifted by 7; by 19 and by 61, shifted by 6.
    const s0h = ((xh >>> 1) | (xl << 31)) ^ ((xh >>> 8) | (xl << 24)) ^ (xh >>> 7)
    const s0l = ((xl >>> 1) | (xh << 31)) ^ ((xl >>> 8) | (xh << 24)) ^ ((xl >>> 7) | (xh << 25))
    const s1h = ((yh >>> 19) | (yl << 13)) ^ ((yl >>> 29) | (yh << 3)) ^ (yh >>> 6)
    const s1l = ((yl >>> 19) | (yh << 13)) ^ ((yh >>> 29) | (yl << 3)) ^ ((yl >>> 6) | (yh << 26))
    const low = (w[i - 31] >>> 0) + (s0l >>> 0) + (w[i - 13] >>> 0) + (s1l >>> 0)
    w[i] = w[i - 32] + s0h + w[i - 14] + s1h + Math.floor(low / 4294967296)
    w[i + 1] = low
  }
}

function compress(hash: Words, w: Words, k: Words): void {
  let [ah, al, bh, bl, ch, cl, dh, dl, eh, el, fh, fl, gh, gl, hh, hl] = hash
  for (let i = 0; i < 160; i += 2) {
    // Rotated right by 14, 18 and 41; by 28, 34 and 39.
    const s1h = ((eh >>> 14) | (el << 18)) ^ ((eh >>> 18) | (el << 14)) ^ ((el >>> 9) | (eh << 23))
    const s1l = ((el >>> 14) | (eh << 18)) ^ ((el >>> 18) | (eh << 14)) ^ ((eh >>> 9) | (el << 23))
    const choiceLow = (el & fl) ^ (~el & gl)
    const low = (hl >>> 0) + (s1l >>> 0) + (choiceLow >>> 0) + (k[i + 1] >>> 0) + (w[i + 1] >>> 0)
    const first = (hh + s1h + ((eh & fh) ^ (~eh & gh)) + k[i] + w[i] + Math.floor(low / 4294967296)) | 0
    const firstLow = low >>> 0
    const s0h = ((ah >>> 28) | (al << 4)) ^ ((al >>> 2) | (ah << 30)) ^ ((al >>> 7) | (ah << 25))
    const s0l = ((al >>> 28) | (ah << 4)) ^ ((ah >>> 2) | (al << 30)) ^ ((ah >>> 7) | (al << 25))
    const majorLow = (al & bl) ^ (al & cl) ^ (bl & cl)
    const second = s0h + ((ah & bh) ^ (ah & ch) ^ (bh & ch))
    const secondLow = (s0l >>> 0) + (majorLow >>> 0)
    hh = gh
    hl = gl
    gh = fh
    gl = fl
    fh = eh
    fl = el
    const next = (dl >>> 0) + firstLow
    eh = (dh + first + Math.floor(next / 4294967296)) | 0
    el = next | 0
    dh = ch
    dl = cl
    ch = bh
    cl = bl
    bh = ah
    bl = al
    const sum = firstLow + secondLow
    ah = (first + second + Math.floor(sum / 4294967296)) | 0
    al = sum | 0
  }
  const words = [ah, al, bh, bl, ch, cl, dh, dl, eh, el, fh, fl, gh, gl, hh, hl]
  for (let i = 0; i < 16; i += 2) {
    const low = (hash[i + 1] >>> 0) + (words[i + 1] >>> 0)
    hash[i] += words[i] + Math.floor(low / 4294967296)
    hash[i + 1] = low
  }
}
