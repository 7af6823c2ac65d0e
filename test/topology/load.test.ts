import { describe, expect, test } from 'vitest'
import { loadTopology } from '../../src/topology/load.ts'
import { TopologyError } from '../../src/topology/problem.ts'

/** What `podwire check` would print. */
function said(text: string): string {
  try {
    loadTopology('topo.yaml', text)
  } catch (error) {
    if (error instanceof TopologyError) return error.message
    throw error
  }
  return 'no problem'
}

const good = `underlay: {cidr: 192.168.14.0/24, gateway: 192.168.14.1}
nodes:
  - {name: m, ip: 192.168.14.50, roles: [control-plane]}
  - {name: w1, ip: 192.168.14.51}
`

test('a good file has no problem, and defaults are filled in', () => {
  const topology = loadTopology('topo.yaml', `${good}cluster: {}\n`)
  expect(topology.seed).toBe(1)
  expect(topology.cluster?.podCIDR).toBe('10.244.0.0/16')
  expect(topology.cluster?.dns.service).toBe('10.96.0.10')
})

describe('a broken file gets a sentence with its place', () => {
  test('expectations that cannot be read', () => {
    const step = (expected: string) => said(`${good}steps: [{run: ls, expect: {${expected}}}]\n`)
    expect(step("frames: [{on: w1/eth0, filter: 'tcp dst prt 80'}]")).toMatch(
      /^error: steps\[0\]\.expect\.frames\[0\]\.filter is "tcp dst prt 80"\n[\s\S]*expected an expression of pcap-filter/,
    )
    expect(step("frames: [{on: w1/eth0, line: '('}]")).toMatch(/expected a regular expression of JavaScript/)
    expect(step("matches: ['a', '(']")).toMatch(/^error: steps\[0\]\.expect\.matches\[1\] is "\("\n/)
    expect(step('contains: 3')).toMatch(/expected a text or a list of texts/)
    expect(step("contains: [a], matches: '^a$', frames: [{on: '*/eth0', filter: 'icmp[icmptype] == icmp-echo'}]")).toBe(
      'no problem',
    )
  })

  test('an unknown key', () => {
    expect(said(`${good}cluster: {podCIDR: 10.244.0.0/16, servceCIDR: 10.96.0.0/12}\n`)).toBe(
      `error: unknown key "servceCIDR"
 --> topo.yaml:5:35  (cluster.servceCIDR)
5 | cluster: {podCIDR: 10.244.0.0/16, servceCIDR: 10.96.0.0/12}
  |                                   ^^^^^^^^^^
  = expected one of: podCIDR, serviceCIDR, cni, kubeProxy, networkPolicy, fleet, nodePorts, loadBalancer, dns
  = help: did you mean "serviceCIDR"?`,
    )
  })

  test('a bad CIDR', () => {
    expect(said(good.replace('192.168.14.0/24', '192.168.14.0/33'))).toBe(
      `error: underlay.cidr is "192.168.14.0/33"
 --> topo.yaml:1:18  (underlay.cidr)
1 | underlay: {cidr: 192.168.14.0/33, gateway: 192.168.14.1}
  |                  ^^^^^^^^^^^^^^^
  = expected a network in CIDR notation, such as 10.244.0.0/16`,
    )
  })

  test('overlapping ranges', () => {
    const text = said(`${good}cluster:\n  podCIDR: 10.96.0.0/16\n`)
    expect(text).toContain('error: cluster.serviceCIDR 10.96.0.0/12 overlaps cluster.podCIDR 10.96.0.0/16')
    expect(text).toContain('topo.yaml:6:')
    expect(text).toContain('= expected ranges that have no address in common')
  })

  test('two nodes with one address', () => {
    const text = said(good.replace('192.168.14.51', '192.168.14.50'))
    expect(text).toContain('error: the address 192.168.14.50 is already used by nodes[0] (m)')
    expect(text).toContain(' --> topo.yaml:4:20  (nodes[1].ip)')
    expect(text).toContain('= help: 192.168.14.10 is free')
  })

  test('YAML that does not parse', () => {
    const text = said(`${good}steps: [run: ls\n`)
    expect(text).toContain('error: this is not YAML:')
    expect(text).toMatch(/--> topo\.yaml:\d+:\d+/)
    expect(text).toContain('= help:')
  })

  test('a key that must be there', () => {
    expect(said('nodes: []\n')).toContain('error: "underlay" is missing')
  })

  test('several problems at once', () => {
    const text = said(good.replace('name: w1', 'name: m').replace('192.168.14.51', '10.0.0.1'))
    expect(text).toContain('the name "m" is already used by nodes[0]')
    expect(text).toContain('the address 10.0.0.1 of m is outside the underlay')
  })

  test('a cluster without a control plane', () => {
    const text = said(good.replace(', roles: [control-plane]', '').concat('cluster: {}\n'))
    expect(text).toContain('error: no node has the role control-plane')
    expect(text).toContain('give one node `roles: [control-plane]`')
  })

  test('a duration without a unit', () => {
    expect(said(`${good}steps: [{wait: 5}]\n`)).toContain('steps[0].wait is 5')
    expect(said(`${good}steps: [{wait: '5'}]\n`)).toContain('expected a duration with its unit')
  })
})
