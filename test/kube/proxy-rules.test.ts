import { describe, expect, it } from 'vitest'
import { flannelRules, kubeProxyRules, nodeRules, type ProxyService } from '../../src/kube/proxy-rules.ts'

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

  it('stand before those of flannel', () => {
    const text = nodeRules([web], OPTIONS)
    const forward = rules(text, 'filter', '-A FORWARD')
    expect(forward[forward.length - 1]).toBe('-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD')
    expect(rules(flannelRules(OPTIONS), 'nat', 'FLANNEL-POSTRTG').length).toBe(7)
    expect(text.endsWith('COMMIT\n')).toBe(true)
  })
})
