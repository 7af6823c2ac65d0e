/** The iptables rules of a lab's node: kube-proxy's and flannel's where it has pods, Docker's where it has containers. */
import { KUBE_PROXY_TABLE, planKubeProxy } from '../kube/proxy-nftables-rules.ts'
import { writeFlannel, writeKubeProxy } from '../kube/proxy-rules.ts'
import type { ProxyService } from '../kube/proxy-services.ts'
import { RuleSet } from '../kube/rule-set.ts'
import { parseIpv4 } from '../wire/address.ts'
import { writeCalico } from './lab-calico-rules.ts'
import type { Lab, LabNode, LabPort, LabService } from './lab-file.ts'
import { writeHostPorts } from './lab-hostport-rules.ts'
import { writePolicies } from './lab-policy-rules.ts'

const DEFAULT_POD_RANGE = '10.244.0.0/16'
const DEFAULT_SERVICE_RANGE = '10.96.0.0/12'

/** iptables-restore texts, in the order in which they are loaded; the first replaces what was there. */
export function nodeRules(lab: Lab, node: LabNode, services: readonly LabService[]): string[] {
  const clusterCIDR = lab.clusterCIDR ?? DEFAULT_POD_RANGE
  const texts: string[] = []
  if (node.podCIDR !== undefined) {
    const { podCIDR } = node
    const ports = services.flatMap((service) => service.ports.map((port) => proxyService(lab, node, service, port)))
    const rules = new RuleSet()
    const dropInvalid = lab.kubeProxy?.dropInvalid ?? true
    const known = ports.filter((port) => port !== null)
    if (lab.kubeProxy?.mode !== 'nftables') writeKubeProxy(rules, known, { clusterCIDR, dropInvalid })
    if (lab.cni === 'calico') writeCalico(rules, lab, node, clusterCIDR)
    else writeFlannel(rules, { clusterCIDR, podCIDR })
    writeHostPorts(rules, lab, node, podCIDR)
    writePolicies(rules, lab, node)
    texts.push(rules.text())
  }
  if (node.docker !== undefined) texts.push(dockerRules(node.docker))
  return texts
}

/** What `nft -f` loads where kube-proxy is in nftables mode: its table anew. Null elsewhere. */
export function nftRules(lab: Lab, node: LabNode, services: readonly LabService[]): string | null {
  if (lab.kubeProxy?.mode !== 'nftables' || node.podCIDR === undefined) return null
  const ports = services.flatMap((service) => service.ports.map((port) => proxyService(lab, node, service, port)))
  const plan = planKubeProxy(
    ports.filter((port) => port !== null),
    {
      clusterCIDR: lab.clusterCIDR ?? DEFAULT_POD_RANGE,
      serviceCIDR: lab.serviceCIDR ?? DEFAULT_SERVICE_RANGE,
      nodePortIps: [parseIpv4(node.ip)],
      place: null,
    },
  )
  const table = KUBE_PROXY_TABLE
  const anew = `add table ${table}\ndelete table ${table}\nadd table ${table} { comment "rules for kube-proxy" ; }\n`
  return anew + plan.text()
}

function proxyService(lab: Lab, node: LabNode, service: LabService, port: LabPort): ProxyService | null {
  if (service.clusterIP === undefined) return null
  const endpoints = (service.endpoints ?? []).map((name) => {
    const pod = lab.pods?.find((each) => each.name === name)
    const host = pod?.hostNetwork ? lab.nodes.find((each) => each.name === pod.node) : undefined
    const address = host?.ip ?? pod?.ip ?? name
    return { name, address, port: port.targetPort ?? port.port, local: pod?.node === node.name }
  })
  endpoints.sort((a, b) => (`${a.address}:${a.port}` < `${b.address}:${b.port}` ? -1 : 1))
  const pin = endpoints.findIndex((endpoint) => endpoint.name === service.pin)
  return {
    namespace: service.namespace ?? 'default',
    name: service.name,
    portName: port.name ?? '',
    protocol: (port.protocol ?? 'TCP') as ProxyService['protocol'],
    clusterIP: service.clusterIP,
    port: port.port,
    endpoints,
    ...(port.nodePort === undefined ? {} : { nodePort: port.nodePort }),
    ...(service.loadBalancerIP === undefined ? {} : { loadBalancerIPs: [service.loadBalancerIP] }),
    ...(service.externalTrafficPolicy === 'Local' ? { externalTrafficPolicy: 'Local' as const } : {}),
    ...(service.sessionAffinity === 'ClientIP'
      ? { sessionAffinity: 'ClientIP' as const, sessionAffinityTimeout: service.sessionAffinityTimeout ?? 10_800 }
      : {}),
    ...(pin < 0 ? {} : { pin }),
  }
}

/** The layout of Docker Engine 20.10 to 27: bridges, published ports, isolation between bridges. */
export function dockerRules(docker: NonNullable<LabNode['docker']>): string {
  const filter: string[] = ['-A FORWARD -j DOCKER-USER', '-A FORWARD -j DOCKER-ISOLATION-STAGE-1']
  const nat: string[] = [
    '-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER',
    '-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER',
  ]
  for (const network of docker.networks) {
    if (network.driver !== 'bridge') continue
    const bridge = network.bridge ?? network.name
    const within = network.icc === false ? 'DROP' : 'ACCEPT'
    filter.push(
      `-A FORWARD -o ${bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
      `-A FORWARD -o ${bridge} -j DOCKER`,
      `-A FORWARD -i ${bridge} ! -o ${bridge} -j ACCEPT`,
      `-A FORWARD -i ${bridge} -o ${bridge} -j ${within}`,
      `-A DOCKER-ISOLATION-STAGE-1 -i ${bridge} ! -o ${bridge} -j DOCKER-ISOLATION-STAGE-2`,
      `-A DOCKER-ISOLATION-STAGE-2 -o ${bridge} -j DROP`,
    )
    nat.push(`-A POSTROUTING -s ${network.subnet} ! -o ${bridge} -j MASQUERADE`, `-A DOCKER -i ${bridge} -j RETURN`)
  }
  for (const chain of ['DOCKER-ISOLATION-STAGE-1', 'DOCKER-ISOLATION-STAGE-2', 'DOCKER-USER']) {
    filter.push(`-A ${chain} -j RETURN`)
  }
  for (const container of docker.containers) {
    const network = docker.networks.find((each) => each.name === container.network)
    if (network?.driver !== 'bridge' || container.ip === undefined) continue
    const bridge = network.bridge ?? network.name
    const own = `${container.ip}/32`
    for (const published of container.publish ?? []) {
      const [ports, protocol = 'tcp'] = published.split('/')
      const [outside, inside] = ports.split(':')
      const match = (port: string) => `-p ${protocol} -m ${protocol} --dport ${port}`
      nat.push(
        `-A POSTROUTING -s ${own} -d ${own} ${match(inside)} -j MASQUERADE`,
        `-A DOCKER ! -i ${bridge} ${match(outside)} -j DNAT --to-destination ${container.ip}:${inside}`,
      )
      filter.push(`-A DOCKER -d ${own} ! -i ${bridge} -o ${bridge} ${match(inside)} -j ACCEPT`)
    }
  }
  return [
    '*filter',
    ':INPUT ACCEPT [0:0]',
    ':FORWARD DROP [0:0]',
    ':OUTPUT ACCEPT [0:0]',
    ...['DOCKER', 'DOCKER-ISOLATION-STAGE-1', 'DOCKER-ISOLATION-STAGE-2', 'DOCKER-USER'].map(
      (name) => `:${name} - [0:0]`,
    ),
    ...filter,
    'COMMIT',
    '*nat',
    ...['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'].map((name) => `:${name} ACCEPT [0:0]`),
    ':DOCKER - [0:0]',
    ...nat,
    'COMMIT',
    '',
  ].join('\n')
}
