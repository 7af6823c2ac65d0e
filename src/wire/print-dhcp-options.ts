/** DHCP's options (RFC 2132 and its successors) as tcpdump -v prints them. */
import { hex, type PacketText, visible } from './print-text.ts'

const PAD = 0
const NETBIOS_NODE = 46
const OVERLOAD = 52
const MESSAGE_TYPE = 53
const PARAMETERS = 55
const CLIENT_ID = 61
const USER_CLASS = 77
const FULL_NAME = 81
const AGENT = 82
const CLASSLESS_ROUTES = 121
const CLASSLESS_ROUTES_MICROSOFT = 249
const END = 255

/** How a kind of value is written: addresses, pairs of them, numbers of one, two or four bytes, text, yes and no. */
type Layout = 'address' | 'pair' | 'long' | 'signed' | 'short' | 'bytes' | 'text' | 'flag' | 'any'

const list = (layout: Layout, text: string) =>
  text.split(' ').map((word) => {
    const [number, name] = word.split('=')
    return [Number(number), { layout, name }] as const
  })

const options = new Map<number, { readonly layout: Layout; readonly name: string }>([
  ...list(
    'address',
    '1=Subnet-Mask 3=Default-Gateway 4=Time-Server 5=IEN-Name-Server 6=Domain-Name-Server 7=LOG 8=CS 9=LPR-Server ' +
      '10=IM 11=RL 16=SS 28=BR 32=RSA 41=YS 42=NTP 44=Netbios-Name-Server 45=WDD 48=XFS 49=XDM 50=Requested-IP ' +
      '54=Server-ID 68=MH 69=SMTP 70=POP3 71=NNTP 72=WWW 73=FG 74=IRC 75=STS 76=STDA 92=Associated-IP 112=NI ' +
      '118=SUBNET 150=TFTP-Server-Address',
  ),
  ...list('long', '24=MTU-Timeout 35=AT 38=KI 51=Lease-Time 58=RN 59=RB 91=Last-Transaction-Time'),
  ...list('signed', '2=Time-Zone'),
  ...list(
    'text',
    '12=Hostname 14=DP 15=Domain-Name 17=RP 18=EP 40=YD 47=Netbios-Scope 56=MSG 60=Vendor-Class 66=TFTP 67=BF ' +
      '80=SLP-NA 88=TZSTR 95=LDAP 98=UAP 100=POSIX-TZ 101=TZ-Name 113=NITAG 114=URL 161=MUD-URL',
  ),
  ...list('short', '13=BS 22=RSZ 25=MTU-Table 26=MTU 57=MSZ 93=ARCH 117=NSSEARCH'),
  ...list('flag', '19=IPF 20=SRT 27=LSN 29=MD 30=MS 31=Router-Discovery 34=UT 36=IE 39=KG 116=NOAUTO'),
  ...list('pair', '21=PF 33=Static-Route'),
  ...list('bytes', '23=TTL 37=TT 43=Vendor-Option 78=SLP-DA 79=SLP-SCOPE 83=ARMT 89=FQDNS 90=AUTH 94=NDI 97=GUID'),
  ...list(
    'any',
    '0=PAD 46=Netbios-Node 52=OO 53=DHCP-Message 55=Parameter-Request 61=Client-ID 77=User-Class 81=FQDN ' +
      '82=Agent-Information 121=Classless-Static-Route 249=Classless-Static-Route-Microsoft 255=END',
  ),
])

const messages = ['', 'Discover', 'Offer', 'Request', 'Decline', 'ACK', 'NACK', 'Release', 'Inform']
const overloads = ['', 'file', 'sname', 'file+sname']
const netbiosNodes = new Map([
  [1, 'b-node'],
  [2, 'p-node'],
  [4, 'm-node'],
  [8, 'h-node'],
])
const agentParts = new Map([
  [1, 'Circuit-ID'],
  [2, 'Remote-ID'],
  [5, 'Link-selection'],
  [6, 'Subscriber-ID'],
])

/** All options from `at` on. */
export function printDhcpOptions(out: PacketText, at: number): void {
  const everything = out.verbose > 2
  for (let option = at; option < out.end; ) {
    const kind = out.u8(option++)
    const bare = kind === PAD || kind === END
    if (bare && !everything) {
      if (kind === END) return
      continue
    }
    const length = bare ? 0 : out.u8(option++)
    out.text += `\n\t    ${nameOf(kind)} (${kind}), length ${length}${length > 0 ? ': ' : ''}`
    if (kind === PAD) {
      let pads = 1
      while (option < out.end && out.bytes[option] === PAD) {
        option++
        pads++
      }
      out.text += `, occurs ${pads}`
    }
    if (bare) continue
    out.need(option, length)
    if (!printSpecial(out, kind, option, length)) out.text += valueText(out, layoutOf(kind, length), option, length)
    option += length
  }
}

function nameOf(kind: number): string {
  return options.get(kind)?.name ?? 'Unknown'
}

/** What tcpdump does not know it shows as numbers, as long as their bytes come out even. */
function layoutOf(kind: number, length: number): Layout {
  const layout = options.get(kind)?.layout ?? 'any'
  if (layout !== 'any') return layout
  if (length % 2 !== 0) return 'bytes'
  return length % 4 === 0 ? 'long' : 'short'
}

function valueText(out: PacketText, layout: Layout, at: number, length: number): string {
  if (layout === 'text') return `"${visible(out.bytes, at, at + length)}"`
  if (layout === 'bytes') return Array.from(out.bytes.subarray(at, at + length)).join('.')
  const parts: string[] = []
  const size = layout === 'pair' ? 8 : layout === 'short' ? 2 : layout === 'flag' ? 1 : 4
  for (let place = at; place + size <= at + length; place += size) {
    if (layout === 'address') parts.push(out.address(place))
    else if (layout === 'pair') parts.push(`(${out.address(place)}:${out.address(place + 4)})`)
    else if (layout === 'short') parts.push(String(out.u16(place)))
    else if (layout === 'flag') parts.push(['N', 'Y'][out.u8(place)] ?? `${out.u8(place)}?`)
    else parts.push(String(layout === 'signed' ? out.u32(place) | 0 : out.u32(place)))
  }
  return parts.join(',')
}

/** False for an option that has no layout of its own. */
function printSpecial(out: PacketText, kind: number, at: number, length: number): boolean {
  const end = at + length
  switch (kind) {
    case MESSAGE_TYPE:
      if (length !== 1 || !messages[out.u8(at)]) return false
      out.text += messages[out.u8(at)]
      return true
    case NETBIOS_NODE:
      if (length > 0) out.text += netbiosNodes.get(out.u8(at)) ?? `#${out.u8(at)}`
      return true
    case OVERLOAD:
      if (length > 0) out.text += overloads[out.u8(at)] || `#${out.u8(at)}`
      return true
    case PARAMETERS:
      for (let i = at; i < end; i++)
        out.text += `${(i - at) % 4 === 0 ? '\n\t      ' : ', '}${nameOf(out.u8(i))} (${out.u8(i)})`
      return true
    case CLIENT_ID: {
      if (length === 0) return true
      const type = out.u8(at)
      if (type === 0) out.text += `"${visible(out.bytes, at + 1, end)}"`
      else out.text += `${type === 1 ? 'ether ' : `hardware-type ${type}, `}${colons(out, at + 1, end)}`
      return true
    }
    case USER_CLASS:
      printUserClass(out, at, end)
      return true
    case FULL_NAME:
      printFullName(out, at, end)
      return true
    case AGENT:
      for (let part = at; part + 2 <= end; part += 2 + out.u8(part + 1)) {
        const number = out.u8(part)
        const size = out.u8(part + 1)
        if (part + 2 + size > end) break
        const name = agentParts.get(number) ?? 'Unknown'
        out.text += `\n\t      ${name} SubOption ${number}, length ${size}: ${visible(out.bytes, part + 2, part + 2 + size)}`
      }
      return true
    case CLASSLESS_ROUTES:
    case CLASSLESS_ROUTES_MICROSOFT:
      printRoutes(out, at, end)
      return true
    default:
      return false
  }
}

function colons(out: PacketText, at: number, end: number): string {
  return Array.from(out.bytes.subarray(at, end), (byte) => hex(byte, 2)).join(':')
}

function printUserClass(out: PacketText, at: number, end: number): void {
  if (end - at < 2) {
    out.text += '[ERROR: length < 2 bytes]'
    return
  }
  let number = 1
  for (let part = at; part < end; part += 1 + out.u8(part)) {
    const size = out.u8(part)
    if (size === 0 || part + 1 + size > end) return
    out.text += `\n\t      instance#${number++}: "${visible(out.bytes, part + 1, part + 1 + size)}", length ${size}`
  }
}

/** RFC 4702: flags, two codes that are no longer used, and the name. */
function printFullName(out: PacketText, at: number, end: number): void {
  if (end - at < 3) {
    out.text += '[ERROR: length < 3 bytes]'
    return
  }
  const flags = out.u8(at)
  if (flags >> 4 !== 0) out.text += `[ERROR: MBZ nibble 0x${(flags >> 4).toString(16)} != 0] `
  if (flags & 15) out.text += `[${['S', 'O', 'E', 'N'].filter((_, i) => flags & (1 << i)).join('')}] `
  if (out.u8(at + 1) !== 0 || out.u8(at + 2) !== 0) out.text += `${out.u8(at + 1)}/${out.u8(at + 2)} `
  out.text += `"${visible(out.bytes, at + 3, end)}"`
}

/** RFC 3442: a prefix's length, the bytes of it that count, a gateway. */
function printRoutes(out: PacketText, at: number, end: number): void {
  const parts: string[] = []
  for (let route = at; route < end; ) {
    if (end - route < 5) {
      parts.push(`[ERROR: ${parts.length > 0 ? `Remaining length (${end - route})` : 'length'} < 5 bytes]`)
      break
    }
    const width = out.u8(route)
    if (width > 32) {
      parts.push(`[ERROR: Mask width (${width}) > 32]`)
      break
    }
    const held = Math.ceil(width / 8)
    if (route + 1 + held + 4 > end) break
    const octets = [0, 1, 2, 3].map((i) => (i < held ? out.u8(route + 1 + i) : 0))
    const network = width === 0 ? 'default' : `${octets.join('.')}/${width}`
    parts.push(`(${network}:${out.address(route + 1 + held)})`)
    route += 1 + held + 4
  }
  out.text += parts.join(',')
}
