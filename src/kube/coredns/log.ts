/** CoreDNS's log and errors plugins: their lines (plugin/log, plugin/pkg/replacer, plugin/errors of version 1.11). */
import { type DnsMessage, rcodeNames } from '../../host/dns-message.ts'
import { encodeMessage } from '../../host/dns-writer.ts'
import { type Nanos, SECOND } from '../../sim/scheduler.ts'
import { formatIpv4 } from '../../wire/address.ts'
import { type DnsRequest, type Done, type Handler, kindOf, zoneOf } from './request.ts'

export const COMMON =
  '{remote}:{port} - {>id} "{type} {class} {name} {proto} {size} {>do} {>bufsize}" {rcode} {>rflags} {rsize} {duration}'
export const COMBINED = `${COMMON} "{/forward/upstream}"`

export interface LogRule {
  readonly zone: string
  readonly format: string
  readonly classes: ReadonlySet<'all' | 'success' | 'denial' | 'error'>
}

export class LogPlugin implements Handler {
  readonly #rules: readonly LogRule[]
  readonly #now: () => Nanos
  readonly #print: (line: string) => void
  readonly #next: Handler

  constructor(rules: readonly LogRule[], now: () => Nanos, print: (line: string) => void, next: Handler) {
    this.#rules = rules
    this.#now = now
    this.#print = print
    this.#next = next
  }

  serve(request: DnsRequest, done: Done): void {
    const rule = this.#rules.find(({ zone }) => zoneOf([zone], request.question.name) !== null)
    if (rule === undefined) return this.#next.serve(request, done)
    const began = this.#now()
    let reply: DnsMessage | null = null
    let length = 0
    const write = (message: DnsMessage) => {
      reply = message
      length += encodeMessage(message).length
      request.write(message)
    }
    this.#next.serve({ ...request, write }, (rcode, error) => {
      if (rule.classes.has('all') || rule.classes.has(classOf(reply)))
        this.#print(`[INFO] ${this.#line(rule.format, request, reply, length, this.#now() - began)}\n`)
      done(rcode, error)
    })
  }

  #line(format: string, request: DnsRequest, reply: DnsMessage | null, length: number, took: Nanos): string {
    const { question, query, client, port, transport } = request
    const values: Readonly<Record<string, string>> = {
      '{remote}': formatIpv4(client),
      '{port}': `${port}`,
      '{>id}': `${query.id}`,
      '{type}': question.type,
      '{class}': question.class,
      '{name}': `${question.name.toLowerCase()}.`,
      '{proto}': transport,
      '{size}': `${query.size}`,
      '{>do}': `${query.edns?.dnssecOk === true}`,
      '{>bufsize}': `${transport === 'tcp' ? 65_535 : Math.max(512, query.edns?.size ?? 0)}`,
      '{>opcode}': `${query.opcode}`,
      '{rcode}': reply === null ? '-' : (rcodeNames[reply.rcode] ?? `${reply.rcode}`),
      '{>rflags}': reply === null ? '-' : flagsOf(reply),
      '{rsize}': `${length}`,
      '{duration}': `${seconds(took)}s`,
      '{/forward/upstream}': '-',
    }
    return format.replaceAll(/\{[^{}]*\}/g, (found) => values[found] ?? found)
  }
}

/** As Go's FormatFloat writes it: as few digits as tell it apart. */
function seconds(took: Nanos): string {
  return (took / SECOND).toFixed(9).replace(/\.?0+$/, '')
}

function flagsOf(reply: DnsMessage): string {
  const flags = [
    reply.response && 'qr',
    reply.authoritative && 'aa',
    reply.truncated && 'tc',
    reply.recursionDesired && 'rd',
    reply.recursionAvailable && 'ra',
    reply.authenticData && 'ad',
    reply.checkingDisabled && 'cd',
  ]
  return flags.filter((flag) => flag !== false).join(',')
}

function classOf(reply: DnsMessage | null): 'success' | 'denial' | 'error' {
  if (reply === null) return 'error'
  const kind = kindOf(reply)
  if (kind === 'success' || kind === 'delegation') return 'success'
  return kind === 'nodata' || kind === 'nxdomain' ? 'denial' : 'error'
}

export class ErrorsPlugin implements Handler {
  readonly #print: (line: string) => void
  readonly #next: Handler

  constructor(print: (line: string) => void, next: Handler) {
    this.#print = print
    this.#next = next
  }

  serve(request: DnsRequest, done: Done): void {
    this.#next.serve(request, (rcode, error) => {
      if (error !== null) {
        const { name, type } = request.question
        this.#print(`[ERROR] plugin/errors: ${rcode} ${name.toLowerCase()}. ${type}: ${error}\n`)
      }
      done(rcode, error)
    })
  }
}
