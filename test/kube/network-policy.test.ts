/**
 * NetworkPolicies at the API server (sentences of kube-apiserver 1.32, from pkg/apis/networking/validation) and on the nodes
 * (rules as kube-router spells them, see pkg/controllers/netpol).
 */
import { describe, expect, it } from 'vitest'
import type { Machine } from '../../src/host/machine.ts'
import type { KubeObject } from '../../src/kube/objects.ts'
import type { NetworkPolicy } from '../../src/kube/objects-policy.ts'
import { type Lab, lab, pod } from './fixture.ts'

function policy(name: string, spec: Record<string, unknown>): KubeObject {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name, namespace: 'default' },
    spec: { podSelector: {}, ...spec },
  }
}

const ENGINE = { networkPolicy: { engine: 'kube-router' } } as const

describe('NetworkPolicies at the API server', () => {
  it('are for ingress, and for egress when they have such rules; ports are TCP', async () => {
    const { store } = (await lab()).cluster
    const types = (name: string, spec: Record<string, unknown>) =>
      (store.create(policy(name, spec)) as NetworkPolicy).spec
    expect(types('a', {}).policyTypes).toEqual(['Ingress'])
    expect(types('b', { egress: [{}] }).policyTypes).toEqual(['Ingress', 'Egress'])
    expect(types('c', { egress: [] }).policyTypes).toEqual(['Ingress'])
    expect(types('d', { policyTypes: ['Egress'] }).policyTypes).toEqual(['Egress'])
    expect(types('e', { ingress: [{ ports: [{ port: 80 }] }] }).ingress).toEqual([
      { ports: [{ port: 80, protocol: 'TCP' }] },
    ])
  })

  it.each([
    [{ policyTypes: ['Out'] }, 'spec.policyTypes[0]: Unsupported value: "Out": supported values: "Egress", "Ingress"'],
    [{ ingress: [{ from: [{}] }] }, 'spec.ingress[0].from[0]: Required value: must specify a peer'],
    [
      { ingress: [{ from: [{ podSelector: {}, ipBlock: { cidr: '10.0.0.0/8' } }] }] },
      'spec.ingress[0].from[0]: Forbidden: may not specify both ipBlock and another peer',
    ],
    [
      { egress: [{ to: [{ ipBlock: { cidr: '10.0.0.0' } }] }] },
      'spec.egress[0].to[0].ipBlock.cidr: Invalid value: "10.0.0.0": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
    ],
    [
      { egress: [{ to: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['11.0.0.0/16'] } }] }] },
      'spec.egress[0].to[0].ipBlock.except[0]: Invalid value: "11.0.0.0/16": must be a strict subset of `cidr`',
    ],
    [
      { ingress: [{ ports: [{ port: 90, endPort: 80 }] }] },
      'spec.ingress[0].ports[0].endPort: Invalid value: 90: must be greater than or equal to `port`',
    ],
    [
      { ingress: [{ ports: [{ endPort: 80 }] }] },
      'spec.ingress[0].ports[0].endPort: Invalid value: 80: may not be specified when `port` is not specified',
    ],
    [
      { ingress: [{ ports: [{ port: 'web', endPort: 80 }] }] },
      'spec.ingress[0].ports[0].endPort: Invalid value: 80: may not be specified when `port` is non-numeric',
    ],
    [
      { ingress: [{ ports: [{ port: 80, protocol: 'ICMP' }] }] },
      'spec.ingress[0].ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"',
    ],
    [
      { podSelector: { matchExpressions: [{ key: 'a', operator: 'In' }] } },
      "spec.podSelector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
    ],
  ])('%j is refused', async (spec, sentence) => {
    const { store } = (await lab()).cluster
    expect(() => store.create(policy('x', spec))).toThrow(sentence)
  })

  it('say so when nobody enforces them', async () => {
    const { cluster } = await lab()
    const said: string[] = []
    cluster.store.onWarning = (sentence) => said.push(sentence)
    cluster.store.create(policy('alone', {}))
    expect(said).toEqual([
      'podwire: NetworkPolicy "alone" in namespace "default" is stored, but nobody enforces it: flannel has no policy engine (in the topology, cluster: {networkPolicy: {engine: kube-router}})',
    ])
    const events = cluster.store.list('Event', 'default', (event) => event.reason === 'NotEnforced')
    expect(events).toHaveLength(1)
  })
})

/** A server and a client on one node. */
async function pair(action: 'drop' | 'reject'): Promise<Lab> {
  const made = await lab({ networkPolicy: { engine: 'kube-router', action } })
  made.cluster.apply([
    pod('web', 'nginx', { nodeName: 'w1.example.com' }),
    pod('client', 'busybox', { nodeName: 'w1.example.com' }),
  ])
  await made.readyPods('app=web', 1)
  await made.readyPods('app=client', 1)
  return made
}

describe('NetworkPolicies on a node', () => {
  it('are chains and sets in kube-router spelling', async () => {
    const { cluster, on, pods, run } = await pair('drop')
    const peers = { podSelector: { matchLabels: { app: 'client' } } }
    cluster.apply([
      policy('to-web', {
        podSelector: { matchLabels: { app: 'web' } },
        ingress: [{ from: [peers], ports: [{ port: 80 }] }],
      }),
    ])
    await run(1)
    const [{ status: client }] = pods('app=client')
    const [{ status: web }] = pods('app=web')
    const node = cluster.nodes.get('w1.example.com')
    const saved = node?.machine.netns.netfilter.save({ table: 'filter' }) ?? ''
    const lines = saved
      .split('\n')
      .filter((line) => /^-A KUBE-(NWPLCY|POD-FW)/.test(line) && !line.includes('DEFAULT -m'))
    const policyChain = /-A (KUBE-NWPLCY-\w{16}) /.exec(saved)?.[1]
    const podChain = /-A (KUBE-POD-FW-\w{16}) /.exec(saved)?.[1]
    const [, source, destination] =
      /--match-set (KUBE-SRC-\w{16}) src -m set --match-set (KUBE-DST-\w{16}) dst/.exec(saved) ?? []
    const allowed =
      `-A ${policyChain} -p tcp -m comment --comment "rule to ACCEPT traffic from source pods to dest pods selected by policy name to-web namespace default" ` +
      `-m set --match-set ${source} src -m set --match-set ${destination} dst -m tcp --dport 80`
    const chain = `-A ${podChain}`
    expect(lines).toEqual([
      `${allowed} -j MARK --set-xmark 0x10000/0x10000`,
      `${allowed} -m mark --mark 0x10000/0x10000 -j RETURN`,
      `${chain} -m comment --comment "rule for stateful firewall for pod" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
      `${chain} -m comment --comment "rule to drop invalid state for pod" -m conntrack --ctstate INVALID -j DROP`,
      `${chain} -d ${web.podIP}/32 -m comment --comment "rule to permit the traffic to pods when source is the pods local node" -m addrtype --src-type LOCAL -j ACCEPT`,
      `${chain} -d ${web.podIP}/32 -m comment --comment "run through nw policy to-web" -j ${policyChain}`,
      `${chain} -s ${web.podIP}/32 -m comment --comment "run through default egress network policy chain" -j KUBE-NWPLCY-DEFAULT`,
      `${chain} -m comment --comment "rule to DROP traffic destined for POD name:web namespace: default" -m mark ! --mark 0x10000/0x10000 -j DROP`,
      `${chain} -j MARK --set-xmark 0x0/0x10000`,
      `${chain} -m comment --comment "set mark to ACCEPT traffic that comply to network policies" -j MARK --set-xmark 0x20000/0x20000`,
    ])
    expect(node?.machine.netns.netfilter.ipset(['list', source]).out).toContain(`Members:\n${client.podIP} timeout 0\n`)
    expect((await on('w1.example.com', 'get', `${web.podIP}:80`)).output).toBe('I am web\n')
  })

  it('reject with an ICMP error when told to', async () => {
    const { cluster, exec, pods, run } = await pair('reject')
    const [{ status: web }] = pods('app=web')
    expect((await exec('client', 'get', `${web.podIP}:80`)).output).toBe('I am web\n')
    cluster.apply([policy('deny', {})])
    await run(1)
    const refused = await exec('client', 'get', `${web.podIP}:80`)
    expect(refused.output).toBe('Connection refused\n')
    cluster.store.delete('NetworkPolicy', 'default', 'deny')
    await run(1)
    expect((await exec('client', 'get', `${web.podIP}:80`)).output).toBe('I am web\n')
  })

  it('let in what one address block leaves out and another names', async () => {
    const { cluster, exec, pods, run } = await pair('reject')
    const [{ status: web }] = pods('app=web')
    const [{ status: client }] = pods('app=client')
    const hole = { ipBlock: { cidr: '10.244.0.0/16', except: [`${client.podIP}/32`] } }
    const ask = async () => {
      await run(1)
      return (await exec('client', 'get', `${web.podIP}:80`)).output
    }
    cluster.apply([policy('blocks', { ingress: [{ from: [hole] }] })])
    expect(await ask()).toBe('Connection refused\n')
    for (const from of [
      [{ ipBlock: { cidr: `${client.podIP}/32` } }, hole],
      [hole, { ipBlock: { cidr: `${client.podIP}/32` } }],
    ]) {
      cluster.apply([policy('blocks', { ingress: [{ from }] })])
      expect(await ask()).toBe('I am web\n')
    }
  })

  it('hold between two pods of one policy for both of them', async () => {
    const { cluster, exec, pods, run } = await pair('reject')
    const [{ status: web }] = pods('app=web')
    // Everybody may come in, nobody may go out.
    cluster.apply([policy('in-only', { ingress: [{}], policyTypes: ['Ingress', 'Egress'] })])
    await run(1)
    expect((await exec('client', 'get', `${web.podIP}:80`)).code).not.toBe(0)
  })

  it('come back within five minutes when somebody flushes them', async () => {
    const { cluster, machines, run } = await pair('drop')
    cluster.apply([policy('deny', {})])
    await run(1)
    const { netfilter } = (machines.get('w1.example.com') as Machine).netns
    netfilter.iptables(['-F', 'FORWARD'])
    await run(301)
    expect(netfilter.save({ table: 'filter' })).toContain(
      '-A FORWARD -m comment --comment "kube-router netpol" -j KUBE-ROUTER-FORWARD',
    )
  })
})

it('the engine is a DaemonSet beside flannel', async () => {
  const { cluster } = await lab(ENGINE)
  expect(cluster.store.list('DaemonSet').map((set) => set.metadata.name)).toContain('kube-router')
})
