/**
 * tracepath (iputils): UDP probes as large as the path takes, one at a time, with a growing TTL; each local refusal
 * or "fragmentation needed" makes the next ones smaller, and the hop is asked once more.
 */
import { strerror } from '../../net/errno.ts'
import { type Nanos, SECOND } from '../../sim/scheduler.ts'
import type { UdpSocket } from '../../socket/udp.ts'
import { formatIpv4, type Ipv4 } from '../../wire/address.ts'
import { put32, u16 } from '../../wire/bytes.ts'
import * as icmp from '../../wire/icmp.ts'
import * as ipv4 from '../../wire/ipv4.ts'
import * as udp from '../../wire/udp.ts'
import { getopt, has, type Options, valueOf } from '../getopt.ts'
import type { Process, Program } from '../process.ts'
import { nameOfAddress, resolve } from '../resolver.ts'
import { type IcmpFailure, IcmpInbox } from './icmp-inbox.ts'

const FIRST_PORT = 44_444
/** HIS_ARRAY_SIZE: how many probes are remembered. */
const REMEMBERED = 64
const LARGEST = 65_535
const OVERHEAD = ipv4.HEADER + udp.HEADER
const WAIT: Nanos = SECOND
const TRIES = 3

interface Remembered {
  readonly hops: number
  readonly sent: Nanos
}

/** -n, without options, -b, and -nb. */
type Naming = 'number' | 'name' | 'name first' | 'number first'

function namingOf(found: Options): Naming {
  if (has(found, 'b')) return has(found, 'n') ? 'number first' : 'name first'
  return has(found, 'n') ? 'number' : 'name'
}

/** What strtol and the limits of -l, -m and -p say; null when all is well. */
function outOfRange(found: Options): string | null {
  for (const [option, text] of found.options) {
    if (!'lmp'.includes(option)) continue
    if (!/^[+-]?\d+$/.test(text)) return `invalid argument: '${text}'`
    const value = Number(text)
    if (option === 'l' && !(value > OVERHEAD && value <= INT_MAX)) {
      return `pktlen must be within: ${OVERHEAD} < value <= ${INT_MAX}`
    }
    const most = option === 'm' ? 255 : LARGEST
    if (option !== 'l' && !(value >= 0 && value <= most)) {
      return `invalid argument: '${text}': out of range: 0 <= value <= ${most}`
    }
  }
  return null
}

/** What a probe came to: nobody answered, go on with the next hop, or the end of the path. */
type Outcome = 'silence' | 'hop' | 'end'

const INT_MAX = 2_147_483_647
const VERSION =
  'tracepath from iputils 20221126\nlibcap: yes, IDN: yes, NLS: no, error.h: yes, getrandom(): yes, __fpending(): yes\n'
const USAGE = `
Usage
  tracepath [options] <destination>

Options:
  -4             use IPv4
  -6             use IPv6
  -b             print both name and ip
  -l <length>    use packet <length>
  -m <hops>      use maximum <hops>
  -n             no dns name resolution
  -p <port>      use destination <port>
  -V             print version and exit
  <destination>  dns name or ip address

For more details see tracepath(8).
`

export const tracepath: Program = async (self) => {
  const found = getopt(self.args.slice(1), '46bhnl:m:p:V')
  if (has(found, 'V')) {
    self.out(VERSION)
    return 0
  }
  if (found.problem !== null || found.rest.length === 0) {
    const { kind, option } = found.problem ?? { kind: null, option: '' }
    const what = kind === 'missing' ? 'option requires an argument' : 'invalid option'
    if (kind !== null) self.err(`tracepath: ${what} -- '${option.charAt(1)}'\n`)
    self.err(USAGE)
    return 255
  }
  const refusal = outOfRange(found)
  if (refusal !== null) {
    self.err(`tracepath: ${refusal}\n`)
    return 1
  }
  if (has(found, '6')) {
    self.err('podwire: tracepath -6 is not modelled\n')
    return 2
  }
  const [host, port] = found.rest[0].split('/')
  const answer = await resolve(self, host)
  if ('error' in answer) {
    self.err(`tracepath: ${host}: ${answer.message}\n`)
    return 1
  }
  const number = (option: string, otherwise: number) => Number(valueOf(found, option) ?? otherwise)
  const base = port === undefined ? number('p', FIRST_PORT) : Number(port)
  const tracer = new Tracepath(self, answer.addresses[0], base, namingOf(found), number('l', LARGEST))
  await tracer.run(number('m', 30))
  return 0
}

class Tracepath {
  readonly #self: Process
  readonly #target: Ipv4
  readonly #base: number
  readonly #naming: Naming
  readonly #socket: UdpSocket
  readonly #inbox: IcmpInbox
  readonly #sent: (Remembered | null)[] = new Array<Remembered | null>(REMEMBERED).fill(null)
  #next = 0
  #ttl = 1
  #mtu: number
  #hopsTo = -1
  #hopsFrom = -1

  constructor(self: Process, target: Ipv4, base: number, naming: Naming, mtu: number) {
    this.#self = self
    this.#target = target
    this.#base = base
    this.#naming = naming
    this.#mtu = mtu
    this.#socket = self.udp()
    this.#inbox = new IcmpInbox(
      self,
      (event) =>
        event.kind === 'error' &&
        event.destination === target &&
        event.protocol === ipv4.IPPROTO_UDP &&
        u16(event.quote, 0) === this.#socket.localPort,
    )
  }

  async run(hops: number): Promise<void> {
    for (this.#ttl = 1; this.#ttl <= hops; this.#ttl++) {
      const outcome = await this.#hop()
      if (outcome === 'end') return this.#resume()
      if (outcome === 'silence') this.#self.out(`${this.#number()}:  no reply\n`)
    }
    this.#self.out(`     Too many hops: pmtu ${this.#mtu}\n`)
    this.#resume()
  }

  #resume(): void {
    const to = this.#hopsTo >= 0 ? `hops ${this.#hopsTo} ` : ''
    const from = this.#hopsFrom >= 0 ? `back ${this.#hopsFrom} ` : ''
    this.#self.out(`     Resume: pmtu ${this.#mtu} ${to}${from}\n`)
  }

  async #hop(): Promise<Outcome> {
    let outcome: Outcome = 'silence'
    for (let tries = 0; tries < TRIES && outcome === 'silence'; tries++) {
      const mtu = this.#mtu
      outcome = await this.#probe()
      if (this.#mtu !== mtu) {
        tries = -1
        if (outcome !== 'end') outcome = 'silence'
      }
    }
    return outcome
  }

  async #probe(): Promise<Outcome> {
    const { netns } = this.#self
    const fits = netns.mtuTo(this.#target)
    if (this.#mtu > fits) {
      this.#mtu = fits
      this.#self.out(`${this.#number()}?: ${'[LOCALHOST]'.padEnd(32)} pmtu ${fits}\n`)
    }
    const payload = new Uint8Array(Math.max(0, this.#mtu - OVERHEAD))
    if (payload.length >= 4) put32(payload, 0, this.#ttl)
    this.#socket.ttl = this.#ttl
    this.#sent[this.#next] = { hops: this.#ttl, sent: this.#self.now() }
    const failed = this.#socket.sendTo(payload, this.#target, this.#base + this.#next)
    if (failed !== null) {
      this.#self.out(`${this.#number()}?: send failed\n`)
      this.#self.err(`Resume: ${strerror(failed)}\n`)
      return 'end'
    }
    this.#next = (this.#next + 1) % REMEMBERED
    await this.#inbox.wait(WAIT)
    let outcome: Outcome = 'silence'
    for (let event = this.#inbox.take(); event !== null; event = this.#inbox.take()) {
      if (event.kind !== 'error') continue
      outcome = await this.#print(event)
      if (outcome === 'end') break
    }
    return outcome
  }

  async #print(event: IcmpFailure): Promise<Outcome> {
    const slot = u16(event.quote, 2) - this.#base
    const probe = this.#sent[slot] ?? null
    if (probe !== null) this.#sent[slot] = null
    const hops = probe?.hops ?? this.#ttl
    const number = probe === null ? `${this.#number()}?: ` : `${String(probe.hops).padStart(2)}:  `
    const micros = probe === null ? 0 : Math.floor((event.at - probe.sent) / 1000)
    const trip = `${String(Math.floor(micros / 1000)).padStart(3)}.${String(micros % 1000).padStart(3, '0')}ms `
    this.#self.out(`${number}${(await this.#name(event.from)).padEnd(52)}${probe === null ? '' : trip}`)
    const back = hopsBack(event.ttl)
    if (event.type === icmp.TIME_EXCEEDED) {
      this.#self.out(back === hops ? '\n' : `asymm ${String(back).padStart(2)} \n`)
      return 'hop'
    }
    if (event.code === icmp.FRAGMENTATION_NEEDED) {
      this.#mtu = event.mtu
      this.#self.out(`pmtu ${event.mtu}\n`)
      return 'hop'
    }
    if (event.code === icmp.PORT_UNREACHABLE) {
      this.#self.out('reached\n')
      this.#hopsTo = hops
      this.#hopsFrom = back
      return 'end'
    }
    const mark = markOf(event.code)
    this.#self.out(`${mark ?? ''}\n`)
    if (mark === null) this.#self.err('tracepath: NET ERROR: Protocol not available\n')
    return 'end'
  }

  async #name(address: Ipv4): Promise<string> {
    const number = formatIpv4(address)
    if (this.#naming === 'number') return number
    const { name, again } = await nameOfAddress(this.#self, address)
    const shown = name ?? (again ? '???' : number)
    if (this.#naming === 'name') return shown
    return this.#naming === 'name first' ? `${shown} (${number})` : `${number} (${shown})`
  }

  #number(): string {
    return String(this.#ttl).padStart(2)
  }
}

/** How far the answer came, when it set out with the next usual TTL above what is left of it. */
function hopsBack(ttl: number): number {
  if (ttl <= 64) return 65 - ttl
  return ttl <= 128 ? 129 - ttl : 256 - ttl
}

/** By the error that the kernel makes of the code (icmp_err_convert): ENETUNREACH, EHOSTUNREACH; null for ENOPROTOOPT. */
function markOf(code: number): string | null {
  if (code === icmp.PROTOCOL_UNREACHABLE) return null
  return [icmp.NET_UNREACHABLE, 6, 9, 11].includes(code) ? '!N' : '!H'
}
