/**
 * NetworkPolicy (netpol/network_policy.go), enforced by kube-router: three namespaces with three pods each, and after
 * every change a matrix of who reaches whom.
 */
import { expect } from 'vitest'
import { type Allowed, Matrix, policy } from './matrix.ts'
import { type Namespace, section } from './suite.ts'

const NAME = 'kubernetes.io/metadata.name'

section('NetworkPolicy', { cluster: { networkPolicy: { engine: 'kube-router' } } }, (test) => {
  const into = (target: string | RegExp, from: (from: string) => boolean): Allowed => {
    const hit = (to: string) => (typeof target === 'string' ? to === target : target.test(to))
    return (who, to) => who === to || !hit(to) || from(who)
  }
  const only =
    (...who: string[]) =>
    (from: string) =>
      who.includes(from)
  const space =
    (...names: string[]) =>
    (from: string) =>
      names.includes(from[0])
  const ns = (labels: object) => ({ namespaceSelector: { matchLabels: labels } })
  const pods = (...names: string[]) => ({
    podSelector: { matchExpressions: [{ key: 'pod', operator: 'In', values: names }] },
  })
  const a = { podSelector: { matchLabels: { pod: 'a' } } }
  const ingress = (rules: readonly object[], more: object = a) => ({
    ...more,
    policyTypes: ['Ingress'],
    ingress: rules,
  })
  const egress = (rules: readonly object[], more: object = a) => ({ ...more, policyTypes: ['Egress'], egress: rules })
  const every = { podSelector: {} }

  /** A policy in namespace x, and what is left. */
  const simple = (name: string, spec: object, allowed: Allowed) =>
    test(name, async (e2e) => {
      const net = await Matrix.of(e2e)
      await net.with({ policy: spec }, () => net.holds(allowed))
    })

  simple(
    "should support a 'default-deny-ingress' policy",
    ingress([], every),
    into(/^x/, () => false),
  )
  simple(
    "should support a 'default-deny-all' policy",
    { ...every, policyTypes: ['Ingress', 'Egress'] },
    (from, to) => from === to || (from[0] !== 'x' && to[0] !== 'x'),
  )
  simple('should support allow-all policy', ingress([{}], every), () => true)
  simple(
    'should enforce policy to allow traffic from pods within server namespace based on PodSelector',
    ingress([{ from: [pods('b')] }]),
    into('x/a', only('x/b')),
  )
  simple(
    'should enforce policy to allow ingress traffic for a target',
    ingress([{ from: [{ ...pods('b'), namespaceSelector: {} }] }]),
    into('x/a', only('x/b', 'y/b', 'z/b')),
  )
  simple(
    'should enforce policy to allow ingress traffic from pods in all namespaces',
    ingress([{ from: [{ namespaceSelector: {} }] }]),
    () => true,
  )
  simple(
    'should enforce policy to allow traffic only from a different namespace, based on NamespaceSelector',
    ingress([{ from: [ns({ ns: 'y' })] }]),
    into('x/a', space('y')),
  )
  simple(
    'should enforce policy to allow traffic only from a pod in a different namespace based on PodSelector and NamespaceSelector',
    ingress([{ from: [{ ...ns({ ns: 'y' }), ...pods('a') }] }]),
    into('x/a', only('y/a')),
  )
  simple(
    'should enforce policy based on PodSelector with MatchExpressions',
    ingress([{ from: [pods('b')] }]),
    into('x/a', only('x/b')),
  )
  simple(
    'should enforce policy based on NamespaceSelector with MatchExpressions',
    ingress([{ from: [{ namespaceSelector: { matchExpressions: [{ key: 'ns', operator: 'In', values: ['y'] }] } }] }]),
    into('x/a', space('y')),
  )
  simple(
    'should enforce policy based on PodSelector or NamespaceSelector',
    ingress([
      {
        from: [
          { namespaceSelector: { matchExpressions: [{ key: 'ns', operator: 'NotIn', values: ['x'] }] } },
          pods('b'),
        ],
      },
    ]),
    into('x/a', (from) => from[0] !== 'x' || from === 'x/b'),
  )
  simple(
    'should enforce policy based on PodSelector and NamespaceSelector',
    ingress([
      {
        from: [
          { namespaceSelector: { matchExpressions: [{ key: 'ns', operator: 'NotIn', values: ['x'] }] }, ...pods('b') },
        ],
      },
    ]),
    into('x/a', only('y/b', 'z/b')),
  )
  simple(
    'should enforce policy based on Multiple PodSelectors and NamespaceSelectors',
    ingress([
      {
        from: [
          {
            namespaceSelector: { matchExpressions: [{ key: 'ns', operator: 'NotIn', values: ['x'] }] },
            ...pods('b', 'c'),
          },
        ],
      },
    ]),
    into('x/a', only('y/b', 'z/b', 'y/c', 'z/c')),
  )
  simple(
    'should enforce policy based on any PodSelectors',
    ingress([{ from: [pods('b'), pods('c')] }]),
    into('x/a', only('x/b', 'x/c')),
  )
  simple('should deny egress from pods based on PodSelector', egress([]), (from, to) => from !== 'x/a' || to === from)
  simple(
    'should deny egress from all pods in a namespace',
    egress([], every),
    (from, to) => from[0] !== 'x' || to === from,
  )
  simple(
    'should deny ingress from pods on other namespaces',
    ingress([{ from: [{ podSelector: {} }] }], every),
    into(/^x/, space('x')),
  )
  simple(
    'should enforce egress policy allowing traffic to a server in a different namespace based on PodSelector and NamespaceSelector',
    egress([{ to: [{ ...ns({ ns: 'y' }), ...pods('a') }] }]),
    (from, to) => from !== 'x/a' || to === from || to === 'y/a',
  )
  simple(
    'should work with Ingress, Egress specified together',
    { ...a, policyTypes: ['Ingress', 'Egress'], ingress: [{ from: [pods('b')] }], egress: [{ to: [pods('c')] }] },
    (from, to) => from === to || (from === 'x/a' ? to === 'x/c' : to !== 'x/a' || from === 'x/b'),
  )

  const named = (name: string, rule: (net: Matrix) => object, allowed: Allowed) =>
    test(name, async (e2e) => {
      const net = await Matrix.of(e2e)
      await net.with({ policy: rule(net) }, () => net.holds(allowed))
    })
  named(
    'should enforce policy to allow traffic based on NamespaceSelector with MatchLabels using default ns label',
    (net) => ingress([{ from: [ns({ [NAME]: net.space('y') })] }]),
    into('x/a', space('y')),
  )
  named(
    'should enforce policy based on NamespaceSelector with MatchExpressions using default ns label',
    (net) =>
      ingress([
        {
          from: [
            { namespaceSelector: { matchExpressions: [{ key: NAME, operator: 'NotIn', values: [net.space('y')] }] } },
          ],
        },
      ]),
    into('x/a', space('x', 'z')),
  )
  const cidr = (net: Matrix, to: string, prefix: number) => `${net.ip(to)}/${prefix}`
  named(
    'should allow egress access to server in CIDR block',
    (net) => egress([{ to: [{ ipBlock: { cidr: cidr(net, 'z/b', 32) } }] }]),
    (from, to) => from !== 'x/a' || to === from || to === 'z/b',
  )
  named(
    'should enforce except clause while egress access to server in CIDR block',
    (net) => egress([{ to: [{ ipBlock: { cidr: '10.244.0.0/16', except: [cidr(net, 'z/b', 32)] } }] }]),
    (from, to) => from !== 'x/a' || to !== 'z/b',
  )
  named(
    'should ensure an IP overlapping both IPBlock.CIDR and IPBlock.Except is allowed',
    (net) =>
      egress([
        { to: [{ ipBlock: { cidr: '10.244.0.0/16', except: [cidr(net, 'z/b', 32)] } }] },
        { to: [{ ipBlock: { cidr: cidr(net, 'z/b', 32) } }] },
      ]),
    () => true,
  )

  test('should stop enforcing policies after they are deleted', async (e2e) => {
    const net = await Matrix.of(e2e)
    await net.with({ policy: { ...every, policyTypes: ['Ingress', 'Egress'] } }, () =>
      net.holds((from, to) => from === to || (from[0] !== 'x' && to[0] !== 'x')),
    )
    await net.holds(() => true)
  })

  test('should enforce updated policy', async (e2e) => {
    const net = await Matrix.of(e2e)
    await net.with({ policy: ingress([{}], every) }, async () => {
      await net.holds(() => true)
      await net.apply('policy', ingress([], every))
      await net.holds(into(/^x/, () => false))
    })
  })

  for (const [way, make] of [
    ['ingress', ingress],
    ['egress', egress],
  ] as const) {
    test(`should enforce multiple ${way} policies with ${way} allow-all policy taking precedence`, async (e2e) => {
      const net = await Matrix.of(e2e)
      await net.with({ 'deny-all': make([], every) }, async () => {
        await net.holds((from, to) => from === to || (way === 'ingress' ? to : from)[0] !== 'x')
        await net.apply('allow-all', make([{}], every))
        await net.holds(() => true)
      }, ['allow-all'])
    })
  }

  test('should support denying of egress traffic on the client side (even if the server explicitly allows this traffic)', async (e2e) => {
    const net = await Matrix.of(e2e)
    const server = ingress([{ from: [{ namespaceSelector: {} }] }], every)
    await net.with({ 'allow-to-server': server, 'deny-egress': egress([{ to: [pods('b')] }]) }, () =>
      net.holds((from, to) => from !== 'x/a' || to === from || to === 'x/b'),
    )
  })

  for (const [name, label, allowed] of [
    ['should allow ingress access from updated pod', true, true],
    ['should deny ingress access to updated pod', false, false],
  ] as const) {
    test(name, async (e2e) => {
      const net = await Matrix.of(e2e)
      const rule = allowed
        ? ingress([{ from: [{ podSelector: { matchLabels: { pod2: 'updated' } } }] }])
        : ingress([], { podSelector: { matchLabels: { target: 'isolated' } } })
      await net.with({ policy: rule }, async () => {
        await net.holds(allowed ? into('x/a', () => false) : () => true)
        const [who, what] = label ? ['x/b', 'pod2=updated'] : ['x/a', 'target=isolated']
        await net.label(who, what)
        await net.holds(into('x/a', allowed ? only('x/b') : () => false))
        await net.label(who, `${what.split('=')[0]}-`)
      })
    })
  }

  test('should allow ingress access from updated namespace', async (e2e) => {
    const net = await Matrix.of(e2e)
    await net.with({ policy: ingress([{ from: [ns({ ns2: 'updated' })] }]) }, async () => {
      await net.holds(into('x/a', () => false))
      await e2e.lab.say(`kubectl label namespace ${net.space('y')} ns2=updated`)
      await e2e.run(1)
      await net.holds(into('x/a', space('y')))
      await e2e.lab.say(`kubectl label namespace ${net.space('y')} ns2-`)
    })
  })

  test('should enforce policies to check ingress and egress policies can be controlled independently based on PodSelector', async (e2e) => {
    const net = await Matrix.of(e2e)
    await net.with({ egress: egress([{ to: [{ namespaceSelector: {} }] }]), ingress: ingress([]) }, async () => {
      await net.holds(into('x/a', () => false))
      await net.apply('ingress', ingress([{}]))
      await net.apply('egress', egress([]))
      await net.holds((from, to) => from !== 'x/a' || to === from)
    })
  })

  const port = (value: number | string, protocol = 'TCP') => [{ port: value, protocol }]
  const ported = (name: string, spec: object, wanted: Readonly<Record<string, Allowed>>) =>
    test(name, async (e2e) => {
      const net = await Matrix.of(e2e)
      await net.with({ policy: spec }, async () => {
        for (const [what, allowed] of Object.entries(wanted)) {
          const [number, protocol] = what.split('/')
          await net.holds(allowed, Number(number), protocol)
        }
      })
    })
  const shut = into('x/a', () => false)
  const y = [ns({ ns: 'y' })]
  ported('should enforce policy based on Ports', ingress([{ from: y, ports: port(81) }]), {
    '81/tcp': into('x/a', space('y')),
    '80/tcp': shut,
  })
  ported('should allow ingress access on one named port', ingress([{ ports: port('serve-81-tcp') }]), {
    '81/tcp': () => true,
    '80/tcp': shut,
  })
  ported(
    'should allow ingress access from namespace on one named port',
    ingress([{ from: y, ports: port('serve-80-tcp') }]),
    { '80/tcp': into('x/a', space('y')), '81/tcp': shut },
  )
  ported('should allow egress access on one named port', egress([{ ports: port('serve-80-tcp') }]), {
    '80/tcp': () => true,
    '81/tcp': (from, to) => from !== 'x/a' || from === to,
  })
  ported('should not allow access by TCP when a policy specifies only UDP', ingress([{ ports: port(81, 'UDP') }]), {
    '81/udp': () => true,
    '81/tcp': shut,
  })
  ported(
    'should enforce ingress policy allowing any port traffic to a server on a specific protocol [UDP]',
    ingress([{ ports: [{ protocol: 'UDP' }] }]),
    { '80/udp': () => true, '81/udp': () => true, '80/tcp': shut },
  )
  ported("using UDP: should support a 'default-deny-ingress' policy", ingress([], every), {
    '80/udp': into(/^x/, () => false),
  })
  ported('using UDP: should enforce policy based on Ports', ingress([{ from: y, ports: port(81, 'UDP') }]), {
    '81/udp': into('x/a', space('y')),
    '80/udp': shut,
  })
  ported(
    'using UDP: should enforce policy to allow traffic only from a pod in a different namespace based on PodSelector and NamespaceSelector',
    ingress([{ from: [{ ...ns({ ns: 'y' }), ...pods('a') }] }]),
    { '80/udp': into('x/a', only('y/a')) },
  )

  test('should enforce multiple, stacked policies with overlapping podSelectors', async (e2e) => {
    const net = await Matrix.of(e2e)
    await net.with({ 'allow-y-81': ingress([{ from: y, ports: port(81) }]) }, async () => {
      await net.holds(shut, 80)
      await net.apply('allow-y-80', ingress([{ from: y, ports: port(80) }]))
      await net.holds(into('x/a', space('y')), 80)
      await net.holds(into('x/a', space('y')), 81)
    }, ['allow-y-80'])
  })

  test('Netpol API should support creating NetworkPolicy API operations', async (e2e) =>
    api(e2e, [{ port: 80, protocol: 'TCP' }]))
  test('Netpol API should support creating NetworkPolicy API with endport field', async (e2e) =>
    api(e2e, [{ port: 80, endPort: 90, protocol: 'TCP' }]))
})

/** Made, listed, patched, and deleted, with what it says kept. */
async function api(e2e: Namespace, ports: readonly object[]): Promise<void> {
  e2e.apply(
    policy('e2e-example-netpol', { podSelector: { matchLabels: { 'pod-name': 'test-pod' } }, ingress: [{ ports }] }),
  )
  expect((await e2e.kubectl('get networkpolicies -o name')).output).toBe(
    'networkpolicy.networking.k8s.io/e2e-example-netpol\n',
  )
  await e2e.kubectl(
    `patch networkpolicy e2e-example-netpol --type=merge -p '{"metadata":{"annotations":{"patched":"true"}}}'`,
  )
  const { output } = await e2e.kubectl('get networkpolicy e2e-example-netpol -o json')
  expect(JSON.parse(output)).toMatchObject({
    metadata: { annotations: { patched: 'true' } },
    spec: { ingress: [{ ports }], policyTypes: ['Ingress'] },
  })
  expect((await e2e.kubectl('delete networkpolicy e2e-example-netpol')).code).toBe(0)
  expect((await e2e.kubectl('get networkpolicy e2e-example-netpol')).output).toContain('not found')
}
