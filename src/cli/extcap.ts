/** `podwire extcap`: what Wireshark's plugin starts for a capture, in the words of Wireshark's extcap. */
import { createWriteStream } from 'node:fs'
import { FilterError } from '../capture/filter-words.ts'
import { compileFilter } from '../capture/pcap-filter.ts'
import { ControlClient } from '../live/control-client.ts'
import type { InterfaceStatus } from '../live/emulator.ts'
import { extcapValue } from '../live/extcap-listing.ts'
import { LiveError, running } from '../live/runtime-folder.ts'
import { flow, onStop } from './capture.ts'

export interface ExtcapOptions {
  readonly capture?: boolean
  readonly extcapInterface?: string
  readonly extcapCaptureFilter?: string
  readonly fifo?: string
  readonly explain?: boolean
  readonly snaplen?: number
}

/** Returns the exit code. @throws LiveError, which Wireshark shows its user */
export async function extcap(options: ExtcapOptions): Promise<number> {
  const { extcapInterface: value = '', extcapCaptureFilter: filter = '' } = options
  // Without --capture Wireshark wants to know what is wrong with the filter, if anything.
  if (!options.capture) return explainFilter(filter)
  if (options.fifo === undefined) throw new LiveError('podwire: extcap --capture needs a --fifo')
  const { name, interfaces } = await findInterface(value)
  const client = await ControlClient.connect(name)
  const { explain = false, snaplen = 0 } = options
  await client.ask({ do: 'capture', interfaces, filter, snaplen, comments: explain })
  const fifo = createWriteStream(options.fifo)
  const stop = onStop(() => client.end())
  await flow(client, fifo, (bytes) => bytes)
  stop()
  fifo.end()
  return 0
}

function explainFilter(filter: string): number {
  try {
    compileFilter(filter)
  } catch (error) {
    if (!(error instanceof FilterError)) throw error
    process.stdout.write(`${error.message}\n`)
  }
  return 0
}

/** The emulator and its interface that have this value on Wireshark's list. */
async function findInterface(value: string): Promise<{ name: string; interfaces: string[] }> {
  for (const name of await running()) {
    if (value === extcapValue(name, 'all')) return { name, interfaces: [] }
    const client = await ControlClient.connect(name)
    const answer = await client.ask({ do: 'interfaces' })
    client.end()
    const names = (answer.interfaces as InterfaceStatus[]).map((each) => each.name).sort()
    const found = names.find((each) => extcapValue(name, each) === value)
    if (found !== undefined) return { name, interfaces: [found] }
  }
  if (value === 'podwire') throw new LiveError('podwire: no emulator runs; start one with: podwire up TOPOLOGY')
  throw new LiveError(`podwire: no running emulator has the interface ${value}`)
}
