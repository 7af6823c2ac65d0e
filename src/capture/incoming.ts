/** The bytes of a file as they come in, piece by piece; what was read is let go. */

export class Incoming {
  /** What stands at `at`..`end` has come and is not yet read. */
  bytes: Uint8Array = new Uint8Array(0)
  view: DataView = new DataView(this.bytes.buffer)
  at = 0
  end = 0

  get held(): number {
    return this.end - this.at
  }

  /** Takes the next piece of the file; it is not copied while nothing is left of the one before. */
  push(piece: Uint8Array): void {
    const left = this.held
    let bytes = piece
    if (left > 0) {
      bytes = new Uint8Array(left + piece.length)
      bytes.set(this.bytes.subarray(this.at, this.end))
      bytes.set(piece, left)
    }
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.at = 0
    this.end = bytes.length
  }
}
