/**
 * What the granular checks of Kubernetes' end-to-end tests stand on (test/e2e/framework/network): a server on every
 * worker, a Service with node ports before them, one more with session affinity, a client in a pod and one on a node.
 */
import { expect } from 'vitest'
import type { Pod, PodSpec, Service } from '../../src/kube/objects.ts'
import { agnhost, container, type Namespace, NODES, pod, service } from './suite.ts'

export const HTTP = 8083
export const UDP = 8081
/** Of the Services. */
export const SERVICE_HTTP = 80
export const SERVICE_UDP = 90

export interface NetserverOptions {
  /** Servers in their node's network. */
  readonly endpointsHostNetwork?: boolean
  readonly servicePrefix?: string
}

export type Protocol = 'http' | 'udp'

export class Netservers {
  readonly e2e: Namespace
  /** As `/hostname` tells them. */
  readonly names: string[]
  readonly servers: Pod[]
  readonly client: Pod
  /** In its node's network. */
  readonly hostClient: Pod

  private constructor(e2e: Namespace, servers: Pod[], client: Pod, hostClient: Pod) {
    this.e2e = e2e
    this.servers = servers
    this.names = servers.map((server) => hostnameOf(server))
    this.client = client
    this.hostClient = hostClient
  }

  static async start(e2e: Namespace, options: NetserverOptions = {}): Promise<Netservers> {
    const workers = Object.keys(NODES)
    const host = options.endpointsHostNetwork === true ? { hostNetwork: true } : {}
    const servers = workers.map((nodeName, i) => netserver(`netserver-${i}`, { nodeName, ...host }))
    const wanted = [
      ...servers,
      agnhost('test-container-pod', ['netexec', '--http-port=8080', '--udp-port=8081'], { nodeName: 'w1' }),
      agnhost('host-test-container-pod', ['pause'], { nodeName: 'w1', hostNetwork: true }),
    ]
    e2e.apply(nodePortService('node-port-service'), affinityService('session-affinity-service'))
    const ready = await e2e.start(...wanted)
    return new Netservers(e2e, ready.slice(0, workers.length), ready.at(-2) as Pod, ready.at(-1) as Pod)
  }

  get service(): Service {
    return this.e2e.service('node-port-service')
  }

  get clusterIP(): string {
    return this.service.spec.clusterIP as string
  }

  get affinityIP(): string {
    return this.e2e.service('session-affinity-service').spec.clusterIP as string
  }

  nodePort(protocol: Protocol): number {
    const port = this.service.spec.ports?.find(({ name }) => name === protocol)?.nodePort
    if (port === undefined) throw new Error(`no node port for ${protocol}`)
    return port
  }

  servicePort(protocol: Protocol): number {
    return protocol === 'http' ? SERVICE_HTTP : SERVICE_UDP
  }

  podPort(protocol: Protocol): number {
    return protocol === 'http' ? HTTP : UDP
  }

  /** Asks in the client's pod until these have answered, and none else; an empty list: nobody may answer. */
  async dial(protocol: Protocol, host: string, port: number, expected: readonly string[], tries = MOST): Promise<void> {
    await this.dialFrom(this.client.metadata.name, 8080, protocol, host, port, expected, tries)
  }

  /** The same by way of any netexec pod. */
  async dialFrom(
    from: string,
    fromPort: number,
    protocol: Protocol,
    host: string,
    port: number,
    expected: readonly string[],
    tries = MOST,
  ): Promise<void> {
    const where = this.e2e.get<Pod>('Pod', from).status.podIP
    const url = `http://${where}:${fromPort}/dial?request=hostname&protocol=${protocol}&host=${host}&port=${port}&tries=1`
    const seen = new Set<string>()
    for (let i = 0; i < tries && !equal(seen, expected); i++) {
      const { output } = await this.e2e.exec(from, `curl -g -q -s '${url}'`)
      for (const name of (JSON.parse(output) as { responses?: string[] }).responses ?? []) seen.add(name.trim())
    }
    expect([...seen].sort()).toEqual([...expected].sort())
  }

  /** Asks in the node's network until these have answered, and none else. */
  async dialFromNode(protocol: Protocol, host: string, port: number, expected: readonly string[]): Promise<void> {
    const line =
      protocol === 'udp'
        ? `echo hostName | nc -w 1 -u ${host} ${port}`
        : `curl -g -q -s --max-time 15 --connect-timeout 1 http://${host}:${port}/hostName`
    const seen = new Set<string>()
    for (let i = 0; i < MOST && !equal(seen, expected); i++) {
      const { output } = await this.e2e.exec(this.hostClient.metadata.name, line)
      if (output.trim() !== '') seen.add(output.trim())
    }
    expect([...seen].sort()).toEqual([...expected].sort())
  }

  /** A large message, there and back. */
  async echo(protocol: Protocol, host: string, port: number, message: string): Promise<void> {
    const request = protocol === 'http' ? encodeURIComponent(`echo?msg=${message}`) : `echo%20${message}`
    const url = `http://${this.client.status.podIP}:8080/dial?request=${request}&protocol=${protocol}&host=${host}&port=${port}&tries=1`
    const { output } = await this.e2e.exec(this.client.metadata.name, `curl -g -q -s '${url}'`)
    expect(JSON.parse(output)).toEqual({ responses: [message] })
  }

  /** Names of this many requests in a row to the Service with affinity. */
  async manyFrom(protocol: Protocol, host: string, port: number, count: number): Promise<string[]> {
    const url = `http://${this.client.status.podIP}:8080/dial?request=hostName&protocol=${protocol}&host=${host}&port=${port}&tries=${count}`
    const { output } = await this.e2e.exec(this.client.metadata.name, `curl -g -q -s '${url}'`)
    return ((JSON.parse(output) as { responses?: string[] }).responses ?? []).map((name) => name.trim())
  }

  /** Ends one server's pod; its Services are told. */
  async deleteServer(): Promise<void> {
    const [first] = this.servers.splice(0, 1)
    this.names.splice(0, 1)
    this.e2e.cluster.store.delete('Pod', this.e2e.name, first.metadata.name, { gracePeriodSeconds: 0 })
    await this.e2e.gone('Pod', first.metadata.name)
  }
}

/** e2e's is the square of the number of servers, and thirty. */
const MOST = 34

function equal(seen: ReadonlySet<string>, expected: readonly string[]): boolean {
  return seen.size === expected.length && expected.length > 0 && expected.every((name) => seen.has(name))
}

function hostnameOf(server: Pod): string {
  return server.spec.hostNetwork === true ? (server.spec.nodeName as string) : server.metadata.name
}

/** e2e's netserver, which is ready when it says so. */
export function netserver(name: string, spec: Partial<PodSpec>, labels: Record<string, string> = { net: 'servers' }) {
  const probe = { httpGet: { path: '/healthz', port: HTTP }, periodSeconds: 1 }
  // A node has several addresses, and a UDP socket bound to none answers from the one that leads back.
  const own = ['--udp-listen-addresses', '$(HOST_IP),$(POD_IPS)']
  const env = ['HOST_IP', 'POD_IPS'].map((variable, i) => ({
    name: variable,
    valueFrom: { fieldRef: { fieldPath: ['status.hostIP', 'status.podIPs'][i] } },
  }))
  const args = ['netexec', `--http-port=${HTTP}`, `--udp-port=${UDP}`, ...(spec.hostNetwork === true ? own : [])]
  const ports = [{ containerPort: HTTP }, { containerPort: UDP, protocol: 'UDP' }]
  return pod(name, [container('webserver', args, { readinessProbe: probe, ports, env })], spec, labels)
}

export function nodePortService(name: string, spec: object = {}) {
  return service(name, { net: 'servers' }, PORTS, { type: 'NodePort', ...spec })
}

function affinityService(name: string) {
  return nodePortService(name, { sessionAffinity: 'ClientIP' })
}

const PORTS = [
  { name: 'http', protocol: 'TCP', port: SERVICE_HTTP, targetPort: HTTP },
  { name: 'udp', protocol: 'UDP', port: SERVICE_UDP, targetPort: UDP },
]
