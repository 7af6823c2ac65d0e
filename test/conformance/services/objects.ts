/** Services and Endpoints as objects of the API. */
import { expect } from 'vitest'
import type { Endpoints, Service } from '../../../src/kube/objects.ts'
import { agnhost, service, type Test } from '../suite.ts'

const PORTS = [{ name: 'http', protocol: 'TCP', port: 80, targetPort: 80 }]

export function objects(test: Test): void {
  test('should find a service from listing all namespaces', async (e2e) => {
    const { output } = await e2e.lab.say('kubectl get services --all-namespaces -o name')
    expect(output).toContain('service/kubernetes\n')
    expect((await e2e.lab.say('kubectl get services -A')).output).toMatch(/^default +kubernetes +ClusterIP /m)
  })

  test('should provide secure master service', async (e2e) => {
    const { output } = await e2e.lab.say('kubectl get service kubernetes -o json')
    const { spec } = JSON.parse(output) as Service
    expect(spec.ports).toMatchObject([{ name: 'https', port: 443, protocol: 'TCP' }])
    // Somebody listens there.
    await e2e.start(agnhost('execpod', ['pause']))
    expect(await e2e.exec('execpod', `/agnhost connect ${spec.clusterIP}:443`)).toEqual({ code: 0, output: '' })
  })

  test('should complete a service status lifecycle', async (e2e) => {
    const { store } = e2e.cluster
    const seen: string[] = []
    store.listen('Service', ({ type, object }) => {
      if (object.metadata.namespace === e2e.name) seen.push(type)
    })
    const labelled = service('test-service', null, PORTS, { type: 'LoadBalancer' })
    e2e.apply({ ...labelled, metadata: { ...labelled.metadata, labels: { 'test-service-static': 'true' } } })
    const list = await e2e.lab.say('kubectl get services -A -l test-service-static=true -o name')
    expect(list.output).toBe('service/test-service\n')
    const ingress = [{ ip: '203.0.113.1' }]
    store.patchStatus('Service', e2e.name, 'test-service', 'merge', {
      metadata: { annotations: { patchedstatus: 'true' } },
      status: { loadBalancer: { ingress } },
    })
    expect(e2e.service('test-service').status.loadBalancer.ingress).toMatchObject(ingress)
    const conditions = [
      { type: 'StatusUpdate', status: 'True', reason: 'E2E', message: 'Set from e2e test', lastTransitionTime: NOW },
    ]
    store.updateStatus('Service', e2e.name, 'test-service', { loadBalancer: { ingress }, conditions })
    expect(e2e.service('test-service').status.conditions).toEqual(conditions)
    await e2e.kubectl(`patch service test-service -p '{"metadata":{"labels":{"test-service":"patched"}}}'`)
    expect(e2e.service('test-service').metadata.labels).toMatchObject({ 'test-service': 'patched' })
    // A change of the object leaves its status alone.
    expect(e2e.service('test-service').status.conditions).toEqual(conditions)
    await e2e.kubectl('delete service test-service')
    await e2e.gone('Service', 'test-service')
    expect([seen[0], seen.at(-1)]).toEqual(['ADDED', 'DELETED'])
    expect(seen.filter((type) => type === 'MODIFIED').length).toBeGreaterThanOrEqual(3)
  })

  test('should delete a collection of services', async (e2e) => {
    const label = `e2e-test-services=${e2e.name}`
    for (const name of ['e2e-svc-a', 'e2e-svc-b', 'e2e-svc-c']) {
      const made = service(name, null, PORTS)
      const labels = name.endsWith('c') ? {} : { 'e2e-test-services': e2e.name }
      e2e.apply({ ...made, metadata: { ...made.metadata, labels } })
    }
    expect((await e2e.kubectl('get services -o name')).output.split('\n')).toHaveLength(4)
    await e2e.kubectl(`delete services -l ${label}`)
    expect((await e2e.kubectl('get services -o name')).output).toBe('service/e2e-svc-c\n')
  })

  test('should test the lifecycle of an Endpoint', async (e2e) => {
    const endpoints = (ip: string, port: number) => ({
      apiVersion: 'v1',
      kind: 'Endpoints',
      metadata: { name: 'testservice', labels: { 'test-endpoint-static': 'true' } },
      subsets: [{ addresses: [{ ip }], ports: [{ name: 'http', port, protocol: 'TCP' }] }],
    })
    e2e.apply(endpoints('10.0.0.24', 80))
    const list = await e2e.lab.say('kubectl get endpoints -A -l test-endpoint-static=true -o name')
    expect(list.output).toBe('endpoints/testservice\n')
    e2e.cluster.store.update({
      ...e2e.get<Endpoints>('Endpoints', 'testservice'),
      metadata: { ...e2e.get<Endpoints>('Endpoints', 'testservice').metadata, labels: { 'test-service': 'updated' } },
    })
    expect(e2e.get<Endpoints>('Endpoints', 'testservice').metadata.labels).toEqual({ 'test-service': 'updated' })
    const patch = { metadata: { labels: { 'test-service': 'patched' } }, subsets: endpoints('10.0.0.25', 8080).subsets }
    await e2e.kubectl(`patch endpoints testservice --type=merge -p '${JSON.stringify(patch)}'`)
    expect(e2e.get<Endpoints>('Endpoints', 'testservice')).toMatchObject(patch)
    await e2e.kubectl('delete endpoints testservice')
    expect((await e2e.kubectl('get endpoints testservice')).output).toContain('endpoints "testservice" not found')
  })
}

const NOW = '2026-01-01T00:00:00Z'
