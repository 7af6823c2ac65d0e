/** tcpreplay(1) 4.4.3: sends a capture file's frames out of an interface, at the distances that they had. */
import { type FilePacket, PcapError } from '../../capture/capture-file.ts'
import { inject } from '../../capture/inject.ts'
import { readCapture } from '../../capture/pcapng-reader.ts'
import type { NetDevice } from '../../link/device.ts'
import { MICROSECOND, SECOND } from '../../sim/scheduler.ts'
import { type Headers, headersOf } from '../../wire/headers.ts'
import { ETHERNET } from '../../wire/print-link.ts'
import { getopt, has, valueOf } from '../getopt.ts'
import type { Process } from '../process.ts'
import { ToolError, tool } from './ip-words.ts'

const short = 'd:qT:vA:Kc:2i:I:l:L:x:p:M:toPVhH'
const long: Readonly<Record<string, string>> = {
  quiet: 'q',
  intf1: 'i:',
  loop: 'l:',
  limit: 'L:',
  multiplier: 'x:',
  pps: 'p:',
  topspeed: 't',
  'preload-pcap': 'K',
}
const missing = ['d', 'T', 'v', 'A', 'c', '2', 'I', 'M', 'o', 'P', 'V', 'h', 'H']
/** What sending one frame takes: a system call, and its share of the loop. */
const SEND = 5.5 * MICROSECOND

interface Settings {
  readonly device: NetDevice
  readonly packets: readonly FilePacket[]
  readonly loop: number
  readonly limit: number
  /** Nanoseconds between two frames, from the file's. */
  distance(between: number): number
}

export const tcpreplay = tool(async (self) => {
  const settings = takeSettings(self, self.args.slice(1))
  const play = new Play(settings)
  await play.run(self)
  self.out(play.text(self.now()))
  return 0
})

function takeSettings(self: Process, args: readonly string[]): Settings {
  const found = getopt(args, short, long)
  if (found.problem !== null)
    throw new ToolError(`tcpreplay: illegal option -- ${found.problem.option.replace(/^-+/, '')}`, 1)
  for (const option of missing) {
    if (has(found, option)) throw new ToolError(`podwire: tcpreplay -${option} is not modelled`, 2)
  }
  const name = valueOf(found, 'i')
  if (name === null) throw new ToolError('tcpreplay error:  The intf1 option is required', 1)
  const device = self.netns.devices.get(name)
  if (device === undefined) {
    const place = 'Unable to parse args: From tcpreplay_api.c:tcpreplay_post_args() line 336'
    throw new ToolError(
      `\nFatal Error in tcpreplay.c:main() line 79:\n ${place}:\nInvalid interface name/alias: ${name}`,
      255,
    )
  }
  if (found.rest.length !== 1) throw new ToolError('podwire: tcpreplay of several files is not modelled', 2)
  const number = (option: string, otherwise: number) => {
    const text = valueOf(found, option)
    const value = text === null ? otherwise : Number(text)
    if (!(value > 0)) throw new ToolError(`tcpreplay error:  -${option} needs a number above 0, and not ${text}`, 1)
    return value
  }
  const rate = valueOf(found, 'p') === null ? null : number('p', 1)
  const multiplier = number('x', 1)
  return {
    device,
    packets: packetsOf(self, found.rest[0]),
    loop: number('l', 1),
    limit: number('L', Number.POSITIVE_INFINITY),
    distance: (between) => {
      if (has(found, 't')) return SEND
      return rate === null ? Math.max(between / multiplier, SEND) : SECOND / rate
    },
  }
}

function packetsOf(self: Process, name: string): FilePacket[] {
  const fatal = (what: string) =>
    new ToolError(
      `\nFatal Error in tcpreplay.c:main() line 122:\n Unable to retrieve information from file ${name}: ${what}`,
      255,
    )
  const text = self.place.files.get(name)
  if (text === undefined) throw fatal('No such file or directory')
  try {
    const { packets, interfaces } = readCapture(Uint8Array.from(text, (letter) => letter.charCodeAt(0)))
    const other = interfaces.find(({ linkType }) => linkType !== ETHERNET)
    if (other !== undefined) throw new ToolError(`podwire: tcpreplay of link type ${other.linkType} is not modelled`, 2)
    return packets
  } catch (error) {
    if (error instanceof PcapError) throw fatal(error.message)
    throw error
  }
}

class Play {
  readonly #settings: Settings
  readonly #flows = new Set<string>()
  #sent = 0
  #failed = 0
  #cut = 0
  #bytes = 0
  #inFlows = 0
  #begin = 0
  #end = 0

  constructor(settings: Settings) {
    this.#settings = settings
  }

  async run(self: Process): Promise<void> {
    const { packets, loop, limit, distance } = this.#settings
    this.#begin = self.now()
    for (let round = 0; round < loop; round++) {
      let before: FilePacket | null = null
      for (const packet of packets) {
        if (this.#sent + this.#failed >= limit) return
        const last = before ?? packet
        const between = (packet.seconds - last.seconds) * SECOND + packet.nanos - last.nanos
        if (this.#sent + this.#failed > 0) await self.sleep(distance(Math.max(between, 0)))
        before = packet
        this.#send(packet)
        this.#end = self.now()
      }
    }
  }

  #send({ bytes, originalLength }: FilePacket): void {
    if (inject(this.#settings.device, bytes, 0, bytes.length, 'out') !== null) {
      this.#failed++
      return
    }
    this.#sent++
    this.#bytes += bytes.length
    if (originalLength > bytes.length) this.#cut++
    const flow = flowOf(headersOf(ETHERNET, bytes, 0, bytes.length))
    if (flow === null) return
    this.#inFlows++
    this.#flows.add(flow)
  }

  text(now: number): string {
    const nanos = Math.max((this.#end || now) - this.#begin, SEND)
    const seconds = nanos / SECOND
    const rate = this.#bytes / seconds
    const megabits = (rate * 8) / 1e6
    const flows = this.#flows.size
    return (
      `Actual: ${this.#sent} packets (${this.#bytes} bytes) sent in ${seconds.toFixed(seconds < 1 ? 6 : 2)} seconds\n` +
      `Rated: ${rate.toFixed(1)} Bps, ${megabits.toFixed(megabits < 1 ? 3 : 2)} Mbps, ${(this.#sent / seconds).toFixed(2)} pps\n` +
      `Flows: ${flows} flows, ${(flows / seconds).toFixed(2)} fps, ${this.#inFlows} unique flow packets, ` +
      `${this.#sent - this.#inFlows} unique non-flow packets\n` +
      `Statistics for network device: ${this.#settings.device.name}\n` +
      `\tSuccessful packets:        ${this.#sent}\n` +
      `\tFailed packets:            ${this.#failed}\n` +
      `\tTruncated packets:         ${this.#cut}\n` +
      '\tRetried packets (ENOBUFS): 0\n\tRetried packets (EAGAIN):  0\n'
    )
  }
}

/** One direction of a conversation over IP, of ICMP one kind of message; null for all else. */
function flowOf({ ip, icmp, sourcePort, destinationPort }: Headers): string | null {
  if (ip === null) return null
  const [first, second] = icmp === null ? [sourcePort, destinationPort] : [icmp.type, icmp.code]
  return `${ip.protocol} ${ip.source} ${first ?? ''} ${ip.destination} ${second ?? ''}`
}
