/** kube-proxy's nftables mode: its table, and what differs on the wire. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { NftPlan } from '../../src/kube/nft-plan.ts'
import { KUBE_PROXY_TABLE, type NftProxyOptions, planKubeProxy } from '../../src/kube/proxy-nftables-rules.ts'
import type { ProxyService } from '../../src/kube/proxy-services.ts'
import { parseIpv4 } from '../../src/wire/address.ts'
import { Box } from '../netfilter/box.ts'

const OPTIONS: NftProxyOptions = {
  clusterCIDR: '10.244.0.0/16',
  serviceCIDR: '10.96.0.0/12',
  nodePortIps: [parseIpv4('192.168.14.11')],
  nodeIp: parseIpv4('192.168.14.11'),
  place: null,
}

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

/** One of each kind. */
const SERVICES: readonly ProxyService[] = [
  web,
  { ...web, name: 'none', clusterIP: '10.96.0.81', nodePort: 30081, endpoints: [] },
  { ...web, name: 'node', clusterIP: '10.96.0.82', nodePort: 30082, sessionAffinity: 'ClientIP' },
  {
    ...web,
    name: 'lb',
    clusterIP: '10.96.0.83',
    nodePort: 30083,
    loadBalancerIPs: ['192.168.14.200'],
    sourceRanges: ['192.168.0.0/16', '10.0.0.0/8'],
    externalTrafficPolicy: 'Local',
  },
  {
    ...web,
    name: 'away',
    clusterIP: '10.96.0.84',
    protocol: 'UDP',
    port: 53,
    nodePort: 30084,
    externalTrafficPolicy: 'Local',
    internalTrafficPolicy: 'Local',
    externalIPs: ['192.168.14.201'],
    endpoints: [{ address: '10.244.2.2', port: 5353, local: false }],
  },
]

function nft(box: Box, text: string): string {
  const answer = box.netfilter.runNft({ name: text.includes('\n') ? 'rules' : '', text }, () => [])
  expect(answer.err).toBe('')
  return answer.out
}

describe("kube-proxy's nftables mode", () => {
  it('writes the table that the real nft lists for the same rules', () => {
    const box = new Box()
    nft(
      box,
      `add table ${KUBE_PROXY_TABLE} { comment "rules for kube-proxy" ; }\n${planKubeProxy(SERVICES, OPTIONS).text()}`,
    )
    const recorded = readFileSync(new URL('nft-kube-proxy.txt', import.meta.url), 'utf8')
    expect(nft(box, 'list ruleset')).toBe(recorded)
  })

  it('gets from any state to any other', () => {
    const states = [SERVICES, [], [web], SERVICES.slice(1, 3), [...SERVICES].reverse(), [{ ...web, endpoints: [] }]]
    for (const before of states) {
      for (const after of states) {
        const changed = new Box()
        const first = planKubeProxy(before, OPTIONS)
        nft(changed, `add table ${KUBE_PROXY_TABLE}\n${first.text()}`)
        nft(changed, planKubeProxy(after, OPTIONS).update(first))
        const fresh = new Box()
        nft(fresh, `add table ${KUBE_PROXY_TABLE}\n${planKubeProxy(after, OPTIONS).text()}`)
        const chains = (box: Box) =>
          nft(box, 'list ruleset')
            .split('\n\n')
            .map((block) => block.replace(/}\n}\n$/, '}'))
            .sort()
        expect(chains(changed)).toEqual(chains(fresh))
      }
    }
  })

  it('says nothing when nothing has changed', () => {
    const plan = planKubeProxy(SERVICES, OPTIONS)
    expect(planKubeProxy(SERVICES, OPTIONS).update(plan)).toBe('')
    expect(new NftPlan(KUBE_PROXY_TABLE).text()).toBe('')
  })
})
