/** A pcapng file taken apart by its draft, without podwire's reader: little endian, whole blocks only. */

export interface Block {
  readonly type: number
  /** Between the two lengths. */
  readonly body: Buffer
  /** Values by code, in their order. */
  readonly options: Map<number, Buffer[]>
}

/** Where a block's options begin in its body. */
const fixed: Readonly<Record<number, (body: Buffer) => number>> = {
  168627466: () => 16,
  1: () => 8,
  4: (body) => {
    let at = 0
    while (body.readUInt16LE(at) !== 0) at += 4 + ((body.readUInt16LE(at + 2) + 3) & ~3)
    return at + 4
  },
  5: () => 12,
  6: (body) => 20 + ((body.readUInt32LE(12) + 3) & ~3),
}

/** All whole blocks; what is cut at the end is left out. */
export function blocksOf(file: Uint8Array): Block[] {
  const bytes = Buffer.from(file)
  const blocks: Block[] = []
  for (let at = 0; at + 12 <= bytes.length; ) {
    const length = bytes.readUInt32LE(at + 4)
    if (at + length > bytes.length) break
    if (bytes.readUInt32LE(at + length - 4) !== length) throw new Error(`two lengths at ${at}`)
    const type = bytes.readUInt32LE(at)
    const body = bytes.subarray(at + 8, at + length - 4)
    blocks.push({ type, body, options: optionsOf(body, fixed[type](body)) })
    at += length
  }
  return blocks
}

function optionsOf(body: Buffer, from: number): Map<number, Buffer[]> {
  const options = new Map<number, Buffer[]>()
  for (let at = from; at + 4 <= body.length; ) {
    const code = body.readUInt16LE(at)
    const length = body.readUInt16LE(at + 2)
    if (code === 0) break
    options.set(code, [...(options.get(code) ?? []), body.subarray(at + 4, at + 4 + length)])
    at += 4 + ((length + 3) & ~3)
  }
  return options
}
