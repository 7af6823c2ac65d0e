/**
 * kube-proxy's health-check servers (pkg/proxy/healthcheck): one for each load-balanced Service with
 * externalTrafficPolicy Local, at its health-check node port. 200 while the node has endpoints of it, else 503.
 */
import { httpDate, serveHttp } from '../host/http-server.ts'
import { type Process, type Program, SIGKILL } from '../host/process.ts'
import { SocketError } from '../host/streams.ts'
import type { Nanos } from '../sim/scheduler.ts'
import { parseIpv4 } from '../wire/address.ts'
import type { EventRecorder } from './events.ts'
import type { ProxyService } from './proxy-services.ts'
import type { Store } from './store.ts'

/** Go listens with the system's most. */
const SOMAXCONN = 4096

interface Check {
  readonly port: number
  readonly process: Process
}

export class ServiceHealth {
  readonly #store: Store
  /** kube-proxy. */
  readonly #self: Process
  readonly #events: EventRecorder
  readonly #checks = new Map<string, Check>()
  /** Addresses of ready endpoints on this node. */
  readonly #endpoints = new Map<string, Set<string>>()

  constructor(store: Store, self: Process, events: EventRecorder) {
    this.#store = store
    this.#self = self
    this.#events = events
  }

  /** Servers of Services that are gone stop, new ones start, and all answer with the new numbers. */
  sync(services: readonly ProxyService[]): void {
    const ports = new Map<string, number>()
    this.#endpoints.clear()
    for (const service of services) {
      if (service.healthCheckNodePort === undefined) continue
      const name = `${service.namespace}/${service.name}`
      ports.set(name, service.healthCheckNodePort)
      const addresses = this.#endpoints.get(name) ?? new Set()
      for (const { address, local, terminating } of service.endpoints) {
        if (local && terminating !== true) addresses.add(address)
      }
      this.#endpoints.set(name, addresses)
    }
    for (const [name, check] of this.#checks) {
      if (ports.get(name) === check.port) continue
      check.process.kill(SIGKILL)
      this.#checks.delete(name)
    }
    for (const [name, port] of ports) if (!this.#checks.has(name)) this.#open(name, port)
  }

  #open(name: string, port: number): void {
    const [namespace, service] = name.split('/')
    const server: Program = async (self) => {
      try {
        serveHttp(self, port, () => this.#answer(self, namespace, service), { backlog: SOMAXCONN })
      } catch (error) {
        if (!(error instanceof SocketError)) throw error
        this.#checks.delete(name)
        this.#complain(namespace, service, port, error.message.toLowerCase())
        return 1
      }
      return self.forever()
    }
    const { process } = this.#self.fork(server, this.#self.args)
    this.#checks.set(name, { port, process })
  }

  #answer(self: Process, namespace: string, name: string) {
    const count = this.#endpoints.get(`${namespace}/${name}`)?.size ?? 0
    const body = [
      '{',
      '\t"service": {',
      `\t\t"namespace": ${JSON.stringify(namespace)},`,
      `\t\t"name": ${JSON.stringify(name)}`,
      '\t},',
      `\t"localEndpoints": ${count},`,
      '\t"serviceProxyHealthy": true',
      '}',
    ]
    return {
      status: count === 0 ? 503 : 200,
      headers: [
        ['Content-Type', 'application/json'],
        ['X-Content-Type-Options', 'nosniff'],
        ['X-Load-Balancing-Endpoint-Weight', String(count)],
        ['Date', httpDate(self)],
      ] as const,
      body: body.join('\n'),
    }
  }

  #complain(namespace: string, name: string, port: number, why: string): void {
    const service = this.#store.get('Service', namespace, name)
    if (service === null) return
    const { hostname } = this.#self.place
    const text = `node ${hostname} failed to start healthcheck "${namespace}/${name}" on port ${port}: listen tcp :${port}: bind: ${why}`
    this.#events.warning(service, 'FailedToStartServiceHealthcheck', text)
  }
}

/** For load balancers that ask after the node itself (--healthz-bind-address), and for people (--metrics-bind-address). */
const HEALTH_PORT = 10_256
const METRICS_PORT = 10_249

/** `last`: when the rules were last written. */
export function serveProxyHealth(self: Process, mode: string, last: () => Nanos): void {
  const text = (body: string) => ({
    headers: [
      ['Date', httpDate(self)],
      ['Content-Type', 'text/plain; charset=utf-8'],
    ] as const,
    body,
  })
  const time = (at: Nanos) => goTime(self.runner.epochSeconds, at)
  const healthy = () => ({
    headers: [
      ['Content-Type', 'application/json'],
      ['X-Content-Type-Options', 'nosniff'],
      ['Date', httpDate(self)],
    ] as const,
    body: `{"lastUpdated": "${time(last())}","currentTime": "${time(self.now())}", "nodeEligible": true}`,
  })
  serveHttp(self, HEALTH_PORT, ({ path }) => (path === '/healthz' || path === '/livez' ? healthy() : NOT_FOUND), {
    backlog: SOMAXCONN,
  })
  serveHttp(
    self,
    METRICS_PORT,
    ({ path }) => (path === '/proxyMode' ? text(mode) : path === '/healthz' ? text('ok') : NOT_FOUND),
    { backlog: SOMAXCONN, address: parseIpv4('127.0.0.1') },
  )
}

/** As Go prints a time with its monotonic part: `2026-01-01 00:00:06.43 +0000 UTC m=+6.430000000`. */
function goTime(epochSeconds: number, at: Nanos): string {
  const whole = new Date((epochSeconds + Math.floor(at / 1e9)) * 1000).toISOString().slice(0, 19).replace('T', ' ')
  const part = String(Math.floor(at % 1e9)).padStart(9, '0')
  const fraction = part.replace(/0+$/, '')
  return `${whole}${fraction === '' ? '' : `.${fraction}`} +0000 UTC m=+${Math.floor(at / 1e9)}.${part}`
}

const NOT_FOUND = { status: 404, body: '404 page not found\n' }
