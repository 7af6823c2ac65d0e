/** Rules in text: as iptables-save prints them, and as a line of `iptables -L`. */
import { formatIpv4, type Ipv4 } from '../wire/address.ts'
import { type Chain, Inverted, type Rule } from './chain.ts'
import { hookNames, Verdict } from './hook.ts'
import { bang } from './match.ts'
import { prefixOf, protocolName } from './words.ts'

const verdictNames: Readonly<Partial<Record<Verdict, string>>> = {
  [Verdict.ACCEPT]: 'ACCEPT',
  [Verdict.DROP]: 'DROP',
  [Verdict.RETURN]: 'RETURN',
}

export function policyName(chain: Chain): string {
  return verdictNames[chain.policy] ?? ''
}

function network(address: Ipv4, mask: Ipv4): string {
  return `${formatIpv4(address)}/${prefixOf(mask) ?? formatIpv4(mask)}`
}

/** Everything behind `-A CHAIN`. */
export function saveRule(rule: Rule): string {
  const { inverted } = rule
  const parts: string[] = []
  if (rule.sourceMask !== 0) {
    parts.push(`${bang((inverted & Inverted.SOURCE) !== 0)}-s ${network(rule.source, rule.sourceMask)}`)
  }
  if (rule.destinationMask !== 0) {
    parts.push(`${bang((inverted & Inverted.DESTINATION) !== 0)}-d ${network(rule.destination, rule.destinationMask)}`)
  }
  if (rule.input.given) parts.push(`${bang(rule.input.not)}-i ${rule.input.text}`)
  if (rule.output.given) parts.push(`${bang(rule.output.not)}-o ${rule.output.text}`)
  if (rule.protocol !== 0) {
    parts.push(`${bang((inverted & Inverted.PROTOCOL) !== 0)}-p ${protocolName(rule.protocol)}`)
  }
  if (rule.fragments) parts.push(`${bang((inverted & Inverted.FRAGMENT) !== 0)}-f`)
  for (const match of rule.matches) {
    parts.push(`-m ${match.name}`)
    const options = match.save()
    if (options !== '') parts.push(options)
  }
  const goal = rule.target?.spelled ?? targetName(rule)
  if (goal !== '') parts.push(`${rule.verdict === Verdict.GOTO ? '-g' : '-j'} ${goal}`)
  const options = rule.target === null ? '' : rule.target.save()
  if (options !== '') parts.push(options)
  return parts.join(' ')
}

function targetName(rule: Rule): string {
  return rule.chain?.name ?? rule.target?.name ?? verdictNames[rule.verdict] ?? ''
}

/** How `iptables -L` is to print. */
export interface ListOptions {
  /** -n: no names. */
  numeric?: boolean
  /** -v: counters and interfaces. */
  verbose?: boolean
  /** --line-numbers */
  lineNumbers?: boolean
  /** -x: counters in full. */
  exact?: boolean
}

export function listHeader(chain: Chain, references: number, options: ListOptions): string {
  let title = `Chain ${chain.name} (${references} references)`
  if (chain.hook !== null) {
    const counters = options.verbose === true ? ` ${chain.packets} packets, ${chain.bytes} bytes` : ''
    title = `Chain ${hookNames[chain.hook]} (policy ${policyName(chain)}${counters})`
  }
  let columns = options.lineNumbers === true ? 'num  ' : ''
  if (options.verbose === true) columns += options.exact === true ? '    pkts      bytes ' : ' pkts bytes '
  columns += 'target     prot opt'
  if (options.verbose === true) columns += ' in     out    '
  return `${title}\n${columns} source               destination         \n`
}

/** `number` counts from 1. */
export function listRule(rule: Rule, number: number, options: ListOptions): string {
  const { inverted } = rule
  let line = options.lineNumbers === true ? `${String(number).padEnd(4)} ` : ''
  if (options.verbose === true) line += `${count(rule.packets, options)} ${count(rule.bytes, options)} `
  line += `${targetName(rule).padEnd(9)} `
  line += (inverted & Inverted.PROTOCOL) !== 0 ? '!' : ' '
  // iptables 1.8.9 prints the protocol's number with -n.
  line += (options.numeric === true ? String(rule.protocol) : protocolName(rule.protocol)).padEnd(4)
  line += ' '
  line += `${rule.fragments ? ((inverted & Inverted.FRAGMENT) !== 0 ? '!f' : '-f') : '--'} `
  if (options.verbose === true) {
    const any = options.numeric === true ? '*' : 'any'
    const input = rule.input.given ? bang(rule.input.not).trim() + rule.input.text : any
    const output = rule.output.given ? bang(rule.output.not).trim() + rule.output.text : any
    line += ` ${input.padEnd(6)} ${output.padEnd(6)} `
  }
  line += address(rule.source, rule.sourceMask, (inverted & Inverted.SOURCE) !== 0, options)
  line += address(rule.destination, rule.destinationMask, (inverted & Inverted.DESTINATION) !== 0, options)
  if (rule.verdict === Verdict.GOTO) line += '[goto] '
  for (const match of rule.matches) line += ` ${match.list(options.numeric === true, rule.protocol)}`
  const tail = rule.target === null ? '' : rule.target.list(options.numeric === true)
  return `${line}${tail === '' ? '' : ` ${tail}`}\n`
}

function address(value: Ipv4, mask: Ipv4, not: boolean, options: ListOptions): string {
  let text = network(value, mask).replace(/\/32$/, '')
  if (mask === 0 && options.numeric !== true) text = 'anywhere'
  return `${not ? '!' : ' '}${text.padEnd(19)} `
}

/** Five columns, in thousands when they do not suffice. */
function count(value: number, options: ListOptions): string {
  if (options.exact === true) return String(value).padStart(8)
  if (value <= 99_999) return String(value).padStart(5)
  let scaled = value
  for (const unit of ['K', 'M', 'G']) {
    scaled = Math.floor((scaled + 500) / 1000)
    if (scaled <= 9999) return `${String(scaled).padStart(4)}${unit}`
  }
  return `${String(Math.floor((scaled + 500) / 1000)).padStart(4)}T`
}
