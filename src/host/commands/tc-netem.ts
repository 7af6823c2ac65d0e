/** tc's netem: its words and its text (tc/q_netem.c). */
import { type NetemOptions, PLAIN } from '../../link/netem-options.ts'
import type { Json } from './ip-json.ts'
import { abbreviation, notModelled, ToolError, type Words } from './ip-words.ts'
import {
  general,
  illegal,
  microsecondsOf,
  nanosOf,
  numberNext,
  parsePercent,
  parseRateWord,
  parseTime,
  percentText,
  rateText,
  ticksOf,
  timeText,
} from './tc-words.ts'

export const NETEM_USAGE = `Usage: ... netem [ limit PACKETS ]
                 [ delay TIME [ JITTER [CORRELATION]]]
                 [ distribution {uniform|normal|pareto|paretonormal} ]
                 [ corrupt PERCENT [CORRELATION]]
                 [ duplicate PERCENT [CORRELATION]]
                 [ loss random PERCENT [CORRELATION]]
                 [ loss state P13 [P31 [P32 [P23 P14]]]
                 [ loss gemodel PERCENT [R [1-H [1-K]]]
                 [ ecn ]
                 [ reorder PERCENT [CORRELATION] [ gap DISTANCE ]]
                 [ rate RATE [PACKETOVERHEAD] [CELLSIZE] [CELLOVERHEAD]]
                 [ slot MIN_DELAY [MAX_DELAY] [packets MAX_PACKETS] [bytes MAX_BYTES]]
                 [ slot distribution {uniform|normal|pareto|paretonormal|custom}
                   DELAY JITTER [packets MAX_PACKETS] [bytes MAX_BYTES]]`

type Draft = { -readonly [key in keyof NetemOptions]: NetemOptions[key] }

function usage(sentence: string): ToolError {
  return new ToolError(sentence === '' ? NETEM_USAGE : `${sentence}\n${NETEM_USAGE}`, 1)
}

export function parseNetem(words: Words): NetemOptions {
  const draft: Draft = { ...PLAIN }
  let distributed = false
  while (!words.done) {
    const word = words.take()
    switch (
      abbreviation(
        word,
        'limit',
        'latency',
        'delay',
        'loss',
        'drop',
        'ecn',
        'reorder',
        'corrupt',
        'gap',
        'duplicate',
        'distribution',
        'rate',
        'slot',
        'help',
      )
    ) {
      case 'limit':
        draft.limit = takeWhole(words, 'limit')
        break
      case 'latency':
      case 'delay':
        takeDelay(words, draft)
        break
      case 'loss':
      case 'drop':
        takeLoss(words, draft)
        break
      case 'reorder':
        draft.reorder = takeChance(words, 'reorder', 'reorder')
        break
      case 'corrupt':
        draft.corrupt = takeChance(words, 'corrupt', 'corrupt')
        break
      case 'duplicate':
        draft.duplicate = takeChance(words, 'duplicate', 'duplicate')
        break
      case 'gap':
        draft.gap = takeWhole(words, 'gap')
        break
      case 'distribution':
        draft.distribution = takeDistribution(words)
        distributed = true
        break
      case 'rate':
        takeRate(words, draft)
        break
      case 'ecn':
        throw notModelled('netem ecn')
      case 'slot':
        throw notModelled('netem slot')
      case 'help':
        throw usage('')
      default:
        throw usage(`What is "${word}"?`)
    }
  }
  check(draft, distributed)
  return draft
}

function check(draft: Draft, distributed: boolean): void {
  if (draft.reorder !== null && draft.reorder.probability > 0) {
    if (draft.delay === 0) throw usage('reordering not possible without specifying some delay')
    if (draft.gap === 0) draft.gap = 1
  } else if (draft.gap > 0) {
    throw usage('gap specified without reorder probability')
  }
  if (distributed && (draft.delay === 0 || draft.jitter === 0)) {
    throw usage('distribution specified but no latency and jitter values')
  }
}

function takeWhole(words: Words, name: string): number {
  const text = words.take()
  if (!/^(0x[0-9a-f]+|[0-9]+)$/i.test(text) || Number(text) > 0xffffffff) throw illegal(name)
  return Number(text)
}

function takePercent(words: Words, name: string): number {
  const value = parsePercent(words.take())
  if (value === null) throw illegal(name)
  return value
}

function takeChance(words: Words, name: string, second: string) {
  const probability = takePercent(words, name)
  return { probability, correlation: numberNext(words) ? takePercent(words, second) : 0 }
}

/** Nanoseconds, as the kernel's ticks allow. */
function takeTime(words: Words): number {
  const microseconds = parseTime(words.take())
  if (microseconds === null) throw illegal('latency')
  return nanosOf(ticksOf(microseconds))
}

function takeDelay(words: Words, draft: Draft): void {
  draft.delay = takeTime(words)
  if (!numberNext(words)) return
  draft.jitter = takeTime(words)
  if (numberNext(words)) draft.delayCorrelation = takePercent(words, 'latency')
}

function takeLoss(words: Words, draft: Draft): void {
  draft.loss = null
  draft.stateLoss = null
  draft.gemodel = null
  if (numberNext(words)) {
    draft.loss = takeChance(words, 'loss percent', 'loss correlation')
    return
  }
  const model = words.take()
  const next = (name: string, otherwise: number) => (numberNext(words) ? takePercent(words, name) : otherwise)
  if (model === 'random') {
    draft.loss = takeChance(words, 'loss percent', 'loss correlation')
  } else if (model === 'state') {
    const p13 = takePercent(words, 'loss p13')
    const p31 = next('loss p31', 1 - p13)
    const p32 = next('loss p32', 0)
    const p23 = next('loss p23', 1)
    draft.stateLoss = { p13, p31, p32, p23, p14: next('loss p14', 0) }
  } else if (model === 'gemodel') {
    const p = takePercent(words, 'loss gemodel p')
    const r = next('loss gemodel r', 1 - p)
    const h = next('loss gemodel h', 1)
    draft.gemodel = { p, r, h, k1: next('loss gemodel k', 0) }
  } else {
    throw new ToolError(`Unknown loss parameter: ${model}`, 1)
  }
}

function takeDistribution(words: Words): NetemOptions['distribution'] {
  const name = words.take()
  if (name === 'uniform' || name === 'normal' || name === 'pareto' || name === 'paretonormal') return name
  const file = `/usr/lib/x86_64-linux-gnu/tc//${name}.dist`
  throw new ToolError(`No distribution data for ${name} (${file}: No such file or directory)`, 1)
}

function takeRate(words: Words, draft: Draft): void {
  const text = words.take()
  if (text.endsWith('%')) throw notModelled('netem rate in percent')
  const rate = parseRateWord(text)
  if (rate === null) throw illegal('rate')
  draft.rate = rate
  const extra = () => {
    const word = words.take()
    if (!/^-?[0-9]+$/.test(word)) throw illegal('rate')
    return Number(word)
  }
  if (!/^-?[0-9]/.test(words.peek)) return
  draft.packetOverhead = extra()
  if (!numberNext(words)) return
  draft.cellSize = extra()
  if (numberNext(words)) draft.cellOverhead = extra()
}

/** Microseconds of nanoseconds, by way of the ticks. */
const micros = (nanos: number): number => microsecondsOf(Math.floor(nanos / 64))

const withCorrelation = (chance: { readonly probability: number; readonly correlation: number }): string =>
  percentText(chance.probability) + (chance.correlation > 0 ? ` ${percentText(chance.correlation)}` : '')

/** `limit 1000 delay 10ms  2ms 25% loss 1%`. */
export function netemText(options: NetemOptions): string {
  const parts = [`limit ${options.limit}`]
  if (options.delay > 0) {
    const jitter = options.jitter > 0 ? `  ${timeText(micros(options.jitter))}` : ''
    const lean = options.jitter > 0 && options.delayCorrelation > 0 ? ` ${percentText(options.delayCorrelation)}` : ''
    parts.push(`delay ${timeText(micros(options.delay))}${jitter}${lean}`)
  }
  const { loss, stateLoss, gemodel, duplicate, reorder, corrupt } = options
  if (loss !== null && loss.probability > 0) parts.push(`loss ${withCorrelation(loss)}`)
  if (stateLoss !== null) {
    const { p13, p31, p32, p23, p14 } = stateLoss
    const named = Object.entries({ p13, p31, p32, p23, p14 })
    parts.push(`loss state ${named.map(([key, value]) => `${key} ${percentText(value)}`).join(' ')}`)
  }
  if (gemodel !== null) {
    const named = [`p ${percentText(gemodel.p)}`, `r ${percentText(gemodel.r)}`, `1-h ${percentText(gemodel.h)}`]
    parts.push(`loss gemodel ${named.join(' ')} 1-k ${percentText(gemodel.k1)}`)
  }
  if (duplicate !== null && duplicate.probability > 0) parts.push(`duplicate ${withCorrelation(duplicate)}`)
  if (reorder !== null && reorder.probability > 0) parts.push(`reorder ${withCorrelation(reorder)}`)
  if (corrupt !== null && corrupt.probability > 0) parts.push(`corrupt ${withCorrelation(corrupt)}`)
  if (options.rate > 0) {
    parts.push(`rate ${rateText(options.rate)}`)
    if (options.packetOverhead !== 0) parts.push(`packetoverhead ${options.packetOverhead}`)
    if (options.cellSize !== 0) parts.push(`cellsize ${options.cellSize}`)
    if (options.cellOverhead !== 0) parts.push(`celloverhead ${options.cellOverhead}`)
  }
  if (options.gap > 0) parts.push(`gap ${options.gap}`)
  return parts.join(' ')
}

/** As `tc -j` gives them; chances are parts of one, times are seconds. */
export function netemJson(options: NetemOptions): { [key: string]: Json | undefined } {
  const part = (value: number): number => Number(general(value, 6))
  const chance = (name: string, from: NetemOptions['loss']) =>
    from === null || from.probability === 0
      ? undefined
      : { [name]: part(from.probability), correlation: part(from.correlation) }
  const { stateLoss, gemodel } = options
  const seconds = (nanos: number): number => micros(nanos) / 1e6
  return {
    limit: options.limit,
    delay:
      options.delay === 0
        ? undefined
        : {
            delay: seconds(options.delay),
            jitter: seconds(options.jitter),
            correlation: part(options.delayCorrelation),
          },
    'loss-random': chance('loss', options.loss),
    'loss-state': stateLoss === null ? undefined : { ...stateLoss },
    'loss-gemodel': gemodel === null ? undefined : { p: gemodel.p, r: gemodel.r, '1-h': gemodel.h, '1-k': gemodel.k1 },
    duplicate: chance('duplicate', options.duplicate),
    reorder: chance('reorder', options.reorder),
    corrupt: chance('corrupt', options.corrupt),
    rate:
      options.rate === 0
        ? undefined
        : {
            rate: options.rate,
            packetoverhead: options.packetOverhead,
            cellsize: options.cellSize,
            celloverhead: options.cellOverhead,
          },
    ecn: false,
    gap: options.gap,
  }
}
