/** The other queueing disciplines that tc(8) can ask for: fifos and the token bucket, their words and their text. */
import type { NetDevice } from '../../link/device.ts'
import { NetemQdisc } from '../../link/netem.ts'
import { Fifo, Noqueue, type Qdisc } from '../../link/qdisc.ts'
import { Tbf } from '../../link/qdisc-tbf.ts'
import type { Json } from './ip-json.ts'
import { abbreviation, notModelled, ToolError, type Words } from './ip-words.ts'
import { netemJson, netemText, parseNetem } from './tc-netem.ts'
import {
  microsecondsOf,
  parseRateWord,
  parseSize,
  parseTime,
  rateText,
  sizeText,
  ticksOf,
  timeText,
} from './tc-words.ts'

const FIFO_USAGE = 'Usage: ... <[p|b]fifo | pfifo_head_drop> [ limit NUMBER ]'
const TBF_USAGE = `Usage: ... tbf limit BYTES burst BYTES[/BYTES] rate KBPS [ mtu BYTES[/BYTES] ]
	[ peakrate KBPS ] [ latency TIME ] [ overhead BYTES ] [ linklayer TYPE ]`

/** Kinds that Linux has and podwire has not. */
const OTHERS = new Set(
  'cake cbq cbs choke clsact codel drr dualpi2 etf ets fq fq_codel fq_pie gred hfsc hhf htb ingress mq mqprio multiq pfifo_fast pfifo_head_drop pie plug prio qfq red sfb sfq skbprio taprio teql0'.split(
    ' ',
  ),
)

/** What to do to a device once all words are read: make the discipline, or change one of the same kind. */
export interface Wanted {
  readonly kind: string
  make(device: NetDevice): Qdisc
  /** True when the one that is there took the change. */
  change(qdisc: Qdisc): boolean
}

/** Reads the words behind a kind. @throws ToolError */
export function parseKind(kind: string, words: Words): Wanted {
  switch (kind) {
    case 'netem': {
      const options = parseNetem(words)
      return {
        kind,
        make: (device) => new NetemQdisc(device, device.world, options),
        change: (qdisc) => qdisc instanceof NetemQdisc && changed(() => qdisc.change(options)),
      }
    }
    case 'tbf': {
      const options = parseTbf(words)
      return {
        kind,
        make: (device) => new Tbf(device, device.world.scheduler, options),
        change: (qdisc) => qdisc instanceof Tbf && changed(() => qdisc.change(options)),
      }
    }
    case 'pfifo':
    case 'bfifo': {
      const given = parseFifo(words, kind)
      // sch_fifo's defaults: txqueuelen frames, or as many bytes of full ones.
      const limitOn = (device: NetDevice) =>
        given ?? device.settings.txQueueLength * (kind === 'pfifo' ? 1 : device.mtu + 14)
      return {
        kind,
        make: (device) => new Fifo(device, kind, limitOn(device)),
        change: (qdisc) =>
          qdisc instanceof Fifo &&
          qdisc.kind === kind &&
          changed(() => {
            if (given !== null) qdisc.limit = given
          }),
      }
    }
    case 'noqueue':
      return { kind, make: (device) => new Noqueue(device), change: (qdisc) => qdisc instanceof Noqueue }
    default:
      if (OTHERS.has(kind)) throw notModelled(`qdisc ${kind}`)
      throw new ToolError('Error: Specified qdisc kind is unknown.', 2)
  }
}

function changed(act: () => void): true {
  act()
  return true
}

function parseFifo(words: Words, kind: string): number | null {
  let limit: number | null = null
  while (!words.done) {
    const word = words.take()
    if (word === 'help') throw new ToolError(FIFO_USAGE, 1)
    if (word !== 'limit') throw new ToolError(`${kind}: unknown parameter "${word}"\n${FIFO_USAGE}`, 1)
    const text = words.take()
    limit = parseSize(text)
    if (limit === null) throw new ToolError(`${kind}: Illegal value for "limit": "${text}"`, 1)
  }
  return limit
}

function parseTbf(words: Words): Tbf['options'] {
  let rate: number | null = null
  let burst: number | null = null
  let limit: number | null = null
  let latency: number | null = null
  const take = (name: string, parse: (text: string) => number | null): number => {
    const text = words.take()
    const value = parse(text)
    if (value === null) throw new ToolError(`tbf: illegal value for "${name}": "${text}"`, 1)
    return value
  }
  const both = () => new ToolError('tbf: specifying both "limit" and "/latency" is not allowed', 1)
  while (!words.done) {
    const word = words.take()
    if (word === 'rate') rate = take('rate', parseRateWord)
    else if (['burst', 'buffer', 'maxburst'].includes(word)) burst = take(word, parseSize)
    else if (word === 'limit') {
      if (latency !== null) throw both()
      limit = take('limit', parseSize)
    } else if (abbreviation(word, 'latency') !== null) {
      if (limit !== null) throw both()
      latency = take('latency', parseTime)
    } else if (['peakrate', 'mtu', 'minburst', 'mpu', 'overhead', 'linklayer'].includes(word)) {
      throw notModelled(`tbf ${word}`)
    } else if (word === 'help') throw new ToolError(TBF_USAGE, 1)
    else throw new ToolError(`tbf: unknown parameter "${word}"\n${TBF_USAGE}`, 1)
  }
  if (rate === null || burst === null || (limit === null && latency === null)) {
    const lacking = [
      rate === null ? 'tbf: the "rate" parameter is mandatory.' : '',
      burst === null ? 'tbf: the "burst" parameter is mandatory.' : '',
      limit === null && latency === null ? 'tbf: either "limit" or "latency" is required.' : '',
    ]
    throw new ToolError([...lacking.filter((line) => line !== ''), TBF_USAGE].join('\n'), 1)
  }
  return { rate, burst, limit: limit ?? Math.floor((rate * (latency ?? 0)) / 1e6 + burst) }
}

/** Time that the bucket is worth, in microseconds, as the kernel's ticks keep it. */
function bucketTime({ rate, burst }: Tbf['options']): number {
  return microsecondsOf(ticksOf((burst / rate) * 1e6))
}

/** What stands behind `refcnt 2 `. */
export function kindText(qdisc: Qdisc, details: boolean): string {
  if (qdisc instanceof NetemQdisc) return netemText(qdisc.options)
  if (qdisc instanceof Fifo) return `limit ${qdisc.limit}${qdisc.kind === 'pfifo' ? 'p' : 'b'}`
  if (!(qdisc instanceof Tbf)) return ''
  const { rate, limit } = qdisc.options
  const time = bucketTime(qdisc.options)
  const burst = sizeText(Math.floor((rate * time) / 1e6))
  const latency = (1e6 * limit) / rate - time
  const patience = latency >= 0 ? `lat ${timeText(latency)}` : `limit ${sizeText(limit)}`
  const extra = details ? '/1 mpu 0b' : ''
  return `rate ${rateText(rate)} burst ${burst}${extra} ${patience} ${details ? 'linklayer ethernet ' : ''}`
}

export function kindJson(qdisc: Qdisc, details: boolean): { [key: string]: Json | undefined } {
  if (qdisc instanceof NetemQdisc) return netemJson(qdisc.options)
  if (qdisc instanceof Fifo) return { limit: qdisc.limit }
  if (!(qdisc instanceof Tbf)) return {}
  const { rate, limit } = qdisc.options
  const time = bucketTime(qdisc.options)
  const bytes = Math.floor((rate * time) / 1e6)
  const latency = Math.floor((1e6 * limit) / rate - time)
  const patience = latency >= 0 ? { lat: latency } : { limit }
  if (!details) return { rate, burst: bytes, ...patience }
  return { rate, burst: `${sizeText(bytes)}/1`, mpu: 0, ...patience, linklayer: 'ethernet' }
}
