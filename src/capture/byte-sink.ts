/** Where a writer's bytes go: memory, a file, a socket. */
import { GrowingBytes } from './growing-bytes.ts'

/** Takes whole blocks, one or several at a time, in their order. */
export interface ByteSink {
  /** The bytes are lent: they are others when the call has returned. */
  write(blocks: Uint8Array): void
}

/** Keeps everything. */
export class MemorySink implements ByteSink {
  readonly #bytes = new GrowingBytes()

  write(blocks: Uint8Array): void {
    this.#bytes.put(blocks, 0, blocks.length)
  }

  /** A copy of what was written so far. */
  file(): Uint8Array {
    return this.#bytes.copy()
  }
}

/** Blocks in the making, handed on in batches of about this many bytes: a sink's call costs more than a block. */
export const BATCH = 1 << 16

/** Collects whole blocks until there are enough of them for a call of the sink. */
export class BlockBuffer extends GrowingBytes {
  readonly #sink: ByteSink
  readonly #batch: number
  #handedOn = 0

  /** `batch` 0: each block by itself, at once. */
  constructor(sink: ByteSink, batch: number) {
    super()
    this.#sink = sink
    this.#batch = batch
  }

  /** Bytes so far, whether they were handed on or not. */
  get total(): number {
    return this.#handedOn + this.length
  }

  /** A block is complete. */
  blockEnds(): void {
    if (this.length >= this.#batch) this.flush()
  }

  /** Hands on what is complete. */
  flush(): void {
    if (this.length === 0) return
    this.#handedOn += this.length
    this.#sink.write(this.raw.subarray(0, this.length))
    this.clear()
  }
}
