/**
 * Wireshark as the referee: its dissectors, compiled to WebAssembly, read a capture and say what is wrong with it.
 * They are loaded once in a process.
 */
import { createRequire } from 'node:module'
import type { WiregasmLib, WiregasmLoader } from '@goodtools/wiregasm'

export interface Finding {
  /** From 1, as Wireshark counts. */
  readonly frame: number
  readonly text: string
}

/**
 * ICMP errors quote 548 bytes of a packet at most. Wireshark takes what is quoted for the whole segment, and calls its checksum
 * wrong: kernels' captures show the same.
 */
const NOT_QUOTED = '!(icmp && tcp)'

/** What no capture of ours may contain, as display filters. */
const faults = new Map<string, string>([
  ['malformed', '_ws.malformed'],
  ['cut short', '_ws.short'],
  ['expert error', `_ws.expert.severity == error && ${NOT_QUOTED}`],
  ['bad TCP option', 'tcp.option.len.invalid'],
  ['bad IPv4 checksum', 'ip.checksum.status == "Bad"'],
  ['bad ICMP checksum', 'icmp.checksum.status == "Bad"'],
  ['bad UDP checksum', 'udp.checksum.status == "Bad"'],
  ['bad TCP checksum', `tcp.checksum.status == "Bad" && ${NOT_QUOTED}`],
])

/** Wireshark looks away by default, since network cards finish checksums after the capture. */
const preferences = [
  ['ip', 'check_checksum'],
  ['udp', 'check_checksum'],
  ['tcp', 'check_checksum'],
] as const

let loading: Promise<WiregasmLib> | null = null

function library(): Promise<WiregasmLib> {
  loading ??= load()
  return loading
}

async function load(): Promise<WiregasmLib> {
  const require = createRequire(import.meta.url)
  const home = '@goodtools/wiregasm/dist'
  const loadWiregasm = require(`${home}/wiregasm.js`) as WiregasmLoader
  const quiet = () => {}
  const wiregasm = await loadWiregasm({
    locateFile: (path, prefix) => (/\.(data|wasm)$/.test(path) ? require.resolve(`${home}/${path}`) : prefix + path),
    handleStatus: quiet,
    print: quiet,
    printErr: quiet,
  })
  if (!wiregasm.init()) throw new Error('wiregasm did not start')
  for (const [module, key] of preferences) wiregasm.setPref(module, key, 'TRUE')
  wiregasm.applyPreferences()
  return wiregasm
}

/** One capture file, open in Wireshark's dissectors. */
export class Dissector {
  readonly #session: InstanceType<WiregasmLib['DissectSession']>
  readonly #wiregasm: WiregasmLib

  private constructor(wiregasm: WiregasmLib, session: InstanceType<WiregasmLib['DissectSession']>) {
    this.#wiregasm = wiregasm
    this.#session = session
  }

  /** pcap or pcapng. Close it when done. @throws Error when Wireshark cannot read the file. */
  static async open(file: Uint8Array): Promise<Dissector> {
    const wiregasm = await library()
    const path = `${wiregasm.getUploadDirectory()}/capture`
    wiregasm.FS.writeFile(path, file)
    const session = new wiregasm.DissectSession(path)
    const { code } = session.load()
    if (code !== 0) {
      session.delete()
      throw new Error(`Wireshark does not read the file: code ${code}`)
    }
    return new Dissector(wiregasm, session)
  }

  close(): void {
    this.#session.delete()
  }

  /** The frames that a display filter chooses, by number, with Wireshark's columns. All of them without one. */
  frames(filter = ''): { readonly frame: number; readonly columns: string[] }[] {
    if (filter !== '') {
      const { ok, error } = this.#wiregasm.checkFilter(filter)
      if (!ok) throw new Error(`${filter}: ${error}`)
    }
    const { frames } = this.#session.getFrames(filter, 0, 0)
    return Array.from({ length: frames.size() }, (_, index) => {
      const { number, columns } = frames.get(index)
      return { frame: number, columns: Array.from({ length: columns.size() }, (_column, at) => columns.get(at)) }
    })
  }

  /** What Wireshark calls wrong, in the order of the frames. */
  findings(): Finding[] {
    const found: Finding[] = []
    for (const [name, filter] of faults) {
      for (const { frame, columns } of this.frames(filter)) found.push({ frame, text: `${name}: ${columns.at(-1)}` })
    }
    return found.sort((a, b) => a.frame - b.frame)
  }
}

/** What Wireshark calls wrong in a capture file: malformed or cut packets, bad checksums, expert errors. */
export async function findings(file: Uint8Array): Promise<Finding[]> {
  const dissector = await Dissector.open(file)
  try {
    return dissector.findings()
  } finally {
    dissector.close()
  }
}
