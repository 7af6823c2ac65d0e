/**
 * The program in the coredns containers (version 1.11): reads the Corefile, listens, says so, and looks every now and
 * then whether the Corefile has become another.
 */
import { dnsMessage } from '../../host/dns-message.ts'
import { DnsStream, framed } from '../../host/dns-socket.ts'
import { serveHttp } from '../../host/http-server.ts'
import { type Process, type Program, SIGTERM } from '../../host/process.ts'
import { MICROSECOND, SECOND } from '../../sim/scheduler.ts'
import type { TcpSocket } from '../../socket/tcp/socket.ts'
import { ANY, formatIpv4, type Ipv4, LOOPBACK, tryParseIpv4 } from '../../wire/address.ts'
import { CorefileError, fingerprint, parseCorefile } from './corefile.ts'
import type { DnsRecords } from './records.ts'
import type { DnsRequest } from './request.ts'
import { type Client, DnsServer } from './server.ts'
import { COREDNS_VERSION, checkDirectives, type Extras, extrasOf, type Site, sitesOf } from './setup.ts'
import { Upstream } from './upstream.ts'

export interface CoreDnsOptions {
  /** The cluster that the kubernetes plugin asks; null outside of one. */
  readonly records: DnsRecords | null
}

const BACKLOG = 128
/** From a datagram's arrival to the server's first look at it. */
const WAKE_UP = 50 * MICROSECOND
/** How long a connection may say nothing: at first, and later. */
const FIRST_READ = 3 * SECOND
const IDLE = 10 * SECOND
/** How often the loop plugin's question is repeated while nobody answers. */
const LOOP_TRIES = 15

/** What a Corefile makes. */
interface Instance {
  readonly sites: readonly Site[]
  readonly extras: Extras
  readonly fingerprint: string
}

/** `coredns -conf FILE`. */
export function coreDns(options: CoreDnsOptions): Program {
  return async (self) => {
    const conf = self.args.indexOf('-conf')
    const path = conf < 0 ? '/etc/coredns/Corefile' : self.args[conf + 1]
    const text = self.place.files.get(path)
    if (text === undefined) {
      self.out(`open ${path}: no such file or directory\n`)
      return 1
    }
    const server = new CoreDns(self, path, options)
    try {
      return await serve(self, server, text)
    } finally {
      server.over = true
    }
  }
}

async function serve(self: Process, server: CoreDns, text: string): Promise<number> {
  const failed = server.begin(text)
  if (failed !== null) {
    self.out(`${failed}\n`)
    return 1
  }
  const code = await self.wait<number>((settle) => {
    server.fail = settle
    self.trap(SIGTERM, () => {
      self.out('[INFO] SIGTERM: Shutting down servers then terminating\n')
      settle(0)
    })
  })
  const { lameduck } = server.extras
  if (code === 0 && lameduck > 0) {
    self.out(`[INFO] plugin/health: Going into lameduck mode for ${lameduck}s\n`)
    await self.sleep(lameduck * SECOND)
  }
  return code ?? 0
}

class CoreDns {
  /** Ends the program with this code. */
  fail: (code: number) => void = () => {}
  /** The program has ended: what its timers still mean to do is not done. */
  over = false
  readonly #self: Process
  readonly #path: string
  readonly #options: CoreDnsOptions
  #instance: Instance | null = null
  /** By the address and port they listen on; a reload keeps the sockets. */
  readonly #servers = new Map<string, { server: DnsServer }>()

  constructor(self: Process, path: string, options: CoreDnsOptions) {
    this.#self = self
    this.#path = path
    this.#options = options
  }

  get #alive(): boolean {
    return !this.over && !this.#self.killed
  }

  get extras(): Extras {
    return (this.#instance as Instance).extras
  }

  /** What is in the way, or null. */
  begin(text: string): string | null {
    const self = this.#self
    let instance: Instance
    try {
      instance = this.#load(text)
    } catch (error) {
      if (!(error instanceof CorefileError)) throw error
      return error.message
    }
    const failed = this.#listen(instance)
    if (failed !== null) return failed
    this.#instance = instance
    const { health, ready, metrics } = instance.extras
    const ok = () => ({ status: 200, headers: PLAIN, body: 'OK' })
    if (health !== null) serveHttp(self, health, ({ path }) => (path === '/health' ? ok() : NOT_FOUND))
    if (ready !== null) serveHttp(self, ready, ({ path }) => (path === '/ready' ? ok() : NOT_FOUND))
    if (metrics !== null) serveHttp(self, metrics, ({ path }) => (path === '/metrics' ? METRICS : NOT_FOUND))
    this.#announce(instance)
    self.out(`CoreDNS-${COREDNS_VERSION}\nlinux/amd64, go1.21.11, a6338e9\n`)
    this.#testLoops(instance)
    this.#watch()
    return null
  }

  /** @throws CorefileError */
  #load(text: string): Instance {
    const blocks = parseCorefile(text, this.#path)
    checkDirectives(blocks, this.#path)
    const context = {
      self: this.#self,
      alive: () => this.#alive,
      file: this.#path,
      records: this.#options.records,
      looped: (request: DnsRequest, zone: string) => this.#looped(request, zone),
    }
    const sites = blocks.flatMap((block) => {
      const port: { server: DnsServer | null } = { server: null }
      const lookUp: DnsServer['lookUp'] = (request, name, type, answer) =>
        port.server?.lookUp(request, name, type, answer)
      const own = sitesOf(block, { ...context, lookUp })
      return own.map((site) => ({ site, port }))
    })
    // Sites of one port are one server, which is asked when an alias leads out of its site.
    for (const { site, port } of sites)
      port.server = new DnsServer(sites.filter((other) => other.site.port === site.port).map((other) => other.site))
    return { sites: sites.map(({ site }) => site), extras: extrasOf(blocks), fingerprint: fingerprint(blocks) }
  }

  #announce({ sites, extras, fingerprint: sum }: Instance): void {
    for (const { zone, port } of sites) this.#self.out(`${zone === '' ? '' : zone}.:${port}\n`)
    if (extras.reload !== null) this.#self.out(`[INFO] plugin/reload: Running configuration SHA512 = ${sum}\n`)
  }

  // ── sockets ──────────────────────────────────────────────────────────

  #listen({ sites }: Instance): string | null {
    const wanted = new Map<string, { address: Ipv4; port: number; sites: Site[] }>()
    for (const site of sites) {
      const addresses = site.bind.length === 0 ? [ANY] : site.bind.map((text) => tryParseIpv4(text))
      for (const address of addresses) {
        if (address === null) return `plugin/bind: not a valid IP address or interface name: "${site.bind.join(' ')}"`
        const key = `${formatIpv4(address)}:${site.port}`
        const known = wanted.get(key)
        if (known === undefined) wanted.set(key, { address, port: site.port, sites: [site] })
        else known.sites.push(site)
      }
    }
    for (const [key, { address, port, sites: own }] of wanted) {
      const server = new DnsServer(own)
      const known = this.#servers.get(key)
      if (known !== undefined) {
        known.server = server
        continue
      }
      const holder = { server }
      const where = address === ANY ? `:${port}` : key
      const failed = this.#serveUdp(address, port, where, holder) ?? this.#serveTcp(address, port, where, holder)
      if (failed !== null) return `Listen: listen ${failed}`
      this.#servers.set(key, holder)
    }
    return null
  }

  #serveUdp(address: Ipv4, port: number, where: string, holder: { server: DnsServer }): string | null {
    const self = this.#self
    const socket = self.udp()
    const failed = socket.bind(address, port)
    if (failed !== null) return `udp ${where}: bind: ${failed === 'EADDRINUSE' ? IN_USE : NOT_HERE}`
    socket.onDatagram = (payload, from, fromPort) => {
      const client: Client = { address: from, port: fromPort, transport: 'udp' }
      this.#soon(() =>
        holder.server.receive(payload, client, (bytes) => {
          if (this.#alive) socket.sendTo(bytes, from, fromPort)
        }),
      )
    }
    return null
  }

  #serveTcp(address: Ipv4, port: number, where: string, holder: { server: DnsServer }): string | null {
    const socket = this.#self.tcp()
    const listener = socket.bind(address, port) ?? socket.listen(BACKLOG)
    if (typeof listener === 'string') return `tcp ${where}: bind: ${listener === 'EADDRINUSE' ? IN_USE : NOT_HERE}`
    this.#self.own(listener)
    listener.onAccept = (connection) => this.#serveConnection(connection, holder)
    return null
  }

  /** Questions until the client closes, or says nothing for too long. */
  #serveConnection(connection: TcpSocket, holder: { server: DnsServer }): void {
    const self = this.#self
    const { scheduler } = self.world
    const stream = new DnsStream()
    const chunk = new Uint8Array(4096)
    let open = true
    self.own(connection)
    const end = () => {
      if (!open) return
      open = false
      scheduler.cancel(timer)
      self.disclaim(connection)
      connection.close()
    }
    let timer = scheduler.call(FIRST_READ, end)
    const { remoteAddress, remotePort } = connection
    const client: Client = { address: remoteAddress, port: remotePort, transport: 'tcp' }
    connection.onClose = end
    connection.onReadable = () => {
      while (connection.readable > 0) stream.push(chunk.slice(0, connection.read(chunk)))
      for (let query = stream.shift(); query !== null; query = stream.shift()) {
        const asked = query
        scheduler.cancel(timer)
        timer = scheduler.call(IDLE, end)
        this.#soon(() =>
          holder.server.receive(asked, client, (bytes) => {
            // Replies are far smaller than a send buffer; a client that does not read loses its connection.
            if (open && connection.write(framed(bytes)) < bytes.length + 2) end()
          }),
        )
      }
      if (connection.ended) end()
    }
  }

  #soon(action: () => void): void {
    this.#self.world.scheduler.call(WAKE_UP, () => {
      if (this.#alive) action()
    })
  }

  // ── the reload plugin ────────────────────────────────────────────────

  #watch(): void {
    const { reload } = this.extras
    if (reload === null) return
    // The jitter is a part of the interval, so that not all servers reload at once.
    const jitter = reload.jitter > 0 ? this.#self.world.random.below(Math.ceil(reload.jitter * 1000)) / 1000 : 0
    this.#self.world.scheduler.call((reload.every + jitter) * SECOND, () => {
      if (!this.#alive) return
      this.#look()
      this.#watch()
    })
  }

  #look(): void {
    const self = this.#self
    const text = self.place.files.get(this.#path)
    const before = this.#instance as Instance
    if (text === undefined) return
    const failed = (why: string) => {
      self.out(`[ERROR] Restart failed: ${why}\n`)
      self.out(`[ERROR] plugin/reload: Corefile changed but reload failed: ${why}\n`)
    }
    try {
      if (fingerprint(parseCorefile(text, this.#path)) === before.fingerprint) return
    } catch (error) {
      if (!(error instanceof CorefileError)) throw error
      self.out(`[WARNING] plugin/reload: Corefile parse failed: ${error.message}\n`)
      return
    }
    self.out('[INFO] Reloading\n')
    try {
      const next = this.#load(text)
      const refused = this.#listen(next)
      if (refused !== null) return failed(refused)
      this.#instance = next
      for (const site of before.sites) for (const upstream of site.upstreams) upstream.close()
      this.#announce(next)
      self.out('[INFO] Reloading complete\n')
      this.#testLoops(next)
    } catch (error) {
      if (!(error instanceof CorefileError)) throw error
      failed(error.message)
    }
  }

  // ── the loop plugin ──────────────────────────────────────────────────

  /** Asks itself for a name that nobody has: more than one of it coming in means that the forwarding leads back. */
  #testLoops({ sites }: Instance): void {
    for (const { loop, port, zone, upstreams } of sites) {
      if (loop === null || upstreams.length === 0) continue
      const name = `${this.#number()}.${this.#number()}${zone === '' ? '' : `.${zone}`}`
      loop.name = name
      const itself = new Upstream(this.#self, () => this.#alive, LOOPBACK, port, 0)
      const questions = [{ name, type: 'HINFO', class: 'IN' }]
      let tries = LOOP_TRIES
      const ask = () => {
        const id = this.#self.world.random.below(65536)
        itself.ask(dnsMessage({ id, recursionDesired: true, questions }), 'udp', (reply) => {
          itself.close()
          if (!this.#alive) return
          if (reply === null && --tries > 0) return ask()
          loop.name = null
        })
      }
      ask()
    }
  }

  /** 19 digits, as a random 63-bit number has. */
  #number(): string {
    const { random } = this.#self.world
    return `${1 + random.below(8)}${Array.from({ length: 18 }, () => random.below(10)).join('')}`
  }

  #looped({ client, port, question }: DnsRequest, zone: string): void {
    const where = `Loop (${formatIpv4(client)}:${port} -> :53) detected for zone "${zone}."`
    const advice = 'see https://coredns.io/plugins/loop#troubleshooting'
    this.#self.out(`[FATAL] plugin/loop: ${where}, ${advice}. Query: "HINFO ${question.name}."\n`)
    this.fail(1)
  }
}

const IN_USE = 'address already in use'
const NOT_HERE = 'cannot assign requested address'
const PLAIN = [['Content-Type', 'text/plain; charset=utf-8']] as const
const NOT_FOUND = { status: 404, headers: PLAIN, body: '404 page not found\n' }
const METRICS = {
  status: 200,
  headers: [['Content-Type', 'text/plain; version=0.0.4; charset=utf-8']] as const,
  body: `# HELP coredns_build_info A metric with a constant '1' value labeled by version, revision, and goversion from which CoreDNS was built.
# TYPE coredns_build_info gauge
coredns_build_info{goversion="go1.21.11",revision="a6338e9",version="${COREDNS_VERSION}"} 1
`,
}
