/** The names of what a packet has: `ip saddr`, `meta mark`, `ct state` (meta.c, ct.c and proto.c of nft 1.0.6). */
import { Base, CtKey, type Expression, MetaKey } from './nft-ast.ts'
import * as type from './nft-type.ts'
import { type Datatype, integer } from './nft-type.ts'

/** The number of a transport protocol that has fields of its own; null: the name asks for none. */
export function transportNumber(protocol: string): number | null {
  return TRANSPORTS[protocol] ?? null
}

const TRANSPORTS: Readonly<Record<string, number>> = {
  icmp: 1,
  tcp: 6,
  udp: 17,
  dccp: 33,
  esp: 50,
  ah: 51,
  sctp: 132,
  udplite: 136,
}

/** The transport with this number. */
export function transportName(number: number): string | null {
  return Object.entries(TRANSPORTS).find(([, each]) => each === number)?.[0] ?? null
}

type Row = readonly [field: string, offset: number, bits: number, type?: Datatype]

const PORTS: readonly Row[] = [
  ['sport', 0, 16, type.PORT],
  ['dport', 16, 16, type.PORT],
]

const HEADERS: Readonly<Record<string, { readonly base: number; readonly rows: readonly Row[] }>> = {
  ether: {
    base: Base.LINK,
    rows: [
      ['daddr', 0, 48, type.ETHER],
      ['saddr', 48, 48, type.ETHER],
      ['type', 96, 16, type.ETHER_TYPE],
    ],
  },
  ip: {
    base: Base.NETWORK,
    rows: [
      ['version', 0, 4],
      ['hdrlength', 4, 4],
      ['dscp', 8, 6, type.DSCP_TYPE],
      ['ecn', 14, 2, type.ECN],
      ['length', 16, 16],
      ['id', 32, 16],
      ['frag-off', 48, 16],
      ['ttl', 64, 8],
      ['protocol', 72, 8, type.PROTOCOL],
      ['checksum', 80, 16],
      ['saddr', 96, 32, type.IPV4],
      ['daddr', 128, 32, type.IPV4],
    ],
  },
  icmp: {
    base: Base.TRANSPORT,
    rows: [
      ['type', 0, 8, type.ICMP_TYPE],
      ['code', 8, 8, type.ICMP_CODE],
      ['checksum', 16, 16],
      ['id', 32, 16],
      ['sequence', 48, 16],
      ['gateway', 32, 32],
      ['mtu', 48, 16],
    ],
  },
  tcp: {
    base: Base.TRANSPORT,
    rows: [
      ...PORTS,
      ['sequence', 32, 32],
      ['ackseq', 64, 32],
      ['doff', 96, 4],
      ['reserved', 100, 4],
      ['flags', 104, 8, type.TCP_FLAG],
      ['window', 112, 16],
      ['checksum', 128, 16],
      ['urgptr', 144, 16],
    ],
  },
  udp: { base: Base.TRANSPORT, rows: [...PORTS, ['length', 32, 16], ['checksum', 48, 16]] },
  udplite: { base: Base.TRANSPORT, rows: [...PORTS, ['csumcov', 32, 16], ['checksum', 48, 16]] },
  dccp: { base: Base.TRANSPORT, rows: PORTS },
  sctp: { base: Base.TRANSPORT, rows: [...PORTS, ['vtag', 32, 32], ['checksum', 64, 32]] },
  esp: {
    base: Base.TRANSPORT,
    rows: [
      ['spi', 0, 32],
      ['sequence', 32, 32],
    ],
  },
  ah: {
    base: Base.TRANSPORT,
    rows: [
      ['hdrlength', 8, 8],
      ['spi', 32, 32],
      ['sequence', 64, 32],
    ],
  },
  th: { base: Base.TRANSPORT, rows: PORTS },
}

export function isHeader(word: string): boolean {
  return Object.hasOwn(HEADERS, word)
}

/** Null when the header has no such field. */
export function payloadField(protocol: string, name: string): Expression | null {
  const header = HEADERS[protocol]
  const row = header?.rows.find(([field]) => field === name)
  if (row === undefined) return null
  const [field, offset, bits, datatype = integer(bits)] = row
  const text = `${protocol} ${field}`
  return {
    k: 'field',
    type: datatype,
    field: { kind: 'payload', text, protocol, base: header.base, offset, bits },
  }
}

/** `@nh,96,32`: the named field that lies there, or the bare bits. */
export function rawPayload(base: string, offset: number, bits: number): Expression | null {
  const bases: Readonly<Record<string, number>> = { ll: Base.LINK, nh: Base.NETWORK, th: Base.TRANSPORT }
  const number = bases[base]
  if (number === undefined) return null
  const protocol = { nh: 'ip', th: 'th' }[base]
  const known =
    protocol === undefined ? undefined : HEADERS[protocol].rows.find((row) => row[1] === offset && row[2] === bits)
  if (known !== undefined && protocol !== undefined) return payloadField(protocol, known[0])
  const text = `@${base},${offset},${bits}`
  return {
    k: 'field',
    type: integer(bits, 'big', -1),
    field: { kind: 'payload', text, protocol: '', base: number, offset, bits },
  }
}

/** The bare names stand without `meta`. */
const META: Readonly<Record<string, readonly [key: number, type: Datatype, bare?: boolean]>> = {
  length: [MetaKey.LENGTH, integer(32, 'host')],
  protocol: [MetaKey.PROTOCOL, type.ETHER_TYPE],
  nfproto: [MetaKey.NFPROTO, type.NF_PROTO],
  l4proto: [MetaKey.L4PROTO, type.PROTOCOL],
  mark: [MetaKey.MARK, type.MARK],
  iif: [MetaKey.IIF, type.IFINDEX, true],
  oif: [MetaKey.OIF, type.IFINDEX, true],
  iifname: [MetaKey.IIFNAME, type.IFNAME, true],
  oifname: [MetaKey.OIFNAME, type.IFNAME, true],
  iiftype: [MetaKey.IIFTYPE, type.ARPHRD],
  oiftype: [MetaKey.OIFTYPE, type.ARPHRD],
  pkttype: [MetaKey.PKTTYPE, type.PKT_TYPE],
  random: [MetaKey.RANDOM, integer(32)],
  cpu: [MetaKey.CPU, integer(32, 'host')],
}

/** Keys of nft that are not modelled. */
export const OTHER_META: readonly string[] = [
  ...['priority', 'nftrace', 'rtclassid', 'skuid', 'skgid', 'cgroup', 'iifgroup', 'oifgroup', 'ibrname', 'obrname'],
  ...[
    'secmark',
    'secpath',
    'ipsec',
    'iifkind',
    'oifkind',
    'ibrpvid',
    'ibrvproto',
    'time',
    'day',
    'hour',
    'sdif',
    'sdifname',
  ],
]

/** Words that may stand without `meta` in front. */
export function isBareMeta(word: string): boolean {
  return (
    word === 'mark' ||
    word === 'nftrace' ||
    word === 'rtclassid' ||
    META[word]?.[2] === true ||
    OTHER_BARE.includes(word)
  )
}
const OTHER_BARE: readonly string[] = [
  'skuid',
  'skgid',
  'iifgroup',
  'oifgroup',
  'iiftype',
  'oiftype',
  'cgroup',
  'ibrname',
  'obrname',
]

export function metaField(name: string): Expression | null {
  const row = META[name]
  if (row === undefined) return null
  return {
    k: 'field',
    type: row[1],
    field: { kind: 'meta', text: row[2] === true ? name : `meta ${name}`, key: row[0] },
  }
}

const CT: Readonly<Record<string, readonly [key: number, type: Datatype]>> = {
  state: [CtKey.STATE, type.CT_STATE],
  status: [CtKey.STATUS, type.CT_STATUS],
  mark: [CtKey.MARK, type.MARK],
  direction: [CtKey.DIRECTION, type.CT_DIR],
  protocol: [CtKey.PROTOCOL, type.PROTOCOL],
  l3proto: [CtKey.L3PROTO, type.NF_PROTO],
  expiration: [CtKey.EXPIRATION, type.TIME],
  packets: [CtKey.PACKETS, integer(64, 'host')],
  bytes: [CtKey.BYTES, integer(64, 'host')],
}

const CT_DIRECTED: Readonly<Record<string, readonly [key: number, type: Datatype]>> = {
  saddr: [CtKey.SADDR, type.IPV4],
  daddr: [CtKey.DADDR, type.IPV4],
  'proto-src': [CtKey.PROTO_SRC, type.PORT],
  'proto-dst': [CtKey.PROTO_DST, type.PORT],
  protocol: [CtKey.PROTOCOL, type.PROTOCOL],
  l3proto: [CtKey.L3PROTO, type.NF_PROTO],
  packets: [CtKey.PACKETS, integer(64, 'host')],
  bytes: [CtKey.BYTES, integer(64, 'host')],
}

export const OTHER_CT: readonly string[] = [
  'zone',
  'label',
  'helper',
  'avgpkt',
  'event',
  'id',
  'secmark',
  'timeout',
  'count',
  'expectation',
]

export function ctField(name: string): Expression | null {
  const row = CT[name]
  if (row === undefined) return null
  return { k: 'field', type: row[1], field: { kind: 'ct', text: `ct ${name}`, key: row[0], direction: -1 } }
}

/** `ct original saddr`; addresses are printed with `ip`, the protocols without direction. */
export function ctDirected(direction: 'original' | 'reply', name: string): Expression | null {
  const row = CT_DIRECTED[name]
  if (row === undefined) return null
  const address = name === 'saddr' || name === 'daddr'
  const bare = name === 'protocol' || name === 'l3proto'
  const text = bare ? `ct ${name}` : `ct ${direction} ${address ? 'ip ' : ''}${name}`
  return {
    k: 'field',
    type: row[1],
    field: { kind: 'ct', text, key: row[0], direction: direction === 'reply' ? 1 : 0 },
  }
}
