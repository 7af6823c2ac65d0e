/** nc: OpenBSD's (Debian) and BusyBox's: scan a port, talk to one, listen on one; TCP and UDP. */
import { strerror } from '../../net/errno.ts'
import { serviceName } from '../../netfilter/services.ts'
import { MICROSECOND, SECOND } from '../../sim/scheduler.ts'
import type { TcpSocket } from '../../socket/tcp/socket.ts'
import type { UdpSocket } from '../../socket/udp.ts'
import { ANY, formatIpv4, type Ipv4, parseIpv4 } from '../../wire/address.ts'
import { getopt, has, type Options, valueOf } from '../getopt.ts'
import { decodeText, encodeText } from '../http.ts'
import { Killed, type Process, type Program } from '../process.ts'
import { nameOfAddress, resolve } from '../resolver.ts'
import { Datagrams, SocketError, TcpAcceptor, TcpStream, TimedOut } from '../streams.ts'
import { NC_HELP, portsOf, refusedNc, unknownSource } from './nc-options.ts'

type Style = 'openbsd' | 'busybox'

/** Debian's: seconds that a silent UDP port is given. */
const UDP_SCAN_TIMEOUT = 3 * SECOND
/** A write on a veth returns after its softirqs: the next one knows of the ICMP error that a machine nearby sent. */
const BETWEEN_WRITES = 400 * MICROSECOND

export const nc: Program = (self) => netcat(self, 'openbsd')
export const busyboxNc: Program = (self) => netcat(self, 'busybox')

async function netcat(self: Process, style: Style): Promise<number> {
  const found = getopt(self.args.slice(1), style === 'openbsd' ? '4zvnulkNdDtbhCp:w:q:s:' : '4zvnulkNp:w:q:s:')
  const refused = style === 'openbsd' ? refusedNc(found) : null
  if (style === 'openbsd' && has(found, 'h')) {
    self.err(NC_HELP)
    return 0
  }
  if (refused !== null) {
    self.err(refused)
    return refused.startsWith('podwire:') ? 2 : 1
  }
  if (found.problem !== null) {
    self.err(`podwire: nc ${found.problem.option} is not modelled\n`)
    return 2
  }
  const named = unknownSource(found)
  if (named !== null) {
    self.err(`podwire: nc ${named} with a name is not modelled\n`)
    return 2
  }
  return has(found, 'l') ? listen(self, found, style) : dial(self, found, style)
}

async function dial(self: Process, found: Options, style: Style): Promise<number> {
  const [host, ...ports] = found.rest
  if (host === undefined || ports.length === 0) {
    self.err('BusyBox v1.36.1 multi-call binary.\n\nUsage: nc [OPTIONS] HOST PORT\n')
    return 1
  }
  const ranges: (readonly [low: number, high: number])[] = []
  for (const text of style === 'busybox' ? ports.slice(0, 1) : ports) {
    const range = portsOf(text)
    if (typeof range === 'string') {
      self.err(range)
      return 1
    }
    ranges.push(range)
  }
  const answer = await resolve(self, host)
  if ('error' in answer) {
    if (style === 'busybox') self.err(`nc: bad address '${host}'\n`)
    else self.err(`nc: getaddrinfo for host "${host}" port ${ports[0]}: ${answer.message}\n`)
    return 1
  }
  const [address] = answer.addresses
  let code = 1
  for (const [low, high] of ranges) {
    for (let port = low; port <= high; port++) {
      const connected = await dialPort(self, found, style, host, address, port)
      if (connected) code = 0
    }
  }
  return code
}

async function dialPort(
  self: Process,
  found: Options,
  style: Style,
  host: string,
  address: Ipv4,
  port: number,
): Promise<boolean> {
  const udp = has(found, 'u')
  const seconds = valueOf(found, 'w')
  const timeout = seconds === null ? null : Number(seconds) * SECOND
  const protocol = udp ? 'udp' : 'tcp'
  try {
    if (udp) return await talkUdp(self, found, style, host, address, port, timeout)
    const stream = new TcpStream(self, self.tcp())
    stream.timeout = timeout
    try {
      bindSource(found, stream.socket)
      await stream.connect(address, port)
    } catch (error) {
      stream.close()
      throw error
    }
    succeeded(self, found, style, host, address, port, protocol)
    if (!has(found, 'z')) await talk(self, found, style, stream)
    stream.close()
    return true
  } catch (error) {
    if (error instanceof BindFailed) {
      self.err(`nc: bind failed: ${error.message}\n`)
      return false
    }
    if (!(error instanceof SocketError || error instanceof TimedOut)) throw error
    const late = error instanceof TimedOut
    if (style === 'busybox') {
      if (has(found, 'v') || !has(found, 'z')) {
        self.err(late ? 'nc: timed out\n' : `nc: ${host} (${formatIpv4(address)}:${port}): ${error.message}\n`)
      }
      return false
    }
    const reason = late ? 'Connection timed out' : error.message
    const where = host === formatIpv4(address) ? host : `${host} (${formatIpv4(address)})`
    if (has(found, 'v')) {
      self.err(
        late
          ? `nc: connect to ${where} port ${port} (${protocol}) timed out: Operation now in progress\n`
          : `nc: connect to ${where} port ${port} (${protocol}) failed: ${reason}\n`,
      )
    }
    return false
  }
}

class BindFailed extends Error {}

/** report_sock(): with the name of the address, unless -n; also nobody's address is asked for. */
async function report(self: Process, found: Options, what: string, address: Ipv4, port: number): Promise<void> {
  const { name, again } = has(found, 'n') ? { name: null, again: false } : await nameOfAddress(self, address)
  const known = /^\s*nameserver/m.test(self.place.files.get('/etc/resolv.conf') ?? '')
  // A place without any name server is one that nobody gave one, not one whose server is silent.
  if (again && known) self.err('nc: getnameinfo: Temporary failure in name resolution\n')
  else self.err(`${what} ${name ?? formatIpv4(address)} ${port}\n`)
}

/** -s and -p: where the connection comes from. */
function bindSource(found: Options, socket: TcpSocket | UdpSocket): void {
  const address = valueOf(found, 's')
  const port = valueOf(found, 'p')
  if (address === null && port === null) return
  const refused = socket.bind(address === null ? ANY : parseIpv4(address), Number(port ?? 0) & 0xffff)
  if (refused !== null) throw new BindFailed(strerror(refused))
}

function succeeded(
  self: Process,
  found: Options,
  style: Style,
  host: string,
  to: Ipv4,
  port: number,
  protocol: 'tcp' | 'udp',
): void {
  if (!has(found, 'v')) return
  if (style === 'busybox') {
    self.err(`${host} (${formatIpv4(to)}:${port}) open\n`)
    return
  }
  const named = serviceName(port, protocol)
  const service = has(found, 'n') || named === String(port) ? '*' : named
  const where = host === formatIpv4(to) ? host : `${host} (${formatIpv4(to)})`
  self.err(`Connection to ${where} ${port} port [${protocol}/${service}] succeeded!\n`)
}

/** What comes next of standard input, with CRLF for line ends (-C), or never anything (-d). */
async function inputOf(self: Process, found: Options): Promise<string | null> {
  if (has(found, 'd')) return null
  const text = await self.stdin.read()
  return text === null || !has(found, 'C') ? text : text.replace(/\r?\n/g, '\r\n')
}

/** Standard input to the peer, the peer's bytes to standard output, until the peer has ended. */
async function talk(self: Process, found: Options, style: Style, stream: TcpStream): Promise<void> {
  const quit = style === 'openbsd' ? Number(valueOf(found, 'q') ?? -1) : -1
  let leave: () => void = () => {}
  const left = new Promise<void>((resolve) => {
    leave = resolve
  })
  const send = async () => {
    for (let text = await inputOf(self, found); text !== null; text = await inputOf(self, found)) {
      await stream.write(encodeText(text))
    }
    // -d: standard input is not there, and so does not end either.
    if (has(found, 'd')) return
    // BusyBox half-closes at the end of its input, OpenBSD's only with -N.
    if (style === 'busybox' || has(found, 'N') || quit >= 0) stream.shutdown()
    if (quit < 0) return
    await self.sleep(quit * SECOND)
    leave()
  }
  send().catch((error) => {
    if (!(error instanceof SocketError || error instanceof TimedOut || error instanceof Killed)) throw error
  })
  const hear = async () => {
    for (let bytes = await stream.read(); bytes !== null; bytes = await stream.read()) self.out(decodeText(bytes))
  }
  try {
    await Promise.race([hear(), left])
  } catch (error) {
    // -w: silence for that long ends it, without a word.
    if (!(error instanceof TimedOut || error instanceof SocketError)) throw error
  }
}

/** Debian's udptest(): two datagrams at once, one after each second; an ICMP error in between says no. */
async function testUdp(self: Process, datagrams: Datagrams, timeout: number | null): Promise<void> {
  datagrams.send(encodeText('X'))
  await self.sleep(BETWEEN_WRITES)
  datagrams.send(encodeText('X'))
  for (let waited = 0; waited < (timeout ?? UDP_SCAN_TIMEOUT); waited += SECOND) {
    await self.sleep(SECOND)
    datagrams.send(encodeText('X'))
  }
  await self.sleep(BETWEEN_WRITES) // The service's name is looked up before the socket is closed: an echo comes earlier.
}

async function talkUdp(
  self: Process,
  found: Options,
  style: Style,
  host: string,
  address: Ipv4,
  port: number,
  timeout: number | null,
): Promise<boolean> {
  const socket = self.udp()
  socket.broadcast = has(found, 'b')
  bindSource(found, socket)
  const refused = socket.connect(address, port)
  if (refused !== null) throw new SocketError(refused)
  const datagrams = new Datagrams(self, socket)
  const scan = has(found, 'z')
  if (scan || (style === 'openbsd' && has(found, 'v'))) {
    try {
      await testUdp(self, datagrams, timeout)
    } catch (error) {
      // "No such port" is an answer that nc keeps to itself.
      if (!(error instanceof SocketError) || style === 'busybox') throw error
      datagrams.close()
      return false
    }
  }
  if (scan) {
    succeeded(self, found, style, host, address, port, 'udp')
    return true
  }
  succeeded(self, found, style, host, address, port, 'udp')
  for (let text = await inputOf(self, found); text !== null; text = await inputOf(self, found)) {
    datagrams.send(encodeText(text))
  }
  try {
    for (;;) {
      const datagram = await datagrams.receive(timeout ?? undefined)
      if (datagram === null) return true
      self.out(decodeText(datagram.payload))
    }
  } catch (error) {
    // What was refused after it was sent ends the talk, and is no failure.
    if (!(error instanceof SocketError) || style === 'busybox') throw error
    return true
  }
}

async function listen(self: Process, found: Options, style: Style): Promise<number> {
  const port = Number(valueOf(found, 'p') ?? found.rest.at(-1) ?? 0)
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    self.err('nc: getaddrinfo: Servname not supported for ai_socktype\n')
    return 1
  }
  const asked = valueOf(found, 's') ?? (found.rest.length > 1 ? found.rest[0] : null)
  const own = asked === null ? ANY : parseIpv4(asked)
  try {
    if (has(found, 'u')) return await listenUdp(self, found, own, port, style)
    const acceptor = new TcpAcceptor(self, port, own, 1)
    if (has(found, 'v')) {
      if (style === 'busybox') self.err(`listening on ${formatIpv4(own)}:${port} ...\n`)
      else await report(self, found, 'Listening on', own, port)
    }
    do {
      const stream = await acceptor.accept()
      if (has(found, 'v')) await tellOf(self, found, style, stream.remoteAddress, stream.remotePort)
      if (!has(found, 'k')) acceptor.close()
      await talk(self, found, style, stream)
      stream.close()
    } while (has(found, 'k'))
    return 0
  } catch (error) {
    if (!(error instanceof SocketError)) throw error
    self.err(style === 'busybox' ? `nc: bind: ${error.message}\n` : `nc: ${error.message}\n`)
    return 1
  }
}

/** A connection has come. */
async function tellOf(self: Process, found: Options, style: Style, from: Ipv4, port: number): Promise<void> {
  if (style === 'busybox') self.err(`connect to 0.0.0.0 from ${formatIpv4(from)}:${port}\n`)
  else await report(self, found, 'Connection received on', from, port)
}

/** With -k from anybody; otherwise the first who is heard is the only one. */
async function listenUdp(self: Process, found: Options, own: Ipv4, port: number, style: Style): Promise<number> {
  const datagrams = Datagrams.bind(self, port, own)
  if (has(found, 'v')) await report(self, found, 'Bound on', own, port)
  let alone = style === 'busybox' || has(found, 'k')
  for (;;) {
    const datagram = await datagrams.receive()
    if (datagram === null) continue
    if (!alone) {
      alone = true
      datagrams.socket.connect(datagram.from, datagram.fromPort)
      if (has(found, 'v')) await tellOf(self, found, style, datagram.from, datagram.fromPort)
      sendInput(self, datagrams)
    }
    self.out(decodeText(datagram.payload))
  }
}

/** Standard input goes to the peer, line by line as it comes. */
function sendInput(self: Process, datagrams: Datagrams): void {
  const send = async () => {
    for (let text = await self.stdin.read(); text !== null; text = await self.stdin.read())
      datagrams.send(encodeText(text))
  }
  send().catch((error) => {
    if (!(error instanceof SocketError || error instanceof Killed)) throw error
  })
}
