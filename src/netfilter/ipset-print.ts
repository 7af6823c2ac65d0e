/** What `ipset list` and `ipset save` print, as lines or as elements. */
import { formatIpv4, ipv4 } from '../wire/address.ts'
import { IpSet, type IpSets, type ListSet, type SetPlace, type SetType } from './ipset.ts'
import { extensionsOf, formatKey, formatMember, type Member } from './ipset-element.ts'

const REVISIONS: Readonly<Record<SetType | 'list:set', number>> = {
  'hash:ip': 6,
  'hash:net': 7,
  'hash:ip,port': 7,
  'hash:net,port': 8,
  'hash:ip,port,ip': 6,
  'hash:ip,port,net': 8,
  'hash:net,iface': 8,
  'bitmap:port': 3,
  'bitmap:ip': 3,
  'bitmap:ip,mac': 3,
  'list:set': 3,
}

export interface PrintOptions {
  readonly names: boolean
  readonly terse: boolean
  readonly sorted: boolean
}

/** The options a set was made with, in ipset's order; those without a value are switches. */
function header(set: IpSet | ListSet): [name: string, value: string][] {
  const { hashsize, maxelem, netmask, timeout, counters, comment, low, high, initval } = set.options
  const found: [string, string][] = []
  const hash = set.type.startsWith('hash')
  if (hash) found.push(['family', 'inet'], ['hashsize', String(hashsize)], ['maxelem', String(maxelem)])
  else if (set.type === 'list:set') found.push(['size', String((set as ListSet).size)])
  else if (set.type === 'bitmap:port') found.push(['range', `${low}-${high}`])
  else found.push(['range', `${formatIpv4(ipv4(low))}-${formatIpv4(ipv4(high))}`])
  if (netmask !== 32) found.push(['netmask', String(netmask)])
  if (timeout !== null) found.push(['timeout', String(timeout)])
  if (counters) found.push(['counters', ''])
  if (comment) found.push(['comment', ''])
  if (hash) found.push(['bucketsize', '12'], ['initval', `0x${(initval >>> 0).toString(16).padStart(8, '0')}`])
  return found
}

function headerText(set: IpSet | ListSet): string {
  return header(set)
    .map(([name, value]) => (value === '' ? name : `${name} ${value}`))
    .join(' ')
}

function members(sets: IpSets, set: IpSet | ListSet, sorted: boolean): Member[] {
  const now = sets.now()
  set.expire(now)
  const { options } = set
  if (!(set instanceof IpSet)) {
    return set.entries.map((entry) => ({ key: entry.place.name, extensions: extensionsOf(options, entry, now) }))
  }
  let elements = [...set.elements]
  if (set.type.startsWith('bitmap') || sorted) {
    elements = elements.sort(
      (a, b) => (a.address >>> 0) - (b.address >>> 0) || a.protocol - b.protocol || a.port - b.port,
    )
  }
  return elements.map((element) => ({
    key: formatKey(set, element),
    extensions: extensionsOf(options, element, now),
  }))
}

function countOf(set: IpSet | ListSet): number {
  return set instanceof IpSet ? set.elements.size : set.entries.length
}

/** `ipset list`. */
export function listText(sets: IpSets, places: readonly SetPlace[], options: PrintOptions): string {
  if (options.names) return places.map(({ name }) => `${name}\n`).join('')
  return places.map((place) => oneText(sets, place, options)).join('\n')
}

function oneText(sets: IpSets, place: SetPlace, options: PrintOptions): string {
  const { name, set } = place
  const lines = members(sets, set, options.sorted).map(formatMember)
  const head = [
    `Name: ${name}`,
    `Type: ${set.type}`,
    `Revision: ${REVISIONS[set.type]}`,
    `Header: ${headerText(set)}`,
    `Size in memory: ${set.memory}`,
    `References: ${sets.held(place)}`,
    `Number of entries: ${countOf(set)}`,
  ]
  return `${(options.terse ? head : [...head, 'Members:', ...lines]).join('\n')}\n`
}

/** `ipset save`. */
export function saveText(sets: IpSets, places: readonly SetPlace[], options: PrintOptions): string {
  let text = ''
  for (const { name, set } of places) {
    text += `create ${name} ${set.type} ${headerText(set)}\n`
    if (options.terse) continue
    for (const member of members(sets, set, options.sorted)) text += `add ${name} ${formatMember(member)}\n`
  }
  return text
}

function element([name, value]: readonly [string, string]): string {
  return value === '' ? `<${name}/>` : `<${name}>${value}</${name}>`
}

/** `-o xml`. */
export function xmlText(sets: IpSets, places: readonly SetPlace[], options: PrintOptions): string {
  let text = '<ipsets>\n'
  for (const place of places) {
    const { name, set } = place
    if (options.names) {
      text += `<ipset name="${name}"/>\n`
      continue
    }
    const lines = members(sets, set, options.sorted).map(
      ({ key, extensions }) => `<member><elem>${key}</elem>${extensions.map(element).join('')}</member>\n`,
    )
    text +=
      `<ipset name="${name}">\n<type>${set.type}</type>\n<revision>${REVISIONS[set.type]}</revision>\n` +
      `<header>${header(set).map(element).join('')}\n<memsize>${set.memory}</memsize>\n` +
      `<references>${sets.held(place)}</references>\n<numentries>${countOf(set)}</numentries>\n</header>\n` +
      `${options.terse ? '' : `<members>\n${lines.join('')}</members>\n`}</ipset>\n`
  }
  return `${text}</ipsets>\n`
}
