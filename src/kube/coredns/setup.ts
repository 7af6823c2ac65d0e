/**
 * From a server block of the Corefile to its chain of plugins. The order of the chain is CoreDNS's own (plugin.cfg),
 * whatever the order of the lines; what is wrong is said in CoreDNS's words, and a plugin that podwire has not, in ours.
 */
import type { DnsMessage } from '../../host/dns-message.ts'
import type { Process } from '../../host/process.ts'
import { MICROSECOND } from '../../sim/scheduler.ts'
import type { Ipv4 } from '../../wire/address.ts'
import { CachePlugin } from './cache.ts'
import { type Directive, duration, normalZone, parseError, type ServerBlock } from './corefile.ts'
import { ForwardPlugin } from './forward.ts'
import { KubernetesPlugin } from './kubernetes.ts'
import { ErrorsPlugin, LogPlugin } from './log.ts'
import {
  cacheOptions,
  forwardOptions,
  forwardServers,
  hostsOptions,
  kubernetesOptions,
  logRule,
  type Reader,
  rewriteRule,
} from './options.ts'
import type { DnsRecords } from './records.ts'
import { type DnsRequest, type Handler, nobody } from './request.ts'
import { RewritePlugin } from './rewrite.ts'
import { ChaosPlugin, HostsPlugin, LoadBalancePlugin, LoopPlugin } from './small-plugins.ts'
import { Upstream } from './upstream.ts'

/** As the registry's images say it. */
export const COREDNS_VERSION = '1.11.3'

export interface SetupContext {
  readonly self: Process
  /** Whether the program still runs. */
  readonly alive: () => boolean
  /** The Corefile's name, for complaints. */
  readonly file: string
  /** The cluster; null outside of one. */
  readonly records: DnsRecords | null
  readonly lookUp: (request: DnsRequest, name: string, type: string, answer: (reply: DnsMessage) => void) => void
  readonly looped: (request: DnsRequest, zone: string) => void
}

/** One zone on one port. */
export interface Site {
  /** Lower case; the root is the empty text. */
  readonly zone: string
  readonly port: number
  readonly handler: Handler
  /** Questions of other classes than IN are let in. */
  readonly chaos: boolean
  /** Empty: all. */
  readonly bind: readonly string[]
  readonly loop: LoopPlugin | null
  readonly upstreams: readonly Upstream[]
}

/** What a server does beside answering questions. */
export interface Extras {
  /** Where /health answers; null: nowhere. */
  readonly health: number | null
  /** Seconds between SIGTERM and the end. */
  readonly lameduck: number
  readonly ready: number | null
  readonly metrics: number | null
  /** Seconds between two looks at the Corefile, and how much it varies; null: none. */
  readonly reload: { readonly every: number; readonly jitter: number } | null
}

/** What an answer takes the kubernetes plugin on an idle machine. */
const LOOK_UP = 90 * MICROSECOND

/** plugin.cfg, from the outermost to the innermost; what stands in it and not in BUILT is not modelled. */
const ORDER: readonly string[] =
  `root metadata geoip cancel tls timeouts reload nsid bufsize bind debug trace ready health pprof prometheus errors log
  dnstap local dns64 acl any chaos loadbalance tsig cache rewrite header dnssec autopath minimal template transfer hosts
  route53 azure clouddns k8s_external kubernetes file auto secondary etcd loop forward grpc erratic whoami on sign
  view`.split(/\s+/)
const MODELLED = new Set(
  'reload bind ready health prometheus errors log chaos loadbalance cache rewrite hosts kubernetes loop forward'.split(
    ' ',
  ),
)

/** @throws CorefileError */
export function checkDirectives(blocks: readonly ServerBlock[], file: string): void {
  for (const { directives } of blocks) {
    for (const { name, line } of directives) {
      if (!ORDER.includes(name)) throw parseError(file, line, `Unknown directive '${name}'`)
      if (!MODELLED.has(name)) throw parseError(file, line, `podwire: the ${name} plugin is not modelled`)
    }
  }
}

/** @throws CorefileError */
export function sitesOf(block: ServerBlock, context: SetupContext): Site[] {
  return block.keys.map((key) => {
    const { zone, port } = zoneAndPort(key, context.file, block.directives[0]?.line ?? 1)
    const chain = new ChainBuilder(block, zone, context)
    const handler = chain.build()
    const names = new Set(block.directives.map(({ name }) => name))
    const bind = block.directives.filter(({ name }) => name === 'bind').flatMap(({ args }) => args)
    const chaos = names.has('chaos') || names.has('forward')
    return { zone, port, handler, chaos, bind, loop: chain.loop, upstreams: chain.upstreams }
  })
}

/** @throws CorefileError */
export function extrasOf(blocks: readonly ServerBlock[]): Extras {
  const all = blocks.flatMap(({ directives }) => directives)
  const one = (name: string) => all.find((directive) => directive.name === name)
  const [health, ready, prometheus, reload] = ['health', 'ready', 'prometheus', 'reload'].map(one)
  const lameduck = health?.block.find(({ words }) => words[0] === 'lameduck')?.words[1]
  const port = (directive: Directive | undefined, usual: number) =>
    directive === undefined ? null : Number(directive.args[0]?.replace(/^.*:/, '') ?? usual)
  const every = duration(reload?.args[0]) ?? 30
  return {
    health: port(health, 8080),
    lameduck: duration(lameduck) ?? 0,
    ready: port(ready, 8181),
    metrics: port(prometheus, 9153),
    reload: reload === undefined ? null : { every, jitter: duration(reload.args[1]) ?? every / 2 },
  }
}

/** `.:53`, `example.com`, `dns://example.com:1053`, `10.0.0.0/24`. */
function zoneAndPort(key: string, file: string, line: number): { zone: string; port: number } {
  const scheme = /^([a-z]+):\/\//.exec(key)?.[1] ?? 'dns'
  if (scheme !== 'dns') throw parseError(file, line, `podwire: serving ${scheme}:// is not modelled`)
  const bare = key.replace(/^dns:\/\//, '')
  const colon = bare.lastIndexOf(':')
  const port = colon < 0 ? 53 : Number(bare.slice(colon + 1))
  const zone = colon < 0 ? bare : bare.slice(0, colon)
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw parseError(file, line, `invalid port in '${key}'`)
  return { zone: normalZone(zone), port }
}

class ChainBuilder {
  loop: LoopPlugin | null = null
  readonly upstreams: Upstream[] = []
  readonly #block: ServerBlock
  readonly #zone: string
  readonly #context: SetupContext

  constructor(block: ServerBlock, zone: string, context: SetupContext) {
    this.#block = block
    this.#zone = zone
    this.#context = context
  }

  build(): Handler {
    const ordered = [...this.#block.directives].sort((a, b) => ORDER.indexOf(a.name) - ORDER.indexOf(b.name))
    // Lines of these are rules of one plugin.
    const single = ['log', 'rewrite']
    let handler: Handler = nobody
    for (let i = ordered.length - 1; i >= 0; i--) {
      const { name } = ordered[i]
      if (single.includes(name) && ordered[i - 1]?.name === name) continue
      const same = single.includes(name) ? ordered.filter((other) => other.name === name) : [ordered[i]]
      handler = this.#plugin(name, same, handler)
    }
    return handler
  }

  #plugin(name: string, directives: readonly Directive[], next: Handler): Handler {
    const { self, file, records } = this.#context
    const { scheduler, random } = self.world
    const now = () => scheduler.now
    const print = (line: string) => self.out(line)
    const [directive] = directives
    const reader: Reader = { file, directive, zone: this.#zone }
    switch (name) {
      case 'errors':
        return new ErrorsPlugin(print, next)
      case 'log':
        return new LogPlugin(
          directives.map((each) => logRule({ ...reader, directive: each })),
          now,
          print,
          next,
        )
      case 'chaos':
        return new ChaosPlugin(
          directive.args[0] ?? `CoreDNS-${COREDNS_VERSION}`,
          directive.args.slice(1),
          self.place.hostname,
          next,
        )
      case 'loadbalance':
        return new LoadBalancePlugin(random, next)
      case 'cache':
        return new CachePlugin(cacheOptions(reader), now, next)
      case 'rewrite':
        return new RewritePlugin(
          directives.map((each) => rewriteRule({ ...reader, directive: each })),
          next,
        )
      case 'hosts':
        return new HostsPlugin(
          hostsOptions(reader, (path) => self.place.files.get(path) ?? ''),
          next,
        )
      case 'kubernetes': {
        if (records === null) throw parseError(file, directive.line, 'podwire: there is no cluster to ask here')
        const soon = (action: () => void) =>
          void scheduler.call(LOOK_UP, () => void (this.#context.alive() && action()))
        const context = { records, local: () => localAddresses(self), lookUp: this.#context.lookUp, soon }
        return new KubernetesPlugin(kubernetesOptions(reader), context, next)
      }
      case 'loop': {
        const zone = this.#zone
        this.loop = new LoopPlugin((request) => this.#context.looped(request, zone), next)
        return this.loop
      }
      case 'forward':
        return this.#forward(reader, next)
      default:
        return next
    }
  }

  #forward(reader: Reader, next: Handler): Handler {
    const { self, records } = this.#context
    const { scheduler, random } = self.world
    const { options, expire } = forwardOptions(reader)
    const servers = forwardServers(reader, (path) => self.place.files.get(path) ?? null, records !== null)
    const upstreams = servers.map(({ address, port }) => new Upstream(self, this.#context.alive, address, port, expire))
    this.upstreams.push(...upstreams)
    const declared = records === null ? null : (name: string) => records.upstream(name)
    return new ForwardPlugin(
      options,
      upstreams,
      { now: () => scheduler.now, later: (delay, action) => void scheduler.call(delay, action), random, declared },
      next,
    )
  }
}

/** What plugin/kubernetes takes for its own: every address but loopback's. */
function localAddresses(self: Process): Ipv4[] {
  const { netns } = self
  const devices = [...netns.devices.values()].filter((device) => device !== netns.loopback)
  return devices.flatMap((device) => netns.addressesOf(device).map(({ address }) => address))
}
