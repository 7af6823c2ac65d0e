import { describe, expect, it } from 'vitest'
import { flannelRules, kubeProxyRules, nodeRules, type ProxyOptions } from '../../src/kube/proxy-rules.ts'
import type { ProxyService } from '../../src/kube/proxy-services.ts'
import { parseIpv4 } from '../../src/wire/address.ts'

const OPTIONS = { clusterCIDR: '10.244.0.0/16', podCIDR: '10.244.1.0/24' }

const web: ProxyService = {
  namespace: 'default',
  name: 'web',
  portName: 'http',
  protocol: 'TCP',
  clusterIP: '10.96.0.80',
  port: 80,
  endpoints: [
    { address: '10.244.2.2', port: 8080, local: false },
    { address: '10.244.1.3', port: 8080, local: true },
  ],
}

/** Rules of one table that mention a text. */
function rules(text: string, table: string, about: string): string[] {
  const body = text.slice(text.indexOf(`*${table}\n`), text.indexOf('COMMIT', text.indexOf(`*${table}\n`)))
  return body.split('\n').filter((line) => line.startsWith('-A') && line.includes(about))
}

describe('the rules of kube-proxy', () => {
  it('send a ClusterIP to one of its endpoints', () => {
    expect(rules(kubeProxyRules([web], OPTIONS), 'nat', 'default/web:http')).toEqual([
      '-A KUBE-SERVICES -d 10.96.0.80/32 -p tcp -m comment --comment "default/web:http cluster IP" -m tcp --dport 80 -j KUBE-SVC-CDGGSHYLG3RE2FKL',
      '-A KUBE-SVC-CDGGSHYLG3RE2FKL ! -s 10.244.0.0/16 -d 10.96.0.80/32 -p tcp -m comment --comment "default/web:http cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ',
      '-A KUBE-SVC-CDGGSHYLG3RE2FKL -m comment --comment "default/web:http -> 10.244.1.3:8080" -m statistic --mode random --probability 0.5000000000 -j KUBE-SEP-2AZ33KU3V5PGPQZH',
      '-A KUBE-SVC-CDGGSHYLG3RE2FKL -m comment --comment "default/web:http -> 10.244.2.2:8080" -j KUBE-SEP-4EX2N4PG4ASNZOBF',
      '-A KUBE-SEP-2AZ33KU3V5PGPQZH -s 10.244.1.3/32 -m comment --comment "default/web:http" -j KUBE-MARK-MASQ',
      '-A KUBE-SEP-2AZ33KU3V5PGPQZH -p tcp -m comment --comment "default/web:http" -m tcp -j DNAT --to-destination 10.244.1.3:8080',
      '-A KUBE-SEP-4EX2N4PG4ASNZOBF -s 10.244.2.2/32 -m comment --comment "default/web:http" -j KUBE-MARK-MASQ',
      '-A KUBE-SEP-4EX2N4PG4ASNZOBF -p tcp -m comment --comment "default/web:http" -m tcp -j DNAT --to-destination 10.244.2.2:8080',
    ])
  })

  it('refuse what has no endpoints', () => {
    const text = kubeProxyRules([{ ...web, nodePort: 30080, endpoints: [] }], OPTIONS)
    expect(rules(text, 'filter', 'has no endpoints')).toEqual([
      '-A KUBE-SERVICES -d 10.96.0.80/32 -p tcp -m comment --comment "default/web:http has no endpoints" -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable',
      '-A KUBE-EXTERNAL-SERVICES -p tcp -m comment --comment "default/web:http has no endpoints" -m addrtype --dst-type LOCAL -m tcp --dport 30080 -j REJECT --reject-with icmp-port-unreachable',
    ])
    expect(rules(text, 'nat', 'default/web')).toEqual([])
  })

  it('masquerade node ports, or keep to local endpoints', () => {
    const cluster = kubeProxyRules([{ ...web, nodePort: 30080 }], OPTIONS)
    expect(
      rules(cluster, 'nat', '-A KUBE-EXT').map((rule) => rule.replace(/-m comment --comment "[^"]*" /, '')),
    ).toEqual([
      '-A KUBE-EXT-CDGGSHYLG3RE2FKL -j KUBE-MARK-MASQ',
      '-A KUBE-EXT-CDGGSHYLG3RE2FKL -j KUBE-SVC-CDGGSHYLG3RE2FKL',
    ])
    const local = kubeProxyRules([{ ...web, nodePort: 30080, externalTrafficPolicy: 'Local' }], OPTIONS)
    expect(rules(local, 'nat', '-A KUBE-SVL')).toEqual([
      '-A KUBE-SVL-CDGGSHYLG3RE2FKL -m comment --comment "default/web:http -> 10.244.1.3:8080" -j KUBE-SEP-2AZ33KU3V5PGPQZH',
    ])
    const away = web.endpoints.map((endpoint) => ({ ...endpoint, local: false }))
    const none = kubeProxyRules([{ ...web, endpoints: away, nodePort: 30080, externalTrafficPolicy: 'Local' }], OPTIONS)
    expect(rules(none, 'filter', 'has no local endpoints')).toEqual([
      '-A KUBE-EXTERNAL-SERVICES -p tcp -m comment --comment "default/web:http has no local endpoints" -m addrtype --dst-type LOCAL -m tcp --dport 30080 -j DROP',
    ])
  })

  it('remember clients, and can pin an endpoint', () => {
    const text = kubeProxyRules([{ ...web, sessionAffinity: 'ClientIP', sessionAffinityTimeout: 60, pin: 0 }], OPTIONS)
    expect(rules(text, 'nat', '--rcheck')[0]).toContain(
      '-m recent --rcheck --seconds 60 --reap --name KUBE-SEP-2AZ33KU3V5PGPQZH --mask 255.255.255.255 --rsource',
    )
    expect(rules(text, 'nat', '--probability 1.0 ')).toEqual([
      '-A KUBE-SVC-CDGGSHYLG3RE2FKL -m comment --comment "default/web:http -> 10.244.2.2:8080" -m statistic --mode random --probability 1.0 -j KUBE-SEP-4EX2N4PG4ASNZOBF',
    ])
  })

  // The texts below are those that kube-proxy 1.32 gives to iptables-restore, as iptables-save prints them.

  it('take load balancers in, and keep out who is in no source range', () => {
    const balanced = { ...web, nodePort: 30080, loadBalancerIPs: ['192.168.14.240'] }
    const open = kubeProxyRules([balanced], OPTIONS)
    expect(rules(open, 'nat', 'loadbalancer IP')).toEqual([
      '-A KUBE-SERVICES -d 192.168.14.240/32 -p tcp -m comment --comment "default/web:http loadbalancer IP" -m tcp --dport 80 -j KUBE-EXT-CDGGSHYLG3RE2FKL',
    ])
    const guarded = kubeProxyRules([{ ...balanced, sourceRanges: ['10.0.0.0/8', '192.168.14.0/24'] }], {
      ...OPTIONS,
      nodeIp: parseIpv4('192.168.14.51'),
    })
    expect(rules(guarded, 'nat', 'KUBE-FW')).toEqual([
      '-A KUBE-SERVICES -d 192.168.14.240/32 -p tcp -m comment --comment "default/web:http loadbalancer IP" -m tcp --dport 80 -j KUBE-FW-CDGGSHYLG3RE2FKL',
      '-A KUBE-FW-CDGGSHYLG3RE2FKL -s 10.0.0.0/8 -m comment --comment "default/web:http loadbalancer IP" -j KUBE-EXT-CDGGSHYLG3RE2FKL',
      '-A KUBE-FW-CDGGSHYLG3RE2FKL -s 192.168.14.0/24 -m comment --comment "default/web:http loadbalancer IP" -j KUBE-EXT-CDGGSHYLG3RE2FKL',
      '-A KUBE-FW-CDGGSHYLG3RE2FKL -s 192.168.14.240/32 -m comment --comment "default/web:http loadbalancer IP" -j KUBE-EXT-CDGGSHYLG3RE2FKL',
      '-A KUBE-FW-CDGGSHYLG3RE2FKL -m comment --comment "other traffic to default/web:http will be dropped by KUBE-PROXY-FIREWALL"',
    ])
    expect(rules(guarded, 'filter', 'not accepted')).toEqual([
      '-A KUBE-PROXY-FIREWALL -d 192.168.14.240/32 -p tcp -m comment --comment "default/web:http traffic not accepted by KUBE-FW-CDGGSHYLG3RE2FKL" -m tcp --dport 80 -j DROP',
    ])
  })

  it('take external addresses and health checks in', () => {
    const text = kubeProxyRules(
      [{ ...web, externalIPs: ['192.168.14.77'], healthCheckNodePort: 32123, externalTrafficPolicy: 'Local' }],
      OPTIONS,
    )
    expect(rules(text, 'nat', 'external IP')).toEqual([
      '-A KUBE-SERVICES -d 192.168.14.77/32 -p tcp -m comment --comment "default/web:http external IP" -m tcp --dport 80 -j KUBE-EXT-CDGGSHYLG3RE2FKL',
    ])
    expect(rules(text, 'filter', 'health check node port')).toEqual([
      '-A KUBE-NODEPORTS -p tcp -m comment --comment "default/web:http health check node port" -m tcp --dport 32123 -j ACCEPT',
    ])
    const none = kubeProxyRules([{ ...web, externalIPs: ['192.168.14.77'], endpoints: [] }], OPTIONS)
    expect(rules(none, 'filter', '192.168.14.77')).toEqual([
      '-A KUBE-EXTERNAL-SERVICES -d 192.168.14.77/32 -p tcp -m comment --comment "default/web:http has no endpoints" -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable',
    ])
  })

  it('use endpoints on their way out only where no ready one is', () => {
    const leaving = { address: '10.244.1.9', port: 8080, local: true, terminating: true }
    const away = { address: '10.244.2.2', port: 8080, local: false }
    const targets = (service: Partial<ProxyService>) =>
      rules(kubeProxyRules([{ ...web, ...service }], OPTIONS), 'nat', ' -> ')
        .filter((rule) => /KUBE-SV[CL]/.test(rule))
        .map((rule) => rule.replace(/^-A (KUBE-SV.).* -> ([0-9.]+):.*$/, '$1 $2'))
    expect(targets({ endpoints: [leaving, away] })).toEqual(['KUBE-SVC 10.244.2.2'])
    expect(targets({ endpoints: [leaving] })).toEqual(['KUBE-SVC 10.244.1.9'])
    expect(targets({ endpoints: [leaving, away], internalTrafficPolicy: 'Local' })).toEqual(['KUBE-SVL 10.244.1.9'])
    expect(targets({ endpoints: [leaving, away], nodePort: 30080, externalTrafficPolicy: 'Local' })).toEqual([
      'KUBE-SVC 10.244.2.2',
      'KUBE-SVL 10.244.1.9',
    ])
  })

  it('follow hints when every endpoint has one and one is for here', () => {
    const here = { address: '10.244.1.3', port: 8080, local: true, forZones: ['a'] }
    const there = { address: '10.244.2.2', port: 8080, local: false, forZones: ['b'] }
    const count = (endpoints: ProxyService['endpoints'], zone: string | null) =>
      rules(kubeProxyRules([{ ...web, endpoints }], { ...OPTIONS, place: { node: 'w1', zone } }), 'nat', 'DNAT').length
    expect(count([here, there], 'a')).toBe(1)
    expect(count([here, there], 'c')).toBe(2)
    expect(count([here, there], null)).toBe(2)
    expect(count([here, { ...there, forZones: [] }], 'a')).toBe(2)
    expect(
      count(
        [
          { ...here, forNodes: ['w1'] },
          { ...there, forNodes: ['w2'] },
        ],
        null,
      ),
    ).toBe(1)
  })

  it('answer on node ports only at the addresses that are said', () => {
    const last = (options: Partial<ProxyOptions>) =>
      rules(kubeProxyRules([], { ...OPTIONS, ...options }), 'nat', 'NOTE')
    const note = '-m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain"'
    expect(last({ localhostNodePorts: false })).toEqual([
      `-A KUBE-SERVICES ! -d 127.0.0.0/8 ${note} -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS`,
    ])
    const ips = ['127.0.0.1', '192.168.14.51'].map(parseIpv4)
    expect(last({ nodePortIps: ips, localhostNodePorts: false })).toEqual([
      `-A KUBE-SERVICES -d 192.168.14.51/32 ${note} -j KUBE-NODEPORTS`,
    ])
    expect(last({ nodePortIps: ips })).toHaveLength(2)
  })

  it('leave comments out in large clusters', () => {
    const many = Array.from({ length: 1001 }, (_, i) => ({
      address: `10.244.${i >> 8}.${i & 255}`,
      port: 1,
      local: false,
    }))
    const text = kubeProxyRules([{ ...web, endpoints: many }], OPTIONS)
    expect(rules(text, 'nat', ' -> ')).toEqual([])
    expect(rules(text, 'nat', 'DNAT --to-destination 10.244.0.7:1')).toEqual([
      expect.stringMatching(/^-A KUBE-SEP-\w{16} -p tcp -m tcp -j DNAT --to-destination 10\.244\.0\.7:1$/),
    ])
    expect(text).toContain('--probability 0.0009990010 ')
  })

  it('stand before those of flannel', () => {
    const text = nodeRules([web], OPTIONS)
    const forward = rules(text, 'filter', '-A FORWARD')
    expect(forward[forward.length - 1]).toBe('-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD')
    expect(rules(flannelRules(OPTIONS), 'nat', 'FLANNEL-POSTRTG').length).toBe(7)
    expect(text.endsWith('COMMIT\n')).toBe(true)
  })
})
