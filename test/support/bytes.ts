/** Bytes for tests: from hexadecimal text, and buffers in which an unwritten byte shows. */

/** Spaces and line ends do not count. */
export function bytesOf(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex.replace(/\s+/g, ''), 'hex'))
}

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}

/** A buffer full of 0xa5: a writer that leaves a byte out is found out. */
export function dirty(length: number): Uint8Array {
  return new Uint8Array(length).fill(0xa5)
}
