/** NetworkPolicy (netpol/network_policy.go), enforced by kube-router's rules: who reaches whom, by all that the cases change. */
import { expect } from 'vitest'
import type { KubeObject, Pod } from '../../src/kube/objects.ts'
import { container, type Namespace, pod, section } from './suite.ts'

const SERVER = { pod: 'a' }
const ports = (port: number) => [
  { name: `serve-${port}-tcp`, containerPort: port, protocol: 'TCP' },
  { name: `serve-${port}-udp`, containerPort: port, protocol: 'UDP' },
]

/** Namespaces x and y; in x the server a with ports 80 and 81, and b; in y a and b. */
class Model {
  readonly e2e: Namespace
  readonly y: string
  ip = ''

  constructor(e2e: Namespace) {
    this.e2e = e2e
    this.y = `${e2e.name}-y`
  }

  static async start(e2e: Namespace): Promise<Model> {
    const model = new Model(e2e)
    const at = (namespace: string, object: KubeObject) => ({ ...object, metadata: { ...object.metadata, namespace } })
    const serve = (port: number) => ({
      ...container(`c${port}`, ['netexec', `--http-port=${port}`, `--udp-port=${port}`]),
      ports: ports(port),
    })
    const client = (name: string, nodeName: string) =>
      pod(name, [container('c', ['pause'])], { nodeName }, { pod: name })
    e2e.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: model.y, labels: { ns: 'y' } } } as KubeObject)
    e2e.apply(pod('a', [serve(80), serve(81)], { nodeName: 'w1' }, SERVER), client('b', 'w1'))
    e2e.apply(at(model.y, client('a', 'w2')), at(model.y, client('b', 'w1')))
    await e2e.ready('a', 'b')
    await e2e.run(3)
    model.ip = e2e.get<Pod>('Pod', 'a').status.podIP as string
    return model
  }

  async apply(name: string, spec: object, namespace = this.e2e.name): Promise<void> {
    const kind = 'NetworkPolicy'
    this.e2e.apply({ apiVersion: 'networking.k8s.io/v1', kind, metadata: { name, namespace }, spec } as KubeObject)
    await this.e2e.run(0.5)
  }

  /** Who reaches the server: `x/b y/a y/b`, in this order. */
  async reach(port = 80, protocol = 'tcp'): Promise<string> {
    const found: string[] = []
    for (const [who, namespace] of [
      ['b', this.e2e.name],
      ['a', this.y],
      ['b', this.y],
    ] as const) {
      const line = `kubectl -n ${namespace} exec ${who} -- /agnhost connect --protocol=${protocol} --timeout=1s ${this.ip}:${port}`
      if ((await this.e2e.lab.say(line)).code === 0) found.push(`${namespace === this.y ? 'y' : 'x'}/${who}`)
    }
    return found.join(' ')
  }
}

const ALL = 'x/b y/a y/b'
const to = (...from: object[]) => ({ podSelector: { matchLabels: SERVER }, ingress: [{ from }] })
const Y = { namespaceSelector: { matchLabels: { ns: 'y' } } }
const A = { podSelector: { matchLabels: { pod: 'a' } } }
const B = { podSelector: { matchLabels: { pod: 'b' } } }
const IN = { key: 'pod', operator: 'In', values: ['b'] }

/** A case of one policy: its name, its spec, and who reaches the server's port 80 then. */
const SIMPLE: readonly (readonly [string, (model: Model) => object, string])[] = [
  ["should support a 'default-deny-ingress' policy", () => ({ podSelector: {} }), ''],
  ["should support a 'default-deny-all' policy", () => ({ podSelector: {}, policyTypes: ['Ingress', 'Egress'] }), ''],
  ['should support allow-all policy', () => ({ podSelector: {}, ingress: [{}] }), ALL],
  ['should enforce policy to allow traffic from pods within server namespace based on PodSelector', () => to(B), 'x/b'],
  ['should enforce policy to allow ingress traffic for a target', () => to({ namespaceSelector: {} }), ALL],
  [
    'should enforce policy to allow ingress traffic from pods in all namespaces',
    () => to({ namespaceSelector: {} }),
    ALL,
  ],
  [
    'should enforce policy to allow traffic only from a different namespace, based on NamespaceSelector',
    () => to(Y),
    'y/a y/b',
  ],
  [
    'should enforce policy to allow traffic only from a pod in a different namespace based on PodSelector and NamespaceSelector',
    () => to({ ...Y, ...A }),
    'y/a',
  ],
  [
    'should enforce policy to allow traffic based on NamespaceSelector with MatchLabels using default ns label',
    ({ y }) => to({ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': y } } }),
    'y/a y/b',
  ],
  [
    'should enforce policy based on PodSelector with MatchExpressions',
    () => to({ podSelector: { matchExpressions: [IN] } }),
    'x/b',
  ],
  [
    'should enforce policy based on NamespaceSelector with MatchExpressions',
    () => to({ namespaceSelector: { matchExpressions: [{ key: 'ns', operator: 'In', values: ['y'] }] } }),
    'y/a y/b',
  ],
  ['should enforce policy based on PodSelector or NamespaceSelector', () => to(Y, B), ALL],
  ['should enforce policy based on PodSelector and NamespaceSelector', () => to({ ...Y, ...B }), 'y/b'],
  ['should enforce policy based on any PodSelectors', () => to(A, B), 'x/b'],
]

section('NetworkPolicy', { cluster: { networkPolicy: { engine: 'kube-router', action: 'reject' } } }, (test) => {
  for (const [name, spec, who] of SIMPLE) {
    test(name, async (e2e) => {
      const model = await Model.start(e2e)
      expect(await model.reach()).toBe(ALL)
      await model.apply('policy', spec(model))
      expect(await model.reach()).toBe(who)
    })
  }

  test('should allow ingress access on one named port', async (e2e) => {
    const model = await Model.start(e2e)
    await model.apply('named', { podSelector: {}, ingress: [{ ports: [{ port: 'serve-81-tcp' }] }] })
    expect([await model.reach(81), await model.reach(80)]).toEqual([ALL, ''])
  })

  test('should enforce policy based on Ports', async (e2e) => {
    const model = await Model.start(e2e)
    await model.apply('port', { podSelector: {}, ingress: [{ from: [Y], ports: [{ port: 81 }] }] })
    expect([await model.reach(81), await model.reach(80)]).toEqual(['y/a y/b', ''])
  })

  test('should stop enforcing policies after they are deleted', async (e2e) => {
    const model = await Model.start(e2e)
    await model.apply('deny', { podSelector: {} })
    expect(await model.reach()).toBe('')
    await e2e.kubectl('delete netpol deny')
    await e2e.run(0.5)
    expect(await model.reach()).toBe(ALL)
  })

  test('should allow ingress access from updated namespace', async (e2e) => {
    const model = await Model.start(e2e)
    await model.apply('updated', to({ namespaceSelector: { matchLabels: { ns2: 'updated' } } }))
    expect(await model.reach()).toBe('')
    await e2e.lab.say(`kubectl label namespace ${model.y} ns2=updated`)
    await e2e.run(0.5)
    expect(await model.reach()).toBe('y/a y/b')
  })

  test('should allow ingress access from updated pod', async (e2e) => {
    const model = await Model.start(e2e)
    await model.apply('updated', to({ podSelector: { matchLabels: { pod2: 'updated' } } }))
    expect(await model.reach()).toBe('')
    await e2e.kubectl('label pod b pod2=updated')
    await e2e.run(0.5)
    expect(await model.reach()).toBe('x/b')
  })

  test('should not allow access by TCP when a policy specifies only UDP', async (e2e) => {
    const model = await Model.start(e2e)
    await model.apply('udp', { podSelector: {}, ingress: [{ ports: [{ protocol: 'UDP', port: 81 }] }] })
    expect(await model.reach(81)).toBe('')
  })

  test('should deny egress from all pods in a namespace', async (e2e) => {
    const model = await Model.start(e2e)
    await model.apply('egress', { podSelector: {}, policyTypes: ['Egress'] })
    expect(await model.reach()).toBe('y/a y/b')
  })

  test('should deny egress from pods based on PodSelector', async (e2e) => {
    const model = await Model.start(e2e)
    await model.apply('egress', { podSelector: { matchLabels: { pod: 'b' } }, policyTypes: ['Egress'] }, model.y)
    expect(await model.reach()).toBe('x/b y/a')
  })

  test('should allow egress access to server in CIDR block', async (e2e) => {
    const model = await Model.start(e2e)
    const egress = [{ to: [{ ipBlock: { cidr: `${model.ip}/32` } }] }]
    await model.apply('cidr', { podSelector: {}, policyTypes: ['Egress'], egress }, model.y)
    expect(await model.reach()).toBe(ALL)
  })

  test('should enforce except clause while egress access to server in CIDR block', async (e2e) => {
    const model = await Model.start(e2e)
    const egress = [{ to: [{ ipBlock: { cidr: '10.244.0.0/16', except: [`${model.ip}/32`] } }] }]
    await model.apply('except', { podSelector: {}, policyTypes: ['Egress'], egress }, model.y)
    expect(await model.reach()).toBe('x/b')
  })

  test('should ensure an IP overlapping both IPBlock.CIDR and IPBlock.Except is allowed', async (e2e) => {
    const model = await Model.start(e2e)
    const hole = { ipBlock: { cidr: '10.244.0.0/16', except: [`${model.ip}/32`] } }
    const deny = { podSelector: {}, policyTypes: ['Egress'], egress: [{ to: [hole] }] }
    await model.apply('except', deny, model.y)
    expect(await model.reach()).toBe('x/b')
    const allow = {
      podSelector: {},
      policyTypes: ['Egress'],
      egress: [{ to: [{ ipBlock: { cidr: `${model.ip}/32` } }] }],
    }
    await model.apply('allow', allow, model.y)
    expect(await model.reach()).toBe(ALL)
  })

  test('should deny ingress from pods on other namespaces', async (e2e) => {
    const model = await Model.start(e2e)
    await model.apply('own', { podSelector: {}, ingress: [{ from: [{ podSelector: {} }] }] })
    expect(await model.reach()).toBe('x/b')
  })
})
