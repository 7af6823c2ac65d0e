/** Services at the API server: what it allocates, keeps, drops and refuses (the sentences are kube-apiserver 1.32's). */
import { describe, expect, it } from 'vitest'
import type { Service } from '../../src/kube/objects.ts'
import type { Store } from '../../src/kube/store.ts'
import { deployment, lab, pod, service } from './fixture.ts'

function get(store: Store, name: string): Service {
  return store.get<Service>('Service', 'default', name) as Service
}

function change(store: Store, name: string, spec: Record<string, unknown>): Service {
  return store.patch('Service', 'default', name, 'merge', { spec }) as Service
}

describe('Services at the API server', () => {
  it('get node ports of their own, whatever the protocol', async () => {
    const { store } = (await lab()).cluster
    store.create(service('a', 80, { type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] }))
    const other = (spec: object) => () => store.create(service('b', 80, { type: 'NodePort', ...spec }))
    expect(other({ ports: [{ port: 80, nodePort: 30080, protocol: 'UDP' }] })).toThrow(
      'Service "b" is invalid: spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated',
    )
    expect(other({ ports: [{ port: 80, nodePort: 80 }] })).toThrow(
      'spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767',
    )
    const twice = [
      { name: 'x', port: 80, nodePort: 30090 },
      { name: 'y', port: 81, nodePort: 30090 },
    ]
    expect(other({ ports: twice })).toThrow('spec.ports[1].nodePort: Duplicate value: 30090')
    const dns = ['UDP', 'TCP'].map((protocol) => ({ name: protocol.toLowerCase(), port: 53, protocol }))
    const { spec } = store.create(service('dns', 53, { type: 'NodePort', ports: dns })) as Service
    expect(spec.ports?.[0].nodePort).toBe(spec.ports?.[1].nodePort)
    // Freed with the Service.
    store.delete('Service', 'default', 'a')
    expect(other({ ports: [{ port: 80, nodePort: 30080 }] })).not.toThrow()
  })

  it('take node ports from another range when the cluster has one', async () => {
    const { store } = (await lab({ nodePorts: '20000-20010' })).cluster
    const ports = Array.from({ length: 11 }, (_, i) => {
      const { spec } = store.create(service(`s${i}`, 80, { type: 'NodePort' })) as Service
      return spec.ports?.[0].nodePort
    })
    expect([...ports].sort()).toEqual(Array.from({ length: 11 }, (_, i) => 20_000 + i))
    expect(() => store.create(service('more', 80, { type: 'NodePort' }))).toThrow('range is full')
  })

  it('have a health-check port while they are load balancers with local traffic', async () => {
    const { store } = (await lab()).cluster
    const local = { type: 'LoadBalancer', externalTrafficPolicy: 'Local' }
    const made = store.create(service('lb', 80, local)) as Service
    const port = made.spec.healthCheckNodePort
    expect(port).toBeGreaterThanOrEqual(30_000)
    expect(() => store.create(service('b', 80, { ...local, healthCheckNodePort: port }))).toThrow(
      `Internal error occurred: failed to allocate requested HealthCheck NodePort ${port}: provided port is already allocated`,
    )
    expect(() => change(store, 'lb', { healthCheckNodePort: 32_000 })).toThrow(
      'spec.healthCheckNodePort: Invalid value: 32000: cannot change healthCheckNodePort on loadBalancer service with externalTraffic=Local during update',
    )
    expect(change(store, 'lb', { externalTrafficPolicy: 'Cluster' }).spec.healthCheckNodePort).toBeUndefined()
    expect(() => store.create(service('c', 80, { ...local, healthCheckNodePort: port }))).not.toThrow()
  })

  it('drop what the new type has no use for', async () => {
    const { store } = (await lab()).cluster
    const balanced = { type: 'LoadBalancer', loadBalancerClass: 'example.com/lb', externalTrafficPolicy: 'Local' }
    const { spec: before } = store.create(service('lb', 80, balanced)) as Service
    store.updateStatus('Service', 'default', 'lb', { loadBalancer: { ingress: [{ ip: '192.168.14.240' }] } })
    expect(change(store, 'lb', { type: 'NodePort' }).spec).toMatchObject({
      type: 'NodePort',
      externalTrafficPolicy: 'Local',
      ports: before.ports,
    })
    expect(get(store, 'lb').spec.loadBalancerClass).toBeUndefined()
    expect(get(store, 'lb').status).toEqual({ loadBalancer: {} })
    const { spec } = change(store, 'lb', { type: 'ClusterIP' })
    expect(spec.externalTrafficPolicy).toBeUndefined()
    expect(spec.ports?.[0].nodePort).toBeUndefined()
    expect(spec.clusterIP).toBe(before.clusterIP)
    change(store, 'lb', { type: 'ExternalName', externalName: 'example.com' })
    expect(get(store, 'lb').spec.clusterIP).toBeUndefined()
    expect(change(store, 'lb', { type: 'ClusterIP', externalName: null }).spec.clusterIP).toMatch(/^10\./)
  })

  it('may have no node ports behind a load balancer', async () => {
    const { store } = (await lab()).cluster
    const { spec } = store.create(
      service('lb', 80, { type: 'LoadBalancer', allocateLoadBalancerNodePorts: false }),
    ) as Service
    expect(spec.ports?.[0].nodePort).toBeUndefined()
    expect(change(store, 'lb', { allocateLoadBalancerNodePorts: true }).spec.ports?.[0].nodePort).toBeGreaterThan(0)
  })

  it('are refused in words', async () => {
    const { store } = (await lab()).cluster
    const refused = (spec: Record<string, unknown>) => {
      try {
        store.create(service('bad', 80, spec))
        return []
      } catch (error) {
        return (error as { causes: { field: string; message: string }[] }).causes.map((c) => `${c.field}: ${c.message}`)
      }
    }
    expect(
      refused({ loadBalancerClass: 'x.y/z', loadBalancerSourceRanges: ['10.0.0.0/8'], healthCheckNodePort: 30_000 }),
    ).toEqual([
      "spec.healthCheckNodePort: Invalid value: 30000: may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
      "spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'",
      "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
    ])
    const clientIP = { timeoutSeconds: 0 }
    expect(
      refused({
        type: 'LoadBalancer',
        loadBalancerSourceRanges: ['10.0.0.0'],
        externalIPs: ['127.0.0.1', 'x'],
        sessionAffinity: 'ClientIP',
        sessionAffinityConfig: { clientIP },
        trafficDistribution: 'Near',
      }),
    ).toEqual([
      'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
      'spec.externalIPs[1]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      'spec.LoadBalancerSourceRanges[0]: Invalid value: "10.0.0.0": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
      'spec.trafficDistribution: Unsupported value: "Near": supported values: "PreferClose", "PreferSameNode", "PreferSameZone"',
      'spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 0: must be greater than 0 and less than 86400',
    ])
    store.create(service('lb', 80, { type: 'LoadBalancer' }))
    expect(() => change(store, 'lb', { loadBalancerClass: 'example.com/lb' })).toThrow('may not change once set')
    const probe = (readinessProbe: object) => () =>
      store.create(pod('p', 'nginx', { containers: [{ name: 'web', image: 'nginx', readinessProbe }] }))
    expect(probe({ grpc: { port: 80 } })).toThrow(
      'podwire: spec.containers[0].readinessProbe.grpc is not modelled; httpGet by HTTP, tcpSocket and exec are',
    )
    expect(probe({ httpGet: { port: 80, scheme: 'HTTPS' } })).toThrow('scheme HTTPS is not modelled')
  })

  it('may be written with leading zeros, which are decimal', async () => {
    const made = await lab()
    const { store } = made.cluster
    store.create(service('zero', 80, { clusterIP: '10.96.0.011' }))
    expect(get(store, 'zero').spec.clusterIP).toBe('10.96.0.011')
    expect(() => store.create(service('other', 80, { clusterIP: '10.96.0.11' }))).toThrow('provided IP is already')
    await made.run(2)
    expect(made.machines.get('w1.example.com')?.netns.netfilter.save()).toContain('-d 10.96.0.11/32')
    store.delete('Service', 'default', 'zero')
    expect(() => store.create(service('other', 80, { clusterIP: '10.96.0.11' }))).not.toThrow()
  })

  it('answer on node ports only where kube-proxy is told to', async () => {
    const made = await lab({ kubeProxy: { nodePortAddresses: ['192.168.14.0/24'] } })
    made.cluster.apply([
      deployment('web', 'nginx'),
      service('web', 80, { type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] }),
    ])
    await made.readyPods('app=web', 1)
    await made.run(3)
    const from = async (node: string, to: string) => (await made.on(node, 'get', to)).output
    expect(await from('m.example.com', '192.168.14.51:30080')).toMatch(/^I am web-/)
    expect(await from('w1.example.com', '10.244.1.0:30080')).toBe('Connection refused\n')
    expect(await from('w1.example.com', '127.0.0.1:30080')).toBe('Connection refused\n')
    expect(made.machines.get('w1.example.com')?.netns.sysctl.get('net.ipv4.conf.all.route_localnet')).toBe('0')
    const note = 'NOTE: this must be the last rule in this chain'
    const rules = made.machines.get('w1.example.com')?.netns.netfilter.save() ?? ''
    expect(rules.split('\n').filter((line) => line.includes(note))).toEqual([
      `-A KUBE-SERVICES -d 192.168.14.51/32 -m comment --comment "kubernetes service nodeports; ${note}" -j KUBE-NODEPORTS`,
    ])
  })

  it('are left to others when a label says so', async () => {
    const made = await lab()
    const { store } = made.cluster
    for (const label of ['service.kubernetes.io/service-proxy-name', 'service.kubernetes.io/headless']) {
      const name = label.slice(label.indexOf('/') + 1)
      const wanted = service(name, 80)
      wanted.metadata.labels = { [label]: 'x' }
      store.create(wanted)
      await made.run(2)
      const rules = () => made.machines.get('w1.example.com')?.netns.netfilter.save() ?? ''
      expect(rules()).not.toContain(`default/${name}`)
      store.modify(get(store, name), ({ metadata }) => delete metadata.labels)
      await made.run(2)
      expect(rules()).toContain(`default/${name} has no endpoints`)
    }
  })

  it('publish pods that are not ready when they are told to', async () => {
    const made = await lab()
    const never = { containers: [{ name: 'web', image: 'nginx', readinessProbe: { tcpSocket: { port: 9 } } }] }
    made.cluster.apply([
      pod('web', 'nginx', never),
      service('web', 80, { publishNotReadyAddresses: true }),
      { ...service('strict', 80), spec: { selector: { app: 'web' }, ports: [{ port: 80 }] } },
    ])
    await made.run(5)
    const { store } = made.cluster
    expect(store.get('Endpoints', 'default', 'web')?.subsets).toMatchObject([{ addresses: [{ ip: '10.244.1.2' }] }])
    expect(store.get('Endpoints', 'default', 'strict')?.subsets).toMatchObject([
      { notReadyAddresses: [{ ip: '10.244.1.2' }] },
    ])
    const ip = (name: string) => get(store, name).spec.clusterIP
    expect((await made.on('w1.example.com', 'get', `${ip('web')}:80`)).output).toBe('I am web\n')
    expect((await made.on('w1.example.com', 'get', `${ip('strict')}:80`)).output).toBe('Connection refused\n')
  })
})
