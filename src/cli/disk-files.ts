/** Files that grow while the emulator runs: hundreds of them share a few file descriptors. */
import { closeSync, mkdirSync, openSync, unlinkSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import type { ByteSink } from '../capture/byte-sink.ts'

/** Open at once; more are closed, the one first that was longest not written to. */
const OPEN = 64

/** Bytes that go to the end of a file; what fails is remembered and ends the writing, not the run. */
export class DiskFiles {
  /** What went wrong first, in one sentence. */
  failure: string | null = null
  /** Files begun. */
  count = 0
  /** By path, the one longest not written to first. */
  readonly #open = new Map<string, number>()

  /** A file, empty now. */
  create(path: string): ByteSink {
    this.#try(path, () => {
      mkdirSync(dirname(path), { recursive: true })
      this.close(path)
      this.#descriptor(path, 'w')
      this.count++
    })
    return { write: (blocks) => this.#append(path, blocks) }
  }

  remove(path: string): void {
    this.#try(path, () => {
      this.close(path)
      unlinkSync(path)
    })
  }

  /** Nothing more comes for now. */
  close(path: string): void {
    const descriptor = this.#open.get(path)
    if (descriptor === undefined) return
    this.#open.delete(path)
    closeSync(descriptor)
  }

  closeAll(): void {
    for (const path of [...this.#open.keys()]) this.#try(path, () => this.close(path))
  }

  #append(path: string, blocks: Uint8Array): void {
    if (this.failure !== null) return
    this.#try(path, () => {
      const descriptor = this.#descriptor(path, 'a')
      for (let at = 0; at < blocks.length; ) at += writeSync(descriptor, blocks, at, blocks.length - at)
    })
  }

  #descriptor(path: string, flags: 'a' | 'w'): number {
    const known = this.#open.get(path)
    if (known !== undefined) {
      this.#open.delete(path)
      this.#open.set(path, known)
      return known
    }
    if (this.#open.size >= OPEN)
      for (const oldest of this.#open.keys()) {
        this.close(oldest)
        break
      }
    const descriptor = openSync(path, flags)
    this.#open.set(path, descriptor)
    return descriptor
  }

  #try(path: string, act: () => void): void {
    try {
      act()
    } catch (error) {
      this.failure ??= `podwire: cannot write ${path}: ${error instanceof Error ? error.message : String(error)}`
    }
  }
}
