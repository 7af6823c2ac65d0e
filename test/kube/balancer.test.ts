/** Load balancers: MetalLB's pool and speakers, and the nodes' own addresses as k3s and Docker Desktop give them. */
import { describe, expect, it } from 'vitest'
import { AddressPool, type PoolRequest, tryParseRange } from '../../src/kube/balancer/address-pool.ts'
import type { KubeEvent, Pod, Service } from '../../src/kube/objects.ts'
import type { Store } from '../../src/kube/store.ts'
import { parseIpv4 } from '../../src/wire/address.ts'
import { deployment, type Lab, lab, service } from './fixture.ts'

function request(owner: string, more: Partial<PoolRequest> = {}): PoolRequest {
  return { owner, ports: ['80/TCP'], sharingKey: '', backend: '', ...more }
}

function addresses(store: Store, name: string): string[] {
  const found = store.get<Service>('Service', 'default', name)
  return (found?.status.loadBalancer.ingress ?? []).map((entry) => entry.ip ?? '')
}

function told(store: Store, name: string): string[] {
  return store
    .list<KubeEvent>(
      'Event',
      'default',
      ({ involvedObject: { kind, name: about } }) => kind === 'Service' && about === name,
    )
    .map((event) => `${event.type} ${event.reason} ${event.message}`)
}

async function balanced(name: string, { cluster, readyPods, run }: Lab, more: Record<string, unknown> = {}) {
  cluster.apply([deployment(name, 'nginx'), service(name, 80, { type: 'LoadBalancer', ...more })])
  await readyPods(`app=${name}`, 1)
  await run(2)
}

// The sentences are MetalLB's (internal/allocator, 0.14).
describe('a pool of addresses', () => {
  it('is a range or a network, and nothing else', () => {
    expect(tryParseRange('192.168.14.240-192.168.14.250')).toEqual(['192.168.14.240', '192.168.14.250'].map(parseIpv4))
    expect(tryParseRange('192.168.14.240/28')).toEqual(['192.168.14.240', '192.168.14.255'].map(parseIpv4))
    for (const text of ['', '1.2.3.4', '1.2.3.4-', '1.2.3.9-1.2.3.4', '1.2.3.4/33', '1.2.3.4-1.2.3.5-1.2.3.6', 'a/8']) {
      expect(tryParseRange(text)).toBeNull()
    }
  })

  it('gives each address to one, unless they agree to share it', () => {
    const pool = new AddressPool(['10.0.0.1-10.0.0.2'])
    expect(pool.allocate(request('default/a'))).toBe(parseIpv4('10.0.0.1'))
    const shared = { sharingKey: 'x', ports: ['53/TCP'] }
    expect(pool.allocate(request('default/b', shared))).toBe(parseIpv4('10.0.0.2'))
    expect(pool.allocate(request('default/c', { ...shared, ports: ['53/UDP'] }))).toBe(parseIpv4('10.0.0.2'))
    expect(() => pool.allocate(request('default/d', shared))).toThrow('no available IPs')
    expect(() => pool.claim(parseIpv4('10.0.0.2'), request('default/d', shared))).toThrow(
      'port tcp/53 is already in use on "10.0.0.2"',
    )
    expect(() => pool.claim(parseIpv4('10.0.0.1'), request('default/d'))).toThrow(
      'can\'t change sharing key for "default/d", address also in use by default/a',
    )
    expect(() => pool.claim(parseIpv4('10.0.0.3'), request('default/d'))).toThrow(
      '["10.0.0.3"] is not allowed in config',
    )
    expect(pool.release('default/a')).toBe(true)
    expect(pool.release('default/a')).toBe(false)
    expect(pool.allocate(request('default/d'))).toBe(parseIpv4('10.0.0.1'))
  })
})

describe('MetalLB', () => {
  it('announces from a node that may, with a local endpoint when the policy wants one', async () => {
    const made = await lab({ loadBalancer: { name: 'metallb', pool: ['192.168.14.240/30'] } })
    const { cluster, run, world } = made
    await balanced('web', made, { externalTrafficPolicy: 'Local', loadBalancerIP: '192.168.14.242' })
    expect(addresses(cluster.store, 'web')).toEqual(['192.168.14.242'])
    const [{ spec }] = made.pods('app=web')
    expect(told(cluster.store, 'web')).toEqual([
      'Normal IPAllocated Assigned IP ["192.168.14.242"]',
      `Normal nodeAssigned announcing from node "${spec.nodeName}" with protocol "layer2"`,
    ])
    // The pod goes to the other node, and the address with it.
    const other = spec.nodeName === 'w1.example.com' ? 'w2.example.com' : 'w1.example.com'
    cluster.store.modify(cluster.store.get('Node', null, spec.nodeName as string) as never, (node) => {
      Object.assign(node, { spec: { ...(node as { spec: object }).spec, unschedulable: true } })
    })
    cluster.store.delete('Pod', 'default', made.pods('app=web')[0].metadata.name)
    await made.readyPods('app=web', 1)
    await run(8)
    expect(told(cluster.store, 'web').at(-1)).toBe(
      `Normal nodeAssigned announcing from node "${other}" with protocol "layer2"`,
    )
    expect(world.frames.inUse).toBe(0)
  })

  it('announces as long as the speaker lives', async () => {
    const made = await lab({ loadBalancer: { name: 'metallb', pool: ['192.168.14.240/32'] } })
    const { cluster, run } = made
    await balanced('web', made)
    const announcing = () =>
      told(cluster.store, 'web')
        .at(-1)
        ?.match(/from node "([^"]+)"/)?.[1]
    const before = announcing()
    const speaker = cluster.store.list<Pod>('Pod', 'metallb-system', ({ metadata, spec }) => {
      return metadata.name.startsWith('speaker-') && spec.nodeName === before
    })[0]
    // A new pod would be there again at once.
    cluster.store.modify(cluster.store.get('DaemonSet', 'metallb-system', 'speaker') as never, (set: object) => {
      const { spec } = set as { spec: { template: { spec: { nodeSelector?: object } } } }
      spec.template.spec.nodeSelector = {
        'kubernetes.io/hostname': before === 'w1.example.com' ? 'w2.example.com' : 'w1.example.com',
      }
    })
    await run(3)
    expect(cluster.store.get('Pod', 'metallb-system', speaker.metadata.name)).toBeNull()
    expect(announcing()).not.toBe(before)
    expect(addresses(cluster.store, 'web')).toEqual(['192.168.14.240'])
  })

  it('refuses what is outside the pool, and takes only its class', async () => {
    const made = await lab({ loadBalancer: { name: 'metallb', pool: ['192.168.14.240/32'], class: 'example.com/lb' } })
    const { cluster } = made
    await balanced('plain', made)
    await balanced('far', made, { loadBalancerClass: 'example.com/lb', loadBalancerIP: '192.168.14.9' })
    await balanced('near', made, { loadBalancerClass: 'example.com/lb' })
    expect(['plain', 'far', 'near'].map((name) => addresses(cluster.store, name))).toEqual([[], [], ['192.168.14.240']])
    expect(told(cluster.store, 'far')).toEqual([
      'Warning AllocationFailed Failed to allocate IP for "default/far": ["192.168.14.9"] is not allowed in config',
    ])
    expect(told(cluster.store, 'plain')).toEqual([])
  })
})

describe('a load balancer with the nodes own addresses', () => {
  it('has each port once: the second waits and says for whom', async () => {
    const made = await lab({ loadBalancer: { name: 'servicelb' } })
    const { cluster, run, on } = made
    await balanced('one', made)
    expect(addresses(cluster.store, 'one')).toEqual(['192.168.14.51', '192.168.14.52'])
    expect((await on('w2.example.com', 'get', '192.168.14.51:80')).output).toMatch(/^I am one-/)
    await balanced('two', made)
    expect(addresses(cluster.store, 'two')).toEqual([])
    expect(told(cluster.store, 'two')).toEqual([
      'Normal EnsuringLoadBalancer Ensuring load balancer',
      'Warning SyncLoadBalancerFailed Error syncing load balancer: failed to ensure load balancer: port 80/TCP of the nodes is taken by service default/one',
    ])
    cluster.store.delete('Service', 'default', 'one')
    await run(2)
    expect(addresses(cluster.store, 'two')).toEqual(['192.168.14.51', '192.168.14.52'])
    expect(told(cluster.store, 'two').at(-1)).toBe('Normal EnsuredLoadBalancer Ensured load balancer')
    expect((await on('w2.example.com', 'get', '192.168.14.51:80')).output).toMatch(/^I am two-/)
  })
})
