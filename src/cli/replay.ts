/** `podwire replay`: a capture file played into an interface of a topology, in virtual time, and what came of it. */
import type { FilePacket } from '../capture/capture-file.ts'
import { fixSums } from '../capture/fix-sums.ts'
import { inject, type Refusal, refusals } from '../capture/inject.ts'
import type { Direction, NetDevice } from '../link/device.ts'
import { dropReasons } from '../link/drop-reason.ts'
import { type Nanos, SECOND } from '../sim/scheduler.ts'
import type { Lab } from '../topology/lab.ts'
import type { Mac } from '../wire/address.ts'
import * as ethernet from '../wire/ethernet.ts'
import { type Headers, headersOf, innermost } from '../wire/headers.ts'
import { asEthernet, ETHERNET, linkTypeOf } from '../wire/print-link.ts'
import { CaptureInputError, packetsOf } from './capture-input.ts'
import { type CaptureOptions, readTopology, shown, withLab } from './open.ts'
import { PacketFilter, Selection } from './read.ts'

/** A MAC address, the interface's own, or the frame's as it is. */
export type NewMac = Mac | 'own' | null

export interface ReplayOptions extends CaptureOptions {
  /** File seconds per virtual second; infinite: as fast as it goes. */
  readonly speed: number
  readonly direction: Direction
  readonly rewrite: { readonly source: NewMac; readonly destination: NewMac }
  /** How often the file is played. */
  readonly loop: number
  /** Checksums anew: captures of one's own frames often hold none, since the interface would have made them. */
  readonly fixSums: boolean
  readonly filter: string
  /** Of the file's interfaces. */
  readonly from: string | null
  /** How long answers are waited for, after the last frame. */
  readonly linger: Nanos
  readonly json: boolean
}

/** Returns the exit code. */
export async function replay(
  file: string,
  topologyFile: string,
  name: string,
  options: ReplayOptions,
): Promise<number> {
  const topology = readTopology(topologyFile)
  // The recorder knows every interface by its name; without --captures it watches this one only.
  const only = options.captures === undefined ? [name] : options.interfaces
  const interfaces = only.length === 0 || only.includes(name) ? only : [...only, name]
  const { captures, format, seed } = options
  const capturing = {
    format,
    interfaces,
    ...(captures === undefined ? {} : { captures }),
    ...(seed === undefined ? {} : { seed }),
  }
  return withLab(topologyFile, topology, capturing, captures === undefined, (lab) => playInto(lab, file, name, options))
}

async function playInto(lab: Lab, file: string, name: string, options: ReplayOptions): Promise<number> {
  const device = deviceNamed(lab, name)
  const play = new Play(lab, device, options)
  let problem: CaptureInputError | null = null
  try {
    await play.run(file)
  } catch (error) {
    // A file that ends too early was played as far as it goes.
    if (!(error instanceof CaptureInputError)) throw error
    problem = error
  } finally {
    play.end()
  }
  const summary = play.summary(name)
  if (problem !== null && summary.sent === 0) throw problem
  process.stdout.write(options.json ? `${JSON.stringify(summary)}\n` : textOf(summary, options))
  if (problem !== null) process.stderr.write(`podwire: ${problem.message}\n`)
  return problem === null ? 0 : 1
}

function deviceNamed(lab: Lab, name: string): NetDevice {
  const all = lab.recorder?.interfaces() ?? []
  const found = all.find((each) => each.name === name)
  if (found !== undefined) return found.device
  const [machine, wanted] = name.split('/')
  const near = [...lab.machines].find(([each]) => each === machine || each.split('.')[0] === machine)
  const devices = near === undefined ? [] : [...near[1].netns.devices.keys()].map((each) => `${near[0]}/${each}`)
  const hint =
    devices.length > 0 ? devices.join(', ') : [...lab.machines.keys()].map((each) => `${each}/eth0`).join(', ')
  if (near !== undefined && wanted !== undefined) {
    const device = near[1].netns.devices.get(wanted)
    if (device !== undefined) return device
  }
  throw new CaptureInputError(`the topology has no interface ${name}; there are ${hint}`)
}

/** The namespace of the lab's switch. */
const UNDERLAY = 'switch'

interface Summary {
  readonly interface: string
  readonly sent: number
  readonly bytes: number
  readonly refused: Readonly<Record<string, number>>
  /** Frames that the file does not hold whole. */
  readonly cut: number
  /** Conversations that were sent, and those among them that something came back in. */
  readonly conversations: number
  readonly answered: number
  /** Frames that came back in them. */
  readonly answers: number
  readonly dropped: readonly { readonly reason: string; readonly where: string; readonly frames: number }[]
  /** Virtual seconds. */
  readonly seconds: number
}

class Play {
  readonly #lab: Lab
  readonly #device: NetDevice
  readonly #options: ReplayOptions
  readonly #refused: Record<Refusal, number> = { long: 0, short: 0 }
  readonly #conversations = new Map<string, number>()
  readonly #drops = new Map<string, number>()
  readonly #ends: (() => void)[] = []
  readonly #frame = new Uint8Array(65_600)
  /** Packets that were sent, by their ids. */
  readonly #ids = new Set<number>()
  #injecting = false
  #sent = 0
  #bytes = 0
  #cut = 0
  #begin: Nanos = 0
  #last: Nanos = 0

  constructor(lab: Lab, device: NetDevice, options: ReplayOptions) {
    this.#lab = lab
    this.#device = device
    this.#options = options
    const { frames } = lab.world
    const before = frames.dropTap
    frames.dropTap = (frame, reason, where) => {
      before?.(frame, reason, where)
      if (!this.#injecting && !this.#ids.has(frames.identify(frame))) return
      // The underlay's switch is no host: its copy of what is sent to all is no loss.
      if (where === UNDERLAY || where.startsWith(`${UNDERLAY}/`)) return
      const key = `${reason} ${where}`
      this.#drops.set(key, (this.#drops.get(key) ?? 0) + 1)
    }
    this.#ends.push(() => {
      frames.dropTap = before
    })
    this.#ends.push(
      device.listen((frame, _, direction) => {
        if (this.#injecting && direction === options.direction) {
          this.#ids.add(frames.identify(frame))
        } else if (direction !== options.direction) this.#came(frame.bytes, frame.start, frame.end)
      }),
    )
  }

  /** @throws CaptureInputError */
  async run(file: string): Promise<void> {
    const { runner, world } = this.#lab
    const options = this.#options
    const filter = new PacketFilter(options.filter)
    const selection = new Selection(options.from, null)
    await runner.runFor(SECOND)
    this.#begin = world.scheduler.now
    for (let round = 0; round < options.loop; round++) {
      const start = world.scheduler.now
      let first: FilePacket | null = null
      for await (const { packet, facts } of packetsOf(file)) {
        const from = facts.interfaces[packet.interface]
        if (!selection.has(packet, from) || !filter.passes(packet, from.linkType)) continue
        first ??= packet
        // Seconds and nanoseconds apart: their sum since 1970 would lose digits.
        const since = (packet.seconds - first.seconds) * SECOND + (packet.nanos - first.nanos)
        const due = start + Math.max(since, 0) / options.speed
        if (due > world.scheduler.now) await runner.runTo(due)
        this.#send(packet, from.linkType)
      }
    }
    this.#last = world.scheduler.now
    await runner.runFor(options.linger)
  }

  end(): void {
    for (const end of this.#ends) end()
  }

  #send(packet: FilePacket, linkType: number): void {
    const { rewrite, direction } = this.#options
    if (linkType !== ETHERNET && (linkTypeOf(linkType) === null || rewrite.destination === null)) {
      const kind = linkTypeOf(linkType)?.title ?? `link type ${linkType}`
      throw new CaptureInputError(`frames of ${kind} have no MAC addresses: give them some with --rewrite-mac`)
    }
    const bytes = asEthernet(linkType, packet.bytes)
    const length = Math.min(bytes.length, this.#frame.length)
    for (let i = 0; i < length; i++) this.#frame[i] = bytes[i]
    this.#rewrite(rewrite.destination, ethernet.DESTINATION)
    this.#rewrite(rewrite.source, ethernet.SOURCE)
    const headers = headersOf(ETHERNET, this.#frame, 0, length)
    if (this.#options.fixSums) fixSums(this.#frame, headers, length)
    this.#injecting = true
    const refused = inject(this.#device, this.#frame, 0, length, direction)
    this.#injecting = false
    if (refused !== null) {
      this.#refused[refused]++
      return
    }
    this.#sent++
    this.#bytes += length
    if (packet.originalLength > packet.bytes.length) this.#cut++
    const key = keyOf(headers)
    if (key !== null && !this.#conversations.has(key)) this.#conversations.set(key, 0)
  }

  #rewrite(mac: NewMac, at: number): void {
    if (mac !== null) this.#frame.set(mac === 'own' ? this.#device.mac : mac, at)
  }

  #came(bytes: Uint8Array, at: number, end: number): void {
    const key = keyOf(headersOf(ETHERNET, bytes, at, end))
    const known = key === null ? undefined : this.#conversations.get(key)
    if (key !== null && known !== undefined) this.#conversations.set(key, known + 1)
  }

  summary(name: string): Summary {
    const answers = [...this.#conversations.values()]
    const refused = Object.entries(this.#refused).filter(([, count]) => count > 0)
    return {
      interface: name,
      sent: this.#sent,
      bytes: this.#bytes,
      refused: Object.fromEntries(refused.map(([why, count]) => [refusals[why as Refusal], count])),
      cut: this.#cut,
      conversations: answers.length,
      answered: answers.filter((count) => count > 0).length,
      answers: answers.reduce((sum, count) => sum + count, 0),
      dropped: [...this.#drops]
        .map(([key, frames]) => {
          const blank = key.indexOf(' ')
          const { words } = dropReasons[Number(key.slice(0, blank))]
          return { reason: words, where: key.slice(blank + 1), frames }
        })
        .sort((a, b) => b.frames - a.frames),
      seconds: (this.#last - this.#begin) / SECOND,
    }
  }
}

/** One key for both directions of a conversation; null for what nobody answers. */
function keyOf(outer: Headers): string | null {
  const { ip, arp, icmp, sourcePort, destinationPort } = innermost(outer)
  const pair = (one: string, other: string) => (one < other ? `${one} ${other}` : `${other} ${one}`)
  if (arp !== null) return `arp ${pair(arp.sender, arp.target)}`
  if (ip === null) return null
  if (sourcePort !== null) {
    const ends = pair(`${ip.source}:${sourcePort}`, `${ip.destination}:${destinationPort}`)
    return `${ip.protocol} ${ends}`
  }
  if (icmp !== null && icmp.id === null) return null
  return `${ip.protocol} ${icmp?.id ?? ''} ${pair(ip.source, ip.destination)}`
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

function textOf(summary: Summary, options: ReplayOptions): string {
  const { sent, bytes, seconds, conversations, answered, answers, cut } = summary
  const way = options.direction === 'out' ? 'out of' : 'into'
  const lines = [
    `sent      ${plural(sent, 'frame')} (${bytes} bytes) ${way} ${summary.interface} in ${seconds.toFixed(6)} s`,
  ]
  for (const [why, count] of Object.entries(summary.refused)) lines.push(`not sent  ${plural(count, 'frame')}: ${why}`)
  if (cut > 0) lines.push(`cut       ${plural(cut, 'frame')}: the file holds only the beginning`)
  lines.push(`answered  ${answered} of ${plural(conversations, 'conversation')}, by ${plural(answers, 'frame')}`)
  for (const { reason, where, frames } of summary.dropped)
    lines.push(`dropped   ${plural(frames, 'frame')} at ${where}: ${reason}`)
  if (options.captures !== undefined) lines.push(`captures  ${shown(options.captures)}`)
  return `${lines.join('\n')}\n`
}
