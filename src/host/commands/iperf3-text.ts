/** How iperf 3.12 prints sizes, rates and lines. */
import { type Nanos, SECOND } from '../../sim/scheduler.ts'

export const RULE = '- - - - - - - - - - - - - - - - - - - - - - - - -\n'

/** unit_snprintf: the largest unit that leaves at least one, in four places. */
function scaled(value: number, step: number, unit: string): string {
  let power = 0
  for (; value >= step && power < 4; power++) value /= step
  const digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0
  return `${value.toFixed(digits).padStart(4)} ${['', 'K', 'M', 'G', 'T'][power]}${unit}`
}

/** What a line says of one stream, or of all of them. */
export interface Figures {
  readonly from: Nanos
  readonly to: Nanos
  readonly bytes: number
  readonly retransmits: number
  /** Bytes of the congestion window; null: not said. */
  readonly window: number | null
  readonly datagrams: number
  readonly lost: number
  /** RFC 1889's, in nanoseconds. */
  readonly jitter: Nanos
}

export type Kind = 'tcp' | 'udp'

/** The head of the lines of each interval, by what their side does. */
export function intervalHeading(kind: Kind, sends: boolean): string {
  const tcp = sends ? '         Retr  Cwnd' : ''
  const udp = sends ? '         Total Datagrams' : '         Jitter    Lost/Total Datagrams'
  return `[ ID] Interval           Transfer     Bitrate${kind === 'tcp' ? tcp : udp}\n`
}

/** The head of the last lines; a TCP receiver's own have nothing of retransmissions. */
export function summaryHeading(kind: Kind, retransmits: boolean): string {
  const tcp = retransmits ? '         Retr' : ''
  return `[ ID] Interval           Transfer     Bitrate${kind === 'tcp' ? tcp : '         Jitter    Lost/Total Datagrams'}\n`
}

/** `id` is a file descriptor, or SUM. */
export function intervalLine(id: string, kind: Kind, sends: boolean, figures: Figures): string {
  const start = beginning(id, figures)
  if (kind === 'udp') return `${start}${sends ? `  ${figures.datagrams}  ` : `${losses(figures)}  `}\n`
  if (!sends) return `${start}${' '.repeat(18)}\n`
  const window = figures.window === null ? ' '.repeat(13) : `   ${scaled(figures.window, 1024, 'Bytes')}       `
  return `${start}${retransmissions(figures)}${window}\n`
}

export function summaryLine(id: string, kind: Kind, side: 'sender' | 'receiver', figures: Figures): string {
  const start = beginning(id, figures)
  if (kind === 'udp') return `${start}${losses(figures)}  ${side}\n`
  return side === 'sender'
    ? `${start}${retransmissions(figures)}             sender\n`
    : `${start}${' '.repeat(18)}receiver\n`
}

function beginning(id: string, { from, to, bytes }: Figures): string {
  const began = (from / SECOND).toFixed(2).padStart(6)
  const ended = (to / SECOND).toFixed(2).padEnd(6)
  const rate = to > from ? (bytes * 8 * SECOND) / (to - from) : 0
  return `[${id.padStart(3)}] ${began}-${ended} sec  ${scaled(bytes, 1024, 'Bytes')}  ${scaled(rate, 1000, 'bits')}/sec`
}

function retransmissions({ retransmits }: Figures): string {
  return `  ${String(retransmits).padStart(3)}`
}

function losses({ jitter, lost, datagrams }: Figures): string {
  const share = datagrams === 0 ? 0 : Number(((100 * lost) / datagrams).toPrecision(2))
  return `  ${(jitter / 1e6).toFixed(3)} ms  ${lost}/${datagrams} (${share}%)`
}
