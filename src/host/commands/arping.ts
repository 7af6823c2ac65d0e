/** arping (iputils 20221126): ARP requests and announcements by a packet socket, one per interval. */

import type { NetDevice } from '../../link/device.ts'
import { sendPacket } from '../../link/packet-socket.ts'
import { type Nanos, SECOND } from '../../sim/scheduler.ts'
import { ANY, copyMac, formatIpv4, formatMac, type Ipv4, MAC_BROADCAST, type Mac, sameMac } from '../../wire/address.ts'
import * as arp from '../../wire/arp.ts'
import * as ethernet from '../../wire/ethernet.ts'
import { getopt, has, type Options, valueOf } from '../getopt.ts'
import type { Process, Program } from '../process.ts'
import { resolve } from '../resolver.ts'
import { deviceNamed } from './ip-device.ts'
import { listenOn } from './tcpdump-tap.ts'

const USAGE = `
Usage:
  arping [options] <destination>

Options:
  -f            quit on first reply
  -q            be quiet
  -b            keep on broadcasting, do not unicast
  -D            duplicate address detection mode
  -U            unsolicited ARP mode, update your neighbours
  -A            ARP answer mode, update your neighbours
  -V            print version and exit
  -c <count>    how many packets to send
  -w <timeout>  how long to wait for a reply
  -i <interval> set interval between packets (default: 1 second)
  -I <device>   which ethernet device to use
  -s <source>   source ip address
  <destination> dns name or ip address

For more details see arping(8).
`

const INT_MAX = 2_147_483_647
/** 128 + SIGINT's number is the shell's word for it; arping itself sums up and ends as always. */
const SIGINT = 2

export const arping: Program = async (self) => {
  const found = getopt(self.args.slice(1), 'h?bfDUAqc:w:i:s:I:V')
  if (has(found, 'V')) {
    self.out(
      'arping from iputils 20221126\nlibcap: yes, IDN: yes, NLS: no, error.h: yes, getrandom(): yes, __fpending(): yes\n',
    )
    return 0
  }
  if (found.problem !== null) {
    const { kind, option } = found.problem
    const what = kind === 'missing' ? 'option requires an argument' : 'invalid option'
    self.err(`arping: ${what} -- '${option.charAt(1)}'\n${USAGE}`)
    return 2
  }
  for (const option of ['c', 'w', 'i']) {
    const text = valueOf(found, option)
    if (text === null) continue
    const least = option === 'c' ? 1 : 0
    const whole = /^[+-]?\d+$/.test(text)
    if (whole && Number(text) >= least && Number(text) <= INT_MAX) continue
    const range = whole ? `: out of range: ${least} <= value <= ${INT_MAX}` : ''
    self.err(`arping: invalid argument: '${text}'${range}\n`)
    return 1
  }
  if (found.rest.length !== 1) {
    self.err(USAGE)
    return 2
  }
  const probe = await prepare(self, found, found.rest[0])
  return probe === null ? 2 : probe.run()
}

/** Who asks whom by which device; null when that cannot be, and was said. */
async function prepare(self: Process, found: Options, destination: string): Promise<Arping | null> {
  const { netns } = self
  const fail = (said: string) => {
    self.err(said)
    return null
  }
  const answer = await resolve(self, destination)
  if ('error' in answer) return fail(`arping: ${destination}: ${answer.message}\n`)
  const target = answer.addresses[0]
  const name = valueOf(found, 'I')
  const route = netns.lookup(target)
  const device = name === null ? (route?.device ?? null) : deviceNamed(netns, name)
  if (device === null) return fail(`arping: Device ${name ?? ''} not available.\n`)
  if (!device.up) return fail(`arping: Interface "${device.name}" is down\n`)
  if (device.noArp) {
    self.out(`Interface "${device.name}" is not ARPable\n`)
    return null
  }
  const announcing = has(found, 'U') || has(found, 'A')
  const said = valueOf(found, 's')
  let source: Ipv4 = ANY
  if (said !== null) {
    const from = await resolve(self, said)
    if ('error' in from) return fail(`arping: ${said}: ${from.message}\n`)
    source = from.addresses[0]
  } else if (announcing) {
    source = target
  }
  const detecting = has(found, 'D')
  if (!detecting && source !== ANY && !netns.isLocal(source)) {
    return fail('arping: bind: Cannot assign requested address\n')
  }
  if (!detecting && source === ANY) source = netns.selectAddress(device, target) ?? ANY
  return new Arping(self, found, device, source, target)
}

class Arping {
  readonly #self: Process
  readonly #device: NetDevice
  readonly #source: Ipv4
  readonly #target: Ipv4
  readonly #quiet: boolean
  readonly #detecting: boolean
  readonly #announcing: boolean
  readonly #answering: boolean
  readonly #untilReply: boolean
  readonly #broadcasting: boolean
  /** 0: without end. */
  readonly #count: number
  readonly #timeout: Nanos
  readonly #interval: Nanos
  /** Where requests go: to everybody, or to who answered. */
  readonly #to: Mac = Uint8Array.from(MAC_BROADCAST)
  #sent = 0
  #broadcasts = 0
  #received = 0
  #requestsHeard = 0
  #broadcastsHeard = 0
  #last: Nanos = 0
  #end: (() => void) | null = null

  constructor(self: Process, found: Options, device: NetDevice, source: Ipv4, target: Ipv4) {
    this.#self = self
    this.#device = device
    this.#source = source
    this.#target = target
    this.#quiet = has(found, 'q')
    this.#detecting = has(found, 'D')
    this.#announcing = has(found, 'U') || has(found, 'A')
    this.#answering = has(found, 'A')
    this.#untilReply = has(found, 'f') || this.#detecting
    this.#broadcasting = has(found, 'b')
    this.#count = Number(valueOf(found, 'c') ?? 0)
    this.#timeout = Number(valueOf(found, 'w') ?? 0) * SECOND
    this.#interval = Math.max(Number(valueOf(found, 'i') ?? 1), 1) * SECOND
  }

  async run(): Promise<number> {
    const self = this.#self
    const began = self.now()
    this.#say(`ARPING ${formatIpv4(this.#target)} from ${formatIpv4(this.#source)} ${this.#device.name}\n`)
    const heard: { mac: Mac; address: Ipv4; reply: boolean; broadcast: boolean }[] = []
    let over = false
    self.trap(SIGINT, () => {
      over = true
      this.#end?.()
    })
    const close = listenOn([this.#device], false, (frame, _device, direction) => {
      const { bytes, start } = frame
      const at = start + ethernet.HEADER
      if (direction !== 'in' || ethernet.type(bytes, start) !== ethernet.ETH_P_ARP) return
      if (!arp.valid(bytes, at, frame.end) || !this.#concerns(bytes, at)) return
      const mac = new Uint8Array(6)
      copyMac(mac, 0, bytes, at + arp.SENDER_MAC)
      const reply = arp.operation(bytes, at) === arp.REPLY
      heard.push({ mac, address: arp.sender(bytes, at), reply, broadcast: ethernet.isGroup(bytes, start) })
      this.#end?.()
    })
    self.own({ close })
    this.#probe()
    for (let next = began + this.#interval; !over; ) {
      await self.wait<true>(
        (settle) => {
          this.#end = () => settle(true)
        },
        Math.max(next - self.now(), 0),
      )
      this.#end = null
      for (let each = heard.shift(); each !== undefined && !over; each = heard.shift()) {
        this.#heard(each.mac, each.address, each.reply, each.broadcast)
        over = this.#untilReply
      }
      if (over || self.now() < next) continue
      next += this.#interval
      if (this.#count > 0 && this.#sent >= this.#count) break
      this.#probe()
      if (this.#timeout > 0 && self.now() - began >= this.#timeout) break
    }
    this.#say(`Sent ${this.#sent} probes (${this.#broadcasts} broadcast(s))\n`)
    this.#say(`Received ${this.#received} response(s)${this.#otherwise()}\n`)
    if (this.#detecting) return this.#received > 0 ? 1 : 0
    if (this.#announcing && !this.#asks()) return 0
    const enough = this.#timeout > 0 && this.#count > 0 ? this.#count : 1
    return this.#received >= enough ? 0 : 1
  }

  /** How many of them were not plain answers. */
  #otherwise(): string {
    const requests = this.#requestsHeard > 0 ? [`${this.#requestsHeard} request(s)`] : []
    const broadcasts = this.#broadcastsHeard > 0 ? [`${this.#broadcastsHeard} broadcast(s)`] : []
    const words = [...requests, ...broadcasts]
    return words.length === 0 ? '' : ` (${words.join(', ')})`
  }

  /** -U with a source of its own asks for somebody else. */
  #asks(): boolean {
    return this.#source !== this.#target
  }

  /** From the target, and to us; who checks for duplicates has no address yet. */
  #concerns(bytes: Uint8Array, at: number): boolean {
    if (arp.sender(bytes, at) !== this.#target) return false
    if (this.#detecting) return true
    // An announcement of ours that a bridge sends back names nobody's MAC as its target.
    return arp.target(bytes, at) === this.#source && sameMac(bytes, at + arp.TARGET_MAC, this.#device.mac, 0)
  }

  #probe(): void {
    const device = this.#device
    const frame = device.world.frames.take()
    frame.end = frame.start + ethernet.HEADER + arp.LENGTH
    const operation = this.#answering ? arp.REPLY : arp.REQUEST
    ethernet.write(frame.bytes, frame.start, this.#to, device.mac, ethernet.ETH_P_ARP)
    const at = frame.start + ethernet.HEADER
    const targetMac = this.#answering ? device.mac : this.#to
    arp.write(frame.bytes, at, operation, device.mac, this.#source, targetMac, this.#target)
    this.#sent++
    if (this.#to.every((byte) => byte === 0xff)) this.#broadcasts++
    this.#last = this.#self.now()
    sendPacket(device, frame, 'arping')
  }

  #heard(mac: Mac, address: Ipv4, reply: boolean, broadcast: boolean): void {
    const elapsed = ((this.#self.now() - this.#last) / 1e6).toFixed(3)
    const how = `${broadcast ? 'Broadcast' : 'Unicast'} ${reply ? 'reply' : 'request'}`
    this.#say(`${how} from ${formatIpv4(address)} [${formatMac(mac).toUpperCase()}]  ${elapsed}ms\n`)
    this.#received++
    if (!reply) this.#requestsHeard++
    if (broadcast) this.#broadcastsHeard++
    if (!this.#broadcasting && !this.#announcing && !this.#detecting) this.#to.set(mac)
  }

  #say(text: string): void {
    if (!this.#quiet) this.#self.out(text)
  }
}
