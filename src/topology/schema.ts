/** What a topology file may say. The types of the loaded file come from here too. */
import { z } from 'zod'
import { compileFilter } from '../capture/pcap-filter.ts'
import { parseRecord } from '../host/name-server.ts'
import { tryParseRange } from '../kube/balancer/address-pool.ts'
import { parsePortRange } from '../kube/ipam.ts'
import { tryParseCidr, tryParseInterfaceAddress, tryParseIpv4 } from '../wire/address.ts'
import { cable } from './cable.ts'
import { parseDuration, parseLink } from './units.ts'

function holds(read: () => unknown): boolean {
  try {
    read()
    return true
  } catch {
    return false
  }
}

const address = z
  .string()
  .refine((text) => tryParseIpv4(text) !== null, { error: 'an IPv4 address, such as 192.168.14.50' })
const cidr = z.string().refine((text) => tryParseCidr(text) !== null && text.includes('/'), {
  error: 'a network in CIDR notation, such as 10.244.0.0/16',
})
const addressWithPrefix = z.string().refine((text) => tryParseInterfaceAddress(text) !== null, {
  error: 'an IPv4 address, with or without a prefix length, such as 203.0.113.1/24',
})
const duration = z
  .string()
  .refine((text) => parseDuration(text) !== null, { error: 'a duration with its unit, such as 50us, 10ms or 2s' })
const name = z.string().regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, {
  error: 'a host name: lower-case letters, digits, "-" and "."',
})

const node = z.strictObject({
  name,
  ip: address,
  roles: z.array(z.enum(['control-plane'])).default([]),
  podCIDR: cidr.optional(),
  labels: z.record(z.string(), z.string()).default({}),
  cable: cable.optional(),
})

const dnsRecord = z.string().refine((text) => parseRecord('name', text) !== null, {
  error: 'an address or a record such as "60 CNAME www.example.org", "MX 10 mail.example.org" or "TXT words"',
})

const host = z.strictObject({
  name,
  ip: addressWithPrefix,
  router: z.boolean().default(false),
  gateway: address.optional(),
  routes: z.array(z.string()).default([]),
  addresses: z.array(addressWithPrefix).default([]),
  image: z.string().optional(),
  run: z.array(z.string()).default([]),
  dns: z.record(z.string(), z.union([dnsRecord, z.array(dnsRecord)])).optional(),
  cable: cable.optional(),
})

const image = z.strictObject({
  like: z.string().optional(),
  programs: z.enum(['busybox', 'linux']).optional(),
  http: z.record(z.string(), z.record(z.string(), z.string())).optional(),
  tcpEcho: z.int().min(1).max(65_535).optional(),
  udpEcho: z.int().min(1).max(65_535).optional(),
  env: z.record(z.string(), z.string()).optional(),
})

const nodePortAddress = z.string().refine((text) => text === 'primary' || tryParseCidr(text) !== null, {
  error: 'a network in CIDR notation, such as 192.168.14.0/24, or "primary"',
})
const portRange = z.string().refine((text) => holds(() => parsePortRange(text)), {
  error: 'a range of ports, such as 30000-32767',
})
const addressRange = z.string().refine((text) => tryParseRange(text) !== null, {
  error: 'a range of addresses, such as 192.168.14.240-192.168.14.250 or 192.168.14.240/28',
})

const fleet = z.strictObject({
  nodes: z.int().min(1).max(65_536),
  name: z
    .string()
    .regex(/^[a-z]([-a-z0-9]*)$/, { error: 'the beginning of a name: lower-case letters, digits and hyphens' })
    .max(50)
    .default('fleet-'),
  firstIp: address,
  lazy: z.boolean().default(true),
  apps: z
    .strictObject({
      count: z.int().min(1),
      replicas: z.int().min(1).default(1),
      namespaces: z.int().min(1).default(1),
      image: z.string().default('registry.k8s.io/e2e-test-images/agnhost:2.47'),
      args: z.array(z.string()).default(['netexec']),
      targetPort: z.int().min(1).max(65_535).default(8080),
      port: z.int().min(1).max(65_535).default(80),
    })
    .optional(),
})

const cluster = z
  .strictObject({
    podCIDR: cidr.default('10.244.0.0/16'),
    serviceCIDR: cidr.default('10.96.0.0/12'),
    cni: z
      .strictObject({
        name: z.enum(['flannel']).default('flannel'),
        backend: z.enum(['vxlan', 'host-gw']).default('vxlan'),
      })
      .prefault({}),
    kubeProxy: z
      .strictObject({
        mode: z.enum(['iptables', 'ipvs', 'nftables']).default('iptables'),
        nodePortAddresses: z.array(nodePortAddress).default([]),
        localhostNodePorts: z.boolean().default(true),
        ipvs: z
          .strictObject({
            scheduler: z.enum(['rr', 'wrr', 'lc', 'wlc', 'sed', 'nq', 'lblc', 'lblcr', 'sh', 'dh', 'mh']).default('rr'),
            strictARP: z.boolean().default(false),
          })
          .prefault({}),
      })
      .prefault({}),
    networkPolicy: z
      .strictObject({ engine: z.enum(['kube-router']), action: z.enum(['drop', 'reject']).default('drop') })
      .optional(),
    /** Many nodes that have been there since before, with what runs on them. */
    fleet: fleet.optional(),
    nodePorts: portRange.default('30000-32767'),
    loadBalancer: z
      .strictObject({
        name: z.enum(['metallb', 'servicelb']),
        pool: z.array(addressRange).default([]),
        class: z.string().optional(),
      })
      .refine((given) => given.name !== 'metallb' || given.pool.length > 0, {
        error: 'a pool of addresses, such as [192.168.14.240-192.168.14.250]',
      })
      .optional(),
    dns: z
      .strictObject({
        service: address.default('10.96.0.10'),
        domain: z.string().default('cluster.local'),
        upstream: z.record(z.string(), z.union([address, z.array(address)])).default({}),
        corefile: z.string().optional(),
        nodeLocal: z.boolean().default(false),
      })
      .prefault({}),
  })
  .refine((given) => given.fleet === undefined || fitsFleet(given), {
    error:
      'with a fleet, kube-proxy in iptables mode and no networkPolicy, loadBalancer or dns.nodeLocal: their daemons on thousands of nodes are not modelled',
  })

/** What else would have a daemon of its own on each of its nodes. */
function fitsFleet(given: {
  readonly kubeProxy: { readonly mode: string }
  readonly networkPolicy?: unknown
  readonly loadBalancer?: unknown
  readonly dns: { readonly nodeLocal: boolean }
}): boolean {
  const daemons = given.networkPolicy !== undefined || given.loadBalancer !== undefined || given.dns.nodeLocal
  return given.kubeProxy.mode === 'iptables' && !daemons
}

const pattern = z
  .string()
  .refine((text) => holds(() => new RegExp(text, 'm')), { error: 'a regular expression of JavaScript' })
const filter = z.string().refine((text) => holds(() => compileFilter(text)), {
  error: 'an expression of pcap-filter, such as "tcp dst port 80"',
})

const texts = z.union([z.string(), z.array(z.string())], { error: 'a text or a list of texts' })

const frames = z.strictObject({
  on: z.string(),
  filter: filter.optional(),
  line: pattern.optional(),
  count: z.int().min(0).optional(),
  atLeast: z.int().min(0).optional(),
  atMost: z.int().min(0).optional(),
})

const expectation = z.strictObject({
  exit: z.int().min(0).max(255).optional(),
  output: z.string().optional(),
  contains: texts.optional(),
  lacks: texts.optional(),
  matches: z.union([pattern, z.array(pattern)], { error: 'a text or a list of texts' }).optional(),
  frames: z.array(frames).default([]),
})

const link = z.string().refine((text) => parseLink(text) !== null, {
  error: 'a machine and what becomes of its cable, such as "w1/eth0 down"',
})

const event = z
  .strictObject({ at: duration, link: link.optional(), run: z.string().optional() })
  .refine((given) => (given.link === undefined) !== (given.run === undefined), { error: 'either link or run' })

const step = z
  .strictObject({
    say: z.string().optional(),
    link: link.optional(),
    run: z.string().optional(),
    wait: duration.optional(),
    expect: expectation.optional(),
  })
  .refine((given) => [given.say, given.run, given.wait, given.link].some((part) => part !== undefined), {
    error: 'at least one of run, wait, link or say',
  })

export const topologySchema = z.strictObject({
  name: z.string().optional(),
  description: z.string().optional(),
  lesson: z.string().optional(),
  seed: z
    .int()
    .min(0)
    .max(2 ** 31 - 1)
    .default(1),
  epoch: z
    .string()
    .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, { error: 'a UTC time, such as 2026-01-01T00:00:00Z' })
    .default('2026-01-01T00:00:00Z'),
  underlay: z.strictObject({
    cidr,
    gateway: address.optional(),
    mtu: z.int().min(576).max(65_535).default(1500),
    nameservers: z.array(address).max(3).default([]),
    cable: cable.optional(),
  }),
  nodes: z.array(node).default([]),
  hosts: z.array(host).default([]),
  cluster: cluster.optional(),
  images: z.record(z.string(), image).default({}),
  manifests: z.array(z.string()).default([]),
  events: z.array(event).default([]),
  steps: z.array(step).default([]),
})

export type TopologyFile = z.infer<typeof topologySchema>
export type NodeSpec = TopologyFile['nodes'][number]
export type HostSpec = TopologyFile['hosts'][number]
export type ImageSpec = TopologyFile['images'][string]
export type ClusterSpec = z.infer<typeof cluster>
export type Step = TopologyFile['steps'][number]
export type Expectation = z.infer<typeof expectation>
export type FrameExpectation = z.infer<typeof frames>
export type ScheduledEvent = TopologyFile['events'][number]
