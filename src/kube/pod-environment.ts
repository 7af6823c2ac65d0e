/** What the kubelet puts into containers: resolv.conf, hosts, and environment variables. */
import type { ConfigMap, ContainerSpec, EnvVar, Pod, Service } from './objects.ts'
import type { Store } from './store.ts'

export interface DnsSettings {
  /** The cluster DNS Service's address. */
  readonly address: string
  /** `cluster.local` */
  readonly domain: string
}

/** A container cannot be made: CreateContainerConfigError. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** What a resolv.conf may hold (kubelet's validation.MaxDNSNameservers, MaxDNSSearchPaths, MaxDNSSearchListChars). */
const MOST_NAMESERVERS = 3
const MOST_SEARCHES = 32
const LONGEST_SEARCH_LINE = 2048

/**
 * /etc/resolv.conf by the pod's dnsPolicy; `node` is the node's own file. What is too much is left out, and said
 * (DNSConfigForming).
 */
export function resolvConf(pod: Pod, dns: DnsSettings, node: string, warn: (sentence: string) => void): string {
  const { dnsPolicy = 'ClusterFirst', hostNetwork = false, dnsConfig } = pod.spec
  const own = parse(node)
  const inCluster = dnsPolicy === 'ClusterFirstWithHostNet' || (dnsPolicy === 'ClusterFirst' && !hostNetwork)
  let { nameservers, searches, options } = own
  if (inCluster) {
    const base = `svc.${dns.domain}`
    nameservers = [dns.address]
    searches = [`${pod.metadata.namespace}.${base}`, base, dns.domain, ...own.searches]
    options = ['ndots:5']
  } else if (dnsPolicy === 'None') {
    nameservers = []
    searches = []
    options = []
  }
  for (const server of dnsConfig?.nameservers ?? [])
    if (!nameservers.includes(server)) nameservers = [...nameservers, server]
  for (const search of dnsConfig?.searches ?? []) if (!searches.includes(search)) searches = [...searches, search]
  for (const { name, value } of dnsConfig?.options ?? []) {
    const text = value === undefined ? name : `${name}:${value}`
    options = [...options.filter((option) => option.split(':')[0] !== name), text]
  }
  const kept = searches.slice(0, MOST_SEARCHES)
  while (kept.join(' ').length > LONGEST_SEARCH_LINE) kept.pop()
  if (kept.length < searches.length) {
    searches = kept
    const line = kept.join(' ')
    warn(`Search Line limits were exceeded, some search paths have been omitted, the applied search line is: ${line}`)
  }
  if (nameservers.length > MOST_NAMESERVERS) {
    nameservers = nameservers.slice(0, MOST_NAMESERVERS)
    const line = nameservers.join(' ')
    warn(`Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: ${line}`)
  }
  const lines = [
    ...(searches.length === 0 ? [] : [`search ${searches.join(' ')}`]),
    ...nameservers.map((server) => `nameserver ${server}`),
    ...(options.length === 0 ? [] : [`options ${options.join(' ')}`]),
  ]
  return lines.map((line) => `${line}\n`).join('')
}

function parse(text: string): { nameservers: string[]; searches: string[]; options: string[] } {
  const result = { nameservers: [] as string[], searches: [] as string[], options: [] as string[] }
  for (const line of text.split('\n')) {
    const [word, ...values] = line.trim().split(/\s+/)
    if (word === 'nameserver') result.nameservers.push(...values)
    if (word === 'search') result.searches = values
    if (word === 'options') result.options = values
  }
  return result
}

/** /etc/hosts as the kubelet writes it for pods with a network of their own. */
export function hostsFile(pod: Pod, ip: string, hostname: string, domain: string): string {
  const { subdomain, hostAliases = [] } = pod.spec
  const full = subdomain === undefined ? '' : `${hostname}.${subdomain}.${pod.metadata.namespace}.svc.${domain}\t`
  const lines = [
    '# Kubernetes-managed hosts file.',
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::0\tip6-localnet',
    'fe00::0\tip6-mcastprefix',
    'fe00::1\tip6-allnodes',
    'fe00::2\tip6-allrouters',
    `${ip}\t${full}${hostname}`,
    ...(hostAliases.length === 0 ? [] : ['', '# Entries added by HostAliases.']),
    ...hostAliases.map((alias) => [alias.ip, ...(alias.hostnames ?? [])].join('\t')),
  ]
  return lines.map((line) => `${line}\n`).join('')
}

/**
 * The container's variables: Services of the namespace, envFrom, env. @throws ConfigError when a ConfigMap or a key
 * that it needs is not there.
 */
export function environment(store: Store, pod: Pod, container: ContainerSpec, podIp: string): Record<string, string> {
  const variables: Record<string, string> = serviceVariables(store, pod)
  for (const source of container.envFrom ?? []) {
    if (source.configMapRef === undefined) continue
    const { name, optional } = source.configMapRef
    const map = store.get<ConfigMap>('ConfigMap', pod.metadata.namespace as string, name)
    if (map === null && optional !== true) throw new ConfigError(`configmap "${name}" not found`)
    for (const [key, value] of Object.entries(map?.data ?? {})) variables[`${source.prefix ?? ''}${key}`] = value
  }
  for (const variable of container.env ?? []) {
    const value = valueOf(store, pod, variable, podIp)
    if (value !== null) variables[variable.name] = expand(value, variables)
  }
  return variables
}

/** `$(NAME)` becomes the variable, when there is one; `$$(NAME)` stays `$(NAME)`. */
export function expand(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replace(/\$\$|\$\(([^)]*)\)/g, (found, name?: string) => {
    if (found === '$$') return '$'
    return name !== undefined && Object.hasOwn(variables, name) ? variables[name] : found
  })
}

function valueOf(store: Store, pod: Pod, variable: EnvVar, podIp: string): string | null {
  const { valueFrom } = variable
  if (valueFrom === undefined) return variable.value ?? ''
  if (valueFrom.fieldRef !== undefined) return fieldOf(pod, valueFrom.fieldRef.fieldPath, podIp)
  const reference = valueFrom.configMapKeyRef
  if (reference === undefined) return null
  const map = store.get<ConfigMap>('ConfigMap', pod.metadata.namespace as string, reference.name)
  const value = map?.data?.[reference.key]
  if (value !== undefined) return value
  if (reference.optional === true) return null
  if (map === null) throw new ConfigError(`configmap "${reference.name}" not found`)
  throw new ConfigError(`couldn't find key ${reference.key} in ConfigMap ${pod.metadata.namespace}/${reference.name}`)
}

function fieldOf(pod: Pod, path: string, podIp: string): string {
  const keyed = /^metadata\.(labels|annotations)\['(.*)'\]$/.exec(path)
  if (keyed !== null) return pod.metadata[keyed[1] as 'labels' | 'annotations']?.[keyed[2]] ?? ''
  const fields: Readonly<Record<string, string | undefined>> = {
    'metadata.name': pod.metadata.name,
    'metadata.namespace': pod.metadata.namespace,
    'metadata.uid': pod.metadata.uid,
    'spec.nodeName': pod.spec.nodeName,
    'spec.serviceAccountName': pod.spec.serviceAccountName,
    'status.hostIP': pod.status.hostIP,
    'status.hostIPs': pod.status.hostIP,
    'status.podIP': podIp,
    'status.podIPs': podIp,
  }
  if (!Object.hasOwn(fields, path)) throw new ConfigError(`podwire: fieldRef ${path} is not modelled`)
  return fields[path] ?? ''
}

/** `WEB_SERVICE_HOST` and the Docker-link variables of every Service that the pod may see. */
function serviceVariables(store: Store, pod: Pod): Record<string, string> {
  const variables: Record<string, string> = {}
  const links = pod.spec.enableServiceLinks !== false
  const own = links ? store.list<Service>('Service', pod.metadata.namespace as string) : []
  const api = store.get<Service>('Service', 'default', 'kubernetes')
  for (const service of [...(api === null ? [] : [api]), ...own]) {
    const { clusterIP, ports = [] } = service.spec
    if (!clusterIP || clusterIP === 'None' || ports.length === 0) continue
    const prefix = service.metadata.name.toUpperCase().replaceAll('-', '_')
    variables[`${prefix}_SERVICE_HOST`] = clusterIP
    variables[`${prefix}_SERVICE_PORT`] = String(ports[0].port)
    for (const port of ports) {
      if (!port.name) continue
      variables[`${prefix}_SERVICE_PORT_${port.name.toUpperCase().replaceAll('-', '_')}`] = String(port.port)
    }
    ports.forEach((port, i) => {
      const protocol = port.protocol.toLowerCase()
      const url = `${protocol}://${clusterIP}:${port.port}`
      const link = `${prefix}_PORT_${port.port}_${port.protocol}`
      if (i === 0) variables[`${prefix}_PORT`] = url
      variables[link] = url
      variables[`${link}_PROTO`] = protocol
      variables[`${link}_PORT`] = String(port.port)
      variables[`${link}_ADDR`] = clusterIP
    })
  }
  return variables
}
