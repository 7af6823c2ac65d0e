/**
 * A journey for reading:
 *
 *   default/client                                       the namespace
 *     ● 41  eth0 out  0.000000 s                         a frame: its number in the merged capture, interface, time
 *       │ IP 10.244.1.2.38054 > 10.96.0.10.80: …         as tcpdump prints it
 *     ├ leaves by the default route                      a decision
 *     │   default via 10.244.1.1 dev eth0                the entry that decided
 *     │   on default/client: ip route                    where to see it on a real node
 *     ~ TTL 64 → 63                                      what a hop changed
 */
import { formatIpv4, tryParseIpv4 } from '../wire/address.ts'
import type { Change } from './changes.ts'
import { textsOf } from './frame-text.ts'
import { headersOf, innermost, summary } from './headers.ts'
import type { Journey, Stop } from './journey.ts'
import { type Paint, plain } from './paint.ts'
import type { Reason, Recording, SeenFrame } from './recording.ts'

const MICROSECOND = 1e3
const MILLISECOND = 1e6
const SECOND = 1e9

export interface PageOptions {
  readonly paint: Paint
  /** Decisions in words only, without entries and commands. */
  readonly brief: boolean
  /** Marks the frame that was asked for. */
  readonly mark?: boolean
}

export function journeyText(
  recording: Recording,
  journey: Journey,
  options: PageOptions = { paint: plain, brief: false },
): string {
  return new JourneyPrinter(recording, journey, options).print()
}

class JourneyPrinter {
  readonly #recording: Recording
  readonly #journey: Journey
  readonly #paint: Paint
  readonly #brief: boolean
  /** The frame that was asked for; 0: nobody cares. */
  readonly #marked: number
  readonly #texts: ReadonlyMap<number, string>
  readonly #lines: string[] = []
  /** Under whose heading we are. */
  #place: string | null = null
  /** The frame's text at the last stop. */
  #text = ''

  constructor(recording: Recording, journey: Journey, { paint, brief, mark = true }: PageOptions) {
    this.#recording = recording
    this.#journey = journey
    this.#paint = paint
    this.#brief = brief
    this.#marked = mark && journey.stops.length > 1 ? journey.asked.number : 0
    const frames = journey.stops.map(({ frame }) => frame)
    this.#texts = textsOf(recording, frames)
  }

  print(): string {
    this.#head()
    for (const stop of this.#journey.stops) this.#stop(stop)
    this.#foot()
    return `${this.#lines.join('\n')}\n`
  }

  #head(): void {
    const { asked, packetId, stops } = this.#journey
    const { bold, dim } = this.#paint
    const first = stops[0]
    const packet = packetId === null ? `Frame ${asked.number}` : `Packet ${packetId}`
    this.#lines.push(bold(`${packet}: ${summary(first.headers)}`))
    const legend = this.#legend(stops)
    if (legend !== '') this.#lines.push(dim(legend))
    const { question, answer } = this.#journey.partners
    if (question !== null) this.#lines.push(`It answers ${this.#partner(question)}`)
    if (answer !== null) this.#lines.push(`It is answered by ${this.#partner(answer)}`)
  }

  #partner(frame: SeenFrame): string {
    const packet = frame.packetId === null ? '' : `packet ${frame.packetId}, `
    return `${packet}frame ${frame.number}: ${summary(headersOf(frame.bytes))}`
  }

  /** `10.96.0.10 is kube-system/kube-dns`. */
  #legend(stops: readonly Stop[]): string {
    const names = new Map<string, string>()
    for (const { headers } of stops) {
      const ip = headers === null ? null : innermost(headers).ip
      for (const text of ip === null ? [] : [ip.source, ip.destination]) {
        const address = tryParseIpv4(text)
        const name = address === null ? undefined : this.#recording.names.get(address)
        if (address !== null && name !== undefined) names.set(formatIpv4(address), name)
      }
    }
    return [...names].map(([address, name]) => `${address} is ${name}`).join(', ')
  }

  #stop(stop: Stop): void {
    this.#reasons(stop.before, null)
    const { frame } = stop
    const { name, place, device } = this.#recording.interfaces[frame.interface]
    this.#enter(place)
    const { bold, dim, yellow } = this.#paint
    const asked = frame.number === this.#marked
    const way = frame.direction === null ? '' : ` ${frame.direction}`
    const own = dim(`${this.#time(stop)}, frame ${frame.ownNumber} of ${name}.pcapng`)
    const mark = asked ? yellow('   ◀ the frame asked for') : ''
    this.#lines.push(`  ● ${bold(String(frame.number))}  ${bold(device)}${way}  ${own}${mark}`)
    for (const change of stop.changes) this.#lines.push(`    ${this.#paint.cyan(`~ ${changeText(change)}`)}`)
    // Where nothing is other than before, the text would be the same again.
    const text = this.#texts.get(frame.number) ?? ''
    if (text !== this.#text || asked) this.#lines.push(...text.split('\n').map((line) => `    │ ${line}`))
    this.#text = text
    this.#reasons(stop.after, place)
  }

  /** `here`: where they were decided, if they do not say so themselves. */
  #reasons(reasons: readonly Reason[], here: string | null): void {
    for (const [i, reason] of reasons.entries()) {
      const next = reasons[i + 1]
      const shared = next !== undefined && next.command === reason.command && next.where === reason.where
      this.#reason(reason, here, shared)
    }
  }

  /** `shared`: the next one's command shows this one's entry, too. */
  #reason(reason: Reason, here: string | null, shared: boolean): void {
    const { dim, red, green } = this.#paint
    const where = reason.where ?? here
    if (where !== null) this.#enter(this.#namespaceOf(where))
    const end = reason.kind === 'drop' ? red : reason.kind === 'socket' ? green : (text: string) => text
    const bullet = reason.kind === 'drop' ? '✗' : reason.kind === 'socket' ? '■' : '├'
    const device = where === null || this.#namespaceOf(where) === where ? '' : `${lastPart(where)}: `
    this.#lines.push(`    ${end(`${bullet} ${device}${reason.sentence}`)}`)
    if (this.#brief) return
    if (reason.entry !== null) {
      for (const line of reason.entry.split('\n')) this.#lines.push(`    │     ${line}`)
    }
    if (reason.command !== null && where !== null && !shared) {
      this.#lines.push(`    │     ${dim(`on ${this.#namespaceOf(where)}: ${reason.command}`)}`)
    }
  }

  /** A device's place lies in its namespace. */
  #namespaceOf(where: string): string {
    const places = this.#recording.interfaces
    if (places.some(({ place }) => place === where)) return where
    return places.find(({ name }) => name === where)?.place ?? where
  }

  #enter(place: string): void {
    if (place === this.#place) return
    this.#place = place
    this.#lines.push('', this.#paint.bold(place))
  }

  /** The first frame's time, and how much later each other one is. */
  #time(stop: Stop): string {
    const first = this.#journey.stops[0].frame
    if (stop.frame === first) return `at ${(first.time / SECOND).toFixed(6)} s`
    return `+${duration(stop.frame.time - first.time)}`
  }

  #foot(): void {
    const { ends, packetId } = this.#journey
    const { dim, red, green } = this.#paint
    this.#lines.push('')
    for (const end of ends) {
      const where = end.where === null ? '' : ` at ${end.where}`
      const text = `End${where}: ${end.sentence}`
      this.#lines.push(end.kind === 'drop' ? red(text) : green(text))
    }
    if (packetId !== null) this.#lines.push(dim(`In Wireshark: frame.packet_id == ${packetId}`))
  }
}

export function changeText({ field, before, after }: Change): string {
  if (before === null) return `${field} added: ${after}`
  if (after === null) return `${field} removed: ${before}`
  return `${field} ${before} → ${after}`
}

/** In the unit that keeps it short: `50 µs`, `1.003 ms`, `2.5 s`. */
export function duration(nanos: number): string {
  if (nanos >= SECOND) return `${trimmed(nanos / SECOND)} s`
  if (nanos >= MILLISECOND) return `${trimmed(nanos / MILLISECOND)} ms`
  return `${trimmed(nanos / MICROSECOND)} µs`
}

function trimmed(value: number): string {
  return value.toFixed(3).replace(/\.?0+$/, '')
}

function lastPart(where: string): string {
  return where.slice(where.lastIndexOf('/') + 1)
}
