/**
 * What kube-proxy's ipvs mode writes. Chains, rules, their order and comments are those of pkg/proxy/ipvs in Kubernetes
 * 1.32, spelled as iptables-save spells them; a cluster with it runs in topologies/kube-proxy-ipvs.yaml.
 */
import { beforeEach, describe, expect, it } from 'vitest'
import { IpvsMode } from '../../src/kube/proxy-ipvs.ts'
import type { ProxyModeOptions } from '../../src/kube/proxy-mode.ts'
import type { ProxyEndpoint, ProxyService } from '../../src/kube/proxy-services.ts'
import { Dummy } from '../../src/link/dummy.ts'
import { World } from '../../src/link/world.ts'
import { Netns } from '../../src/net/netns.ts'
import { Connection } from '../../src/netfilter/ipvs/connection.ts'
import { SECOND } from '../../src/sim/scheduler.ts'
import { formatIpv4, macOf, parseIpv4 } from '../../src/wire/address.ts'

const OPTIONS: ProxyModeOptions = {
  node: 'w1',
  nodeIP: '192.168.14.51',
  clusterCIDR: '10.244.0.0/16',
  serviceCIDR: '10.96.0.0/12',
}
const PLACE = { node: 'w1', zone: null }

let world: World
let netns: Netns

function endpoint(address: string, port: number, local = false): ProxyEndpoint {
  return { address, port, local }
}

function portal(more: Partial<ProxyService> = {}): ProxyService {
  return {
    namespace: 'default',
    name: 'web',
    protocol: 'TCP',
    clusterIP: '10.96.100.1',
    port: 80,
    endpoints: [endpoint('10.244.1.2', 8080, true), endpoint('10.244.2.2', 8080)],
    ...more,
  }
}

function begin(more: Partial<ProxyModeOptions> = {}): IpvsMode {
  const mode = new IpvsMode(netns, { ...OPTIONS, ...more })
  mode.start()
  return mode
}

function sync(...services: readonly ProxyService[]): IpvsMode {
  const mode = begin()
  mode.sync(services, PLACE)
  return mode
}

/** `TCP 10.96.0.1:80 rr 60: 10.244.1.2:80*1 …`, by address and port. */
function virtual(): string[] {
  return netns.netfilter.ipvs.services
    .map((service) => {
      const { protocol, address, port, scheduler, persistence } = service
      const servers = service.servers.map((each) => `${formatIpv4(each.address)}:${each.port}*${each.weight}`).sort()
      const sticky = persistence === 0 ? '' : ` ${persistence}`
      const kind = protocol === 6 ? 'TCP' : 'UDP'
      return `${kind} ${formatIpv4(address)}:${port} ${scheduler.name}${sticky}: ${servers.join(' ')}`.trimEnd()
    })
    .sort()
}

function rules(chain: string): string[] {
  const lines = netns.netfilter.save().split('\n')
  return lines.filter((line) => line.startsWith(`-A ${chain} `)).map((line) => line.slice(4 + chain.length))
}

function members(set: string): string[] {
  const { out } = netns.netfilter.ipset(['list', set])
  return out
    .split('Members:\n')[1]
    .split('\n')
    .filter((line) => line !== '')
    .sort()
}

function bound(): string[] {
  const device = netns.devices.get('kube-ipvs0')
  return device === undefined
    ? []
    : netns
        .addressesOf(device)
        .map((each) => formatIpv4(each.address))
        .sort()
}

beforeEach(() => {
  world = new World(7)
  netns = new Netns(world, 'w1')
  const eth0 = new Dummy(world, 'eth0', macOf(2, 1, parseIpv4('192.168.14.51')))
  netns.adopt(eth0)
  netns.addAddress(eth0, parseIpv4('192.168.14.51'), 24)
  netns.setUp(eth0)
})

describe('a node in ipvs mode', () => {
  it('has all chains and sets before there is any Service', () => {
    sync()
    expect(
      netns.netfilter
        .save()
        .split('\n')
        .filter((line) => line.startsWith(':KUBE') || line.startsWith('*')),
    ).toEqual([
      '*mangle',
      ':KUBE-IPTABLES-HINT - [0:0]',
      ':KUBE-KUBELET-CANARY - [0:0]',
      '*filter',
      ':KUBE-FIREWALL - [0:0]',
      ':KUBE-FORWARD - [0:0]',
      ':KUBE-IPVS-FILTER - [0:0]',
      ':KUBE-IPVS-OUT-FILTER - [0:0]',
      ':KUBE-KUBELET-CANARY - [0:0]',
      ':KUBE-NODE-PORT - [0:0]',
      ':KUBE-PROXY-FIREWALL - [0:0]',
      ':KUBE-SOURCE-RANGES-FIREWALL - [0:0]',
      '*nat',
      ':KUBE-KUBELET-CANARY - [0:0]',
      ':KUBE-LOAD-BALANCER - [0:0]',
      ':KUBE-MARK-MASQ - [0:0]',
      ':KUBE-NODE-PORT - [0:0]',
      ':KUBE-POSTROUTING - [0:0]',
      ':KUBE-SERVICES - [0:0]',
    ])
    expect(rules('INPUT')).toEqual([
      '-m comment --comment "kubernetes ipvs access filter" -j KUBE-IPVS-FILTER',
      '-m comment --comment "kube-proxy firewall rules" -j KUBE-PROXY-FIREWALL',
      '-m comment --comment "kubernetes health check rules" -j KUBE-NODE-PORT',
      '-j KUBE-FIREWALL',
    ])
    expect(rules('FORWARD')).toEqual([
      '-m comment --comment "kube-proxy firewall rules" -j KUBE-PROXY-FIREWALL',
      '-m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD',
    ])
    expect(rules('OUTPUT')).toEqual([
      '-m comment --comment "kubernetes ipvs access filter" -j KUBE-IPVS-OUT-FILTER',
      '-j KUBE-FIREWALL',
      '-m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
    ])
    expect(rules('KUBE-SERVICES')).toEqual([
      '-s 127.0.0.0/8 -j RETURN',
      '-m addrtype --dst-type LOCAL -j KUBE-NODE-PORT',
    ])
    expect(rules('KUBE-IPVS-FILTER')).toEqual([
      '-m set --match-set KUBE-LOAD-BALANCER dst,dst -j RETURN',
      '-m set --match-set KUBE-CLUSTER-IP dst,dst -j RETURN',
      '-m set --match-set KUBE-EXTERNAL-IP dst,dst -j RETURN',
      '-m set --match-set KUBE-EXTERNAL-IP-LOCAL dst,dst -j RETURN',
      '-m set --match-set KUBE-HEALTH-CHECK-NODE-PORT dst -j RETURN',
      '-m conntrack --ctstate NEW -m set --match-set KUBE-IPVS-IPS dst -j REJECT --reject-with icmp-port-unreachable',
    ])
    const { out } = netns.netfilter.ipset(['list', '-n'])
    expect(out.trimEnd().split('\n')).toHaveLength(17)
    const device = netns.devices.get('kube-ipvs0')
    expect([device?.kind, device?.up, device?.noArp]).toEqual(['dummy', false, true])
  })

  it('sets its switches, and with strictARP the two of ARP', () => {
    sync()
    const { sysctl } = netns
    const names = ['conntrack', 'expire_nodest_conn', 'expire_quiescent_template', 'conn_reuse_mode']
    expect(names.map((name) => sysctl.get(`net.ipv4.vs.${name}`))).toEqual(['1', '1', '1', '1'])
    expect(sysctl.get('net.ipv4.conf.all.arp_ignore')).toBe('0')
    begin({ ipvs: { strictARP: true } })
    expect([sysctl.get('net.ipv4.conf.all.arp_ignore'), sysctl.get('net.ipv4.conf.all.arp_announce')]).toEqual([
      '1',
      '2',
    ])
  })

  it('serves a ClusterIP and node ports', () => {
    sync(
      portal({ nodePort: 30080 }),
      portal({ name: 'dns', protocol: 'UDP', clusterIP: '10.96.0.10', port: 53, nodePort: 30053 }),
    )
    expect(virtual()).toEqual([
      'TCP 10.96.100.1:80 rr: 10.244.1.2:8080*1 10.244.2.2:8080*1',
      'TCP 192.168.14.51:30080 rr: 10.244.1.2:8080*1 10.244.2.2:8080*1',
      'UDP 10.96.0.10:53 rr: 10.244.1.2:8080*1 10.244.2.2:8080*1',
      'UDP 192.168.14.51:30053 rr: 10.244.1.2:8080*1 10.244.2.2:8080*1',
    ])
    expect(bound()).toEqual(['10.96.0.10', '10.96.100.1'])
    expect(members('KUBE-CLUSTER-IP')).toEqual(['10.96.0.10,udp:53', '10.96.100.1,tcp:80'])
    expect(members('KUBE-LOOP-BACK')).toEqual(['10.244.1.2,tcp:8080,10.244.1.2', '10.244.1.2,udp:8080,10.244.1.2'])
    expect([members('KUBE-NODE-PORT-TCP'), members('KUBE-NODE-PORT-UDP')]).toEqual([['30080'], ['30053']])
    expect(members('KUBE-IPVS-IPS')).toEqual(['10.96.0.10', '10.96.100.1'])
    expect(rules('KUBE-SERVICES')).toEqual([
      '-s 127.0.0.0/8 -j RETURN',
      '! -s 10.244.0.0/16 -m comment --comment "Kubernetes service cluster ip + port for masquerade purpose" -m set --match-set KUBE-CLUSTER-IP dst,dst -j KUBE-MARK-MASQ',
      '-m addrtype --dst-type LOCAL -j KUBE-NODE-PORT',
      '-m set --match-set KUBE-CLUSTER-IP dst,dst -j ACCEPT',
    ])
    expect(rules('KUBE-POSTROUTING')[0]).toBe(
      '-m comment --comment "Kubernetes endpoints dst ip:port, source ip for solving hairpin purpose" -m set --match-set KUBE-LOOP-BACK dst,dst,src -j MASQUERADE',
    )
  })

  it('with externalTrafficPolicy Local keeps to its own endpoints outside, and does not masquerade', () => {
    sync(portal({ nodePort: 30080, externalTrafficPolicy: 'Local', externalIPs: ['203.0.113.7'] }))
    expect(virtual()).toEqual([
      'TCP 10.96.100.1:80 rr: 10.244.1.2:8080*1 10.244.2.2:8080*1',
      'TCP 192.168.14.51:30080 rr: 10.244.1.2:8080*1',
      'TCP 203.0.113.7:80 rr: 10.244.1.2:8080*1',
    ])
    expect(rules('KUBE-NODE-PORT').filter((rule) => rule.startsWith('-p tcp'))).toEqual([
      '-p tcp -m comment --comment "Kubernetes nodeport TCP port with externalTrafficPolicy=local" -m set --match-set KUBE-NODE-PORT-LOCAL-TCP dst -j RETURN',
      '-p tcp -m comment --comment "Kubernetes nodeport TCP port for masquerade purpose" -m set --match-set KUBE-NODE-PORT-TCP dst -j KUBE-MARK-MASQ',
    ])
    expect(members('KUBE-EXTERNAL-IP-LOCAL')).toEqual(['203.0.113.7,tcp:80'])
    expect(rules('KUBE-SERVICES').filter((rule) => rule.includes('external'))).toEqual([
      '-m comment --comment "Kubernetes service external ip + port with externalTrafficPolicy=local" -m set --match-set KUBE-EXTERNAL-IP-LOCAL dst,dst -m physdev ! --physdev-is-in -m addrtype ! --src-type LOCAL -j ACCEPT',
      '-m comment --comment "Kubernetes service external ip + port with externalTrafficPolicy=local" -m set --match-set KUBE-EXTERNAL-IP-LOCAL dst,dst -m addrtype --dst-type LOCAL -j ACCEPT',
    ])
  })

  it('lets load balancers be asked by their source ranges only, and not by nodes outside of them', () => {
    const ranges = ['198.51.100.0/24', '203.0.113.9/32']
    sync(portal({ loadBalancerIPs: ['203.0.113.1'], sourceRanges: ranges }))
    expect(rules('KUBE-PROXY-FIREWALL')).toEqual([
      '-m comment --comment "Kubernetes service load balancer ip + port for load balancer with sourceRange" -m set --match-set KUBE-LOAD-BALANCER-FW dst,dst -j KUBE-SOURCE-RANGES-FIREWALL',
    ])
    expect(rules('KUBE-SOURCE-RANGES-FIREWALL')).toEqual([
      '-m comment --comment "Kubernetes service load balancer ip + port + source cidr for packet filter purpose" -m set --match-set KUBE-LOAD-BALANCER-SOURCE-CIDR dst,dst,src -j RETURN',
      '-j DROP',
    ])
    expect(members('KUBE-LOAD-BALANCER-SOURCE-CIDR')).toEqual([
      '203.0.113.1,tcp:80,198.51.100.0/24',
      '203.0.113.1,tcp:80,203.0.113.9',
    ])
    expect(rules('KUBE-IPVS-OUT-FILTER')).toEqual([
      '-s 203.0.113.1/32 -m ipvs --vproto 6 --vaddr 203.0.113.1 --vport 80 -j DROP',
    ])
    expect(rules('KUBE-LOAD-BALANCER')).toEqual(['-j KUBE-MARK-MASQ'])
    expect(rules('KUBE-SERVICES')[1]).toBe(
      '-m comment --comment "Kubernetes service lb portal" -m set --match-set KUBE-LOAD-BALANCER dst,dst -j KUBE-LOAD-BALANCER',
    )
    expect(bound()).toEqual(['10.96.100.1', '203.0.113.1'])
    sync(portal({ loadBalancerIPs: ['203.0.113.1'], sourceRanges: [...ranges, '192.168.14.0/24'] }))
    expect(rules('KUBE-IPVS-OUT-FILTER')).toEqual([])
    expect(members('KUBE-LOAD-BALANCER-SOURCE-IP')).toEqual(['203.0.113.1,tcp:80,203.0.113.1'])
  })

  it("leaves an external address that is the node's own where it is", () => {
    sync(portal({ externalIPs: ['192.168.14.51'] }))
    expect(bound()).toEqual(['10.96.100.1'])
    expect(virtual()).toContain('TCP 192.168.14.51:80 rr: 10.244.1.2:8080*1 10.244.2.2:8080*1')
  })

  it('serves node ports on the addresses that nodePortAddresses names', () => {
    const mode = begin({ nodePortAddresses: ['10.0.0.0/8'] })
    mode.sync([portal({ nodePort: 30080 })], PLACE)
    // The ClusterIP is an address of the node, too, and in this network.
    expect(virtual().filter((line) => line.includes(':30080'))).toEqual([])
  })

  it('takes another scheduler, and affinity as persistence', () => {
    const mode = begin({ ipvs: { scheduler: 'sh' } })
    mode.sync([portal({ sessionAffinity: 'ClientIP', sessionAffinityTimeout: 60 })], PLACE)
    expect(virtual()).toEqual(['TCP 10.96.100.1:80 sh 60: 10.244.1.2:8080*1 10.244.2.2:8080*1'])
    mode.sync([portal()], PLACE)
    expect(virtual()).toEqual(['TCP 10.96.100.1:80 sh: 10.244.1.2:8080*1 10.244.2.2:8080*1'])
  })

  it('takes away what is not asked for any more, and repairs what others broke', () => {
    const mode = sync(portal({ nodePort: 30080 }))
    netns.netfilter.iptables(['-D', 'INPUT', '1'])
    netns.netfilter.ipset(['flush', 'KUBE-CLUSTER-IP'])
    netns.netfilter.ipvs.flush()
    mode.sync([portal()], PLACE)
    expect(rules('INPUT')[0]).toContain('KUBE-IPVS-FILTER')
    expect(members('KUBE-CLUSTER-IP')).toEqual(['10.96.100.1,tcp:80'])
    expect(members('KUBE-NODE-PORT-TCP')).toEqual([])
    expect(virtual()).toEqual(['TCP 10.96.100.1:80 rr: 10.244.1.2:8080*1 10.244.2.2:8080*1'])
    mode.sync([], PLACE)
    expect([virtual(), bound()]).toEqual([[], []])
  })
})

describe('an endpoint that goes', () => {
  const gone = (protocol: 'TCP' | 'UDP') => {
    const mode = sync(portal({ protocol }))
    const { ipvs } = netns.netfilter
    const [service] = ipvs.services
    const server = service.server(parseIpv4('10.244.2.2'), 8080)
    if (server === null) throw new Error('no server')
    const kind = { template: false, once: false, tracked: false }
    const client = parseIpv4('10.244.1.9')
    const connection = new Connection(service.protocol, client, 4000, service.address, 80, server, 8080, kind)
    connection.timeout = 100 * SECOND
    ipvs.connect(connection)
    mode.sync([portal({ protocol, endpoints: [endpoint('10.244.1.2', 8080, true)] })], PLACE)
    return mode
  }

  it('has weight 0 until its TCP connections have ended, which kube-proxy sees each minute', () => {
    gone('TCP')
    expect(virtual()).toEqual(['TCP 10.96.100.1:80 rr: 10.244.1.2:8080*1 10.244.2.2:8080*0'])
    world.scheduler.run(119 * SECOND)
    expect(virtual()[0]).toContain('10.244.2.2:8080*0')
    world.scheduler.run(121 * SECOND)
    expect(virtual()).toEqual(['TCP 10.96.100.1:80 rr: 10.244.1.2:8080*1'])
  })

  it('goes at once with UDP', () => {
    gone('UDP')
    expect(virtual()).toEqual(['UDP 10.96.100.1:80 rr: 10.244.1.2:8080*1'])
  })

  it('may come back before', () => {
    gone('TCP').sync([portal()], PLACE)
    expect(virtual()).toEqual(['TCP 10.96.100.1:80 rr: 10.244.1.2:8080*1 10.244.2.2:8080*1'])
    world.scheduler.run(200 * SECOND)
    expect(virtual()[0]).toContain('10.244.2.2:8080*1')
  })
})
