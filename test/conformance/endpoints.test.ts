/** Endpoints and EndpointSlices (endpoints.go, endpointslice.go, endpointslicemirroring.go). */
import { expect } from 'vitest'
import type { EndpointSlice, Endpoints, KubeObject } from '../../src/kube/objects.ts'
import { answers, connect, endpoints } from './reach.ts'
import { agnhost, execPod, type Namespace, section, service } from './suite.ts'

const SERVED = { name: 'served' }
const SERVICE_NAME = 'kubernetes.io/service-name'
const MANAGED_BY = 'endpointslice.kubernetes.io/managed-by'

section('Endpoints and EndpointSlices', {}, (test) => {
  test('EndpointSlice should have Endpoints and EndpointSlices pointing to API Server', async (e2e) => {
    const { store } = e2e.cluster
    const api = store.get<Endpoints>('Endpoints', 'default', 'kubernetes')
    const [subset] = api?.subsets ?? []
    expect(subset).toMatchObject({ addresses: [{ ip: '192.168.14.50' }], ports: [{ name: 'https', port: 6443 }] })
    const all = store.list<EndpointSlice>('EndpointSlice', 'default', of('kubernetes'))
    expect(all).toHaveLength(1)
    expect(all[0]).toMatchObject({ addressType: 'IPv4', endpoints: [{ addresses: ['192.168.14.50'] }] })
    expect(all[0].ports).toMatchObject([{ name: 'https', port: 6443, protocol: 'TCP' }])
    await e2e.start(execPod('execpod'))
    expect(await connect(e2e, 'execpod', '192.168.14.50:6443')).toBe('OK')
  })

  test('EndpointSlice should create and delete Endpoints and EndpointSlices for a Service with a selector specified', async (e2e) => {
    e2e.apply(
      service(
        'example-empty-selector',
        { 'does-not-match-anything': 'endpoints-and-endpoint-slices-should-still-be-created' },
        HTTP,
      ),
    )
    await e2e.synced()
    expect(e2e.get<Endpoints>('Endpoints', 'example-empty-selector').subsets ?? []).toEqual([])
    expect(slices(e2e, 'example-empty-selector')).toHaveLength(1)
    expect(slices(e2e, 'example-empty-selector')[0].metadata.labels?.[MANAGED_BY]).toBe(
      'endpointslice-controller.k8s.io',
    )
    await e2e.kubectl('delete service example-empty-selector')
    await e2e.gone('Endpoints', 'example-empty-selector')
    expect(slices(e2e, 'example-empty-selector')).toEqual([])
  })

  test('EndpointSlice should create Endpoints and EndpointSlices for Pods matching a Service', async (e2e) => {
    const args = ['netexec', '--http-port=3000']
    e2e.apply(
      service('example-int-port', { 'foo-bar': 'both' }, [{ name: 'example', port: 80, targetPort: 3000 }]),
      service('example-no-match', { 'foo-bar': 'none' }, [{ name: 'example-no-match', port: 80, targetPort: 8080 }]),
    )
    await e2e.start(agnhost('pod1', args, {}, { 'foo-bar': 'both' }), agnhost('pod2', args, {}, { 'foo-bar': 'both' }))
    expect(endpoints(e2e, 'example-int-port')).toEqual({ pod1: [3000], pod2: [3000] })
    expect(endpoints(e2e, 'example-no-match')).toEqual({})
    const { subsets = [] } = e2e.get<Endpoints>('Endpoints', 'example-int-port')
    const [one] = slices(e2e, 'example-int-port')
    const ips = e2e.pods().map(({ status }) => status.podIP)
    expect(subsets[0].addresses?.map(({ ip }) => ip).sort()).toEqual([...ips].sort())
    expect(one.endpoints.map(({ addresses }) => addresses[0]).sort()).toEqual([...ips].sort())
    for (const each of one.endpoints)
      expect(each.conditions).toMatchObject({ ready: true, serving: true, terminating: false })
  })

  test('EndpointSlice should support a Service with multiple ports specified in multiple EndpointSlices', async (e2e) => {
    const ports = [
      { name: 'port80', port: 8090, targetPort: 3000 },
      { name: 'port81', port: 8091, targetPort: 3001 },
    ]
    e2e.apply(service('example-custom-endpoints', null, ports))
    const made = await e2e.start(
      execPod('execpod'),
      agnhost('pod1', ['netexec', '--http-port=3000'], {}, SERVED),
      agnhost('pod2', ['netexec', '--http-port=3001', '--udp-port=-1'], {}, SERVED),
    )
    const [, one, two] = made.map(({ status }) => status.podIP as string)
    e2e.apply(
      slice('custom-slice-1', 'example-custom-endpoints', [one], [{ name: 'port80', port: 3000 }]),
      slice('custom-slice-2', 'example-custom-endpoints', [two], [{ name: 'port81', port: 3001 }]),
    )
    await e2e.synced()
    await answers(e2e, 'execpod', 'example-custom-endpoints', 8090, ['pod1'])
    await answers(e2e, 'execpod', 'example-custom-endpoints', 8091, ['pod2'])
  })

  test('EndpointSlice should support a Service with multiple endpoint IPs specified in multiple EndpointSlices', async (e2e) => {
    const ports = [
      { name: 'port80', port: 8090, targetPort: 3000 },
      { name: 'port81', port: 8091, targetPort: 3001 },
    ]
    e2e.apply(service('example-custom-endpoints', null, ports))
    await e2e.start(execPod('execpod'))
    const args = ['netexec', '--http-port=3000', '--udp-port=-1']
    const made = await e2e.start(agnhost('pod1', args, {}, SERVED), agnhost('pod2', args, {}, SERVED))
    made.forEach(({ status }, i) => {
      const ports = [
        { name: 'port80', port: 3000 },
        { name: 'port81', port: 3000 },
      ]
      e2e.apply(slice(`custom-slice-${i}`, 'example-custom-endpoints', [status.podIP as string], ports))
    })
    await e2e.synced()
    for (const port of [8090, 8091]) await answers(e2e, 'execpod', 'example-custom-endpoints', port, ['pod1', 'pod2'])
  })

  test('EndpointSlice should support creating EndpointSlice API operations', async (e2e) => {
    const { store } = e2e.cluster
    const seen: string[] = []
    store.listen('EndpointSlice', ({ type, object }) => {
      if (object.metadata.namespace === e2e.name) seen.push(`${type} ${object.metadata.name}`)
    })
    for (const i of [1, 2, 3])
      e2e.apply(slice(`e2e-example-ing${i}`, `special-${i}`, ['10.1.2.3'], [{ name: 'a', port: 80 }]))
    expect((await e2e.kubectl('get endpointslices -o name')).output.trim().split('\n')).toHaveLength(3)
    expect((await e2e.kubectl('get endpointslice e2e-example-ing1 -o jsonpath={.addressType}')).output).toBe('IPv4')
    expect(
      (await e2e.lab.say(`kubectl get endpointslices -A -l ${SERVICE_NAME}=special-1 -o name`)).output.trim(),
    ).toBe('endpointslice.discovery.k8s.io/e2e-example-ing1')
    await e2e.kubectl(
      `patch endpointslice e2e-example-ing1 --type=merge -p '{"metadata":{"annotations":{"patched":"true"}}}'`,
    )
    const patched = e2e.get<EndpointSlice>('EndpointSlice', 'e2e-example-ing1')
    expect(patched.metadata.annotations).toMatchObject({ patched: 'true' })
    store.update({ ...patched, metadata: { ...patched.metadata, annotations: { updated: 'true' } } })
    expect(e2e.get<EndpointSlice>('EndpointSlice', 'e2e-example-ing1').metadata.annotations).toEqual({
      updated: 'true',
    })
    await e2e.kubectl('delete endpointslice e2e-example-ing1')
    await e2e.kubectl(`delete endpointslices -l '${SERVICE_NAME} in (special-2,special-3)'`)
    expect((await e2e.kubectl('get endpointslices -o name')).output).not.toContain('e2e-example')
    expect(seen).toContain('ADDED e2e-example-ing1')
    expect(seen.filter((text) => text === 'MODIFIED e2e-example-ing1')).toHaveLength(2)
    expect(seen).toContain('DELETED e2e-example-ing1')
  })

  test('EndpointSliceMirroring should mirror a custom Endpoints resource through create update and delete', async (e2e) => {
    e2e.apply(service('example-custom-endpoints', null, [{ name: 'example', port: 80, protocol: 'TCP' }]))
    await e2e.start(execPod('execpod'), agnhost('target', ['netexec', '--http-port=8080']))
    const target = e2e.pods().find(({ metadata }) => metadata.name === 'target')?.status.podIP as string
    e2e.apply(custom([{ addresses: [{ ip: '10.1.2.3' }], ports: [{ name: 'example', port: 80, protocol: 'TCP' }] }]))
    await e2e.synced()
    const [made] = slices(e2e, 'example-custom-endpoints')
    expect(made.metadata.labels?.[MANAGED_BY]).toBe('endpointslicemirroring-controller.k8s.io')
    expect(made.endpoints.map(({ addresses }) => addresses)).toEqual([['10.1.2.3']])
    expect(made.ports).toMatchObject([{ name: 'example', port: 80 }])
    e2e.apply(custom([{ addresses: [{ ip: target }], ports: [{ name: 'example', port: 8080, protocol: 'TCP' }] }]))
    await e2e.synced()
    expect(
      slices(e2e, 'example-custom-endpoints').map((each) => [each.endpoints[0].addresses, each.ports?.[0].port]),
    ).toEqual([[[target], 8080]])
    await answers(e2e, 'execpod', 'example-custom-endpoints', 80, ['target'])
    await e2e.kubectl('delete endpoints example-custom-endpoints')
    await e2e.synced()
    expect(slices(e2e, 'example-custom-endpoints')).toEqual([])
    expect(await connect(e2e, 'execpod', 'example-custom-endpoints:80')).toBe('REFUSED')
  })

  test('EndpointSliceMirroring should mirror a custom Endpoint with multiple subsets and same IP address', async (e2e) => {
    const ports = [
      { name: 'port1', port: 81, targetPort: 9090 },
      { name: 'port2', port: 82, targetPort: 8080 },
    ]
    e2e.apply(service('example-custom-endpoints', null, ports))
    await e2e.start(
      execPod('execpod'),
      agnhost('pod1', ['netexec', '--http-port=9090']),
      agnhost('pod2', ['netexec', '--http-port=8080']),
    )
    const ip = e2e.pods().find(({ metadata }) => metadata.name === 'pod1')?.status.podIP as string
    const subset = (name: string, port: number) => ({ addresses: [{ ip }], ports: [{ name, port, protocol: 'TCP' }] })
    e2e.apply(custom([subset('port1', 9090), subset('port2', 8080)]))
    await e2e.synced()
    const told = slices(e2e, 'example-custom-endpoints').flatMap(({ ports: all = [], endpoints: who }) =>
      all.map(({ name, port }) => `${who[0].addresses[0]} ${name} ${port}`),
    )
    expect(told.sort()).toEqual([`${ip} port1 9090`, `${ip} port2 8080`])
    await answers(e2e, 'execpod', 'example-custom-endpoints', 81, ['pod1'])
  })
})

const HTTP = [{ name: 'example', port: 80, protocol: 'TCP' }]

function of(name: string) {
  return ({ metadata }: KubeObject) => metadata.labels?.[SERVICE_NAME] === name
}

function slices(e2e: Namespace, name: string): EndpointSlice[] {
  return e2e.cluster.store.list<EndpointSlice>('EndpointSlice', e2e.name, of(name))
}

/** A slice written by hand. */
function slice(name: string, owner: string, addresses: readonly string[], ports: readonly object[]): KubeObject {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, labels: { [SERVICE_NAME]: owner, [MANAGED_BY]: 'e2e-test' } },
    addressType: 'IPv4',
    endpoints: addresses.map((address) => ({ addresses: [address] })),
    ports: ports.map((port) => ({ protocol: 'TCP', ...port })),
  } as KubeObject
}

function custom(subsets: readonly object[]): KubeObject {
  return { apiVersion: 'v1', kind: 'Endpoints', metadata: { name: 'example-custom-endpoints' }, subsets } as KubeObject
}
