/** DNS records as text: the presentation format of RFC 1035 in the columns that BIND's tools print. */
import { formatIpv4 } from '../wire/address.ts'
import { type DnsData, type DnsQuestion, type DnsRecord, typeOf } from './dns-message.ts'

/** With the final dot. */
export function absolute(name: string): string {
  return `${name}.`
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`
}

/** Names in it end with a dot. */
export function dataText(data: DnsData): string {
  switch (data.type) {
    case 'A':
      return formatIpv4(data.address)
    case 'AAAA':
      return data.address
    case 'CNAME':
    case 'NS':
    case 'PTR':
      return absolute(data.target)
    case 'MX':
      return `${data.preference} ${absolute(data.target)}`
    case 'SRV':
      return `${data.priority} ${data.weight} ${data.port} ${absolute(data.target)}`
    case 'TXT':
      return data.texts.map(quoted).join(' ')
    case 'SOA': {
      const { primary, mailbox, serial, refresh, retry, expire, minimum } = data
      return `${absolute(primary)} ${absolute(mailbox)} ${serial} ${refresh} ${retry} ${expire} ${minimum}`
    }
    case 'OTHER': {
      const hex = Array.from(data.bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
      return `\\# ${data.bytes.length} ${hex.toUpperCase()}`.trimEnd()
    }
  }
}

const TAB = 8

/** A line built in columns: tabs up to the column, one space when it is already behind it (BIND's masterdump.c). */
class Columns {
  text = ''
  #at = 0

  add(text: string): this {
    this.text += text
    this.#at += text.length
    return this
  }

  column(column: number): this {
    const to = Math.max(column, this.#at + 1)
    const tabs = Math.floor(to / TAB) - Math.floor(this.#at / TAB)
    this.text += '\t'.repeat(tabs)
    this.text += ' '.repeat(tabs > 0 ? to % TAB : to - this.#at)
    this.#at = to
    return this
  }
}

/** One line of a section. */
export function recordLine(record: DnsRecord): string {
  const line = new Columns()
    .add(absolute(record.name))
    .column(24)
    .add(`${record.ttl}`)
    .column(32)
    .add(record.class ?? 'IN')
  return `${line.column(40).add(typeOf(record.data)).column(48).add(dataText(record.data)).text}\n`
}

/** One line of the question section. */
export function questionLine(question: DnsQuestion): string {
  const line = new Columns().add(absolute(question.name)).column(32).add(question.class)
  return `;${line.column(40).add(question.type).text}\n`
}
