/** Load balancers (loadbalancer.go): MetalLB gives the addresses, and clients stand outside the cluster. */
import { expect } from 'vitest'
import type { Protocol } from './netservers.ts'
import { nodePort, running, serve } from './reach.ts'
import {
  agnhost,
  CLIENT,
  container,
  deployment,
  execPod,
  type Namespace,
  NODES,
  type Said,
  section,
  service,
} from './suite.ts'

const POOL = { loadBalancer: { name: 'metallb', pool: ['192.168.14.200-192.168.14.239'] } }
const SERVED = { name: 'served' }

section('LoadBalancer', { cluster: POOL }, (test) => {
  for (const [protocol, name] of [
    ['http', 'TCP'],
    ['udp', 'UDP'],
  ] as const) {
    test(`should be able to change the type and ports of a ${name} service`, async (e2e) => changes(e2e, protocol))
  }

  test('should only allow access from service loadbalancer source ranges', async (e2e) => {
    const [accept, drop] = await e2e.start(
      execPod('execpod-accept', { nodeName: 'w1' }),
      execPod('execpod-drop', { nodeName: 'w2' }),
    )
    await serve(e2e, 'lb-sourcerange', 2, {
      type: 'LoadBalancer',
      loadBalancerSourceRanges: [`${accept.status.podIP}/32`],
    })
    const ip = await ingress(e2e, 'lb-sourcerange')
    const reaches = async (from: string) => (await curl(e2e, from, ip, 80)).code
    const range = (ranges: string) =>
      e2e.kubectl(`patch service lb-sourcerange -p '{"spec":{"loadBalancerSourceRanges":${ranges}}}'`)
    expect([await reaches('execpod-accept'), await reaches('execpod-drop')]).toEqual([0, 28])
    expect((await outside(e2e, ip, 80)).code).toBe(28)
    await range(`["${drop.status.podIP}/32"]`)
    await e2e.synced()
    expect([await reaches('execpod-accept'), await reaches('execpod-drop')]).toEqual([28, 0])
    await range('null')
    await e2e.synced()
    expect([await reaches('execpod-accept'), await reaches('execpod-drop')]).toEqual([0, 0])
    expect((await outside(e2e, ip, 80)).code).toBe(0)
  })

  test('should be able to create LoadBalancer Service without NodePort and change it', async (e2e) => {
    const { names } = await serve(e2e, 'reallocate-nodeport-test', 1, {
      type: 'LoadBalancer',
      allocateLoadBalancerNodePorts: false,
    })
    const ip = await ingress(e2e, 'reallocate-nodeport-test')
    expect(nodePort(e2e, 'reallocate-nodeport-test')).toBe(0)
    expect((await outside(e2e, ip, 80)).output).toBe(names[0])
    await e2e.kubectl(`patch service reallocate-nodeport-test -p '{"spec":{"allocateLoadBalancerNodePorts":true}}'`)
    await e2e.synced()
    expect(nodePort(e2e, 'reallocate-nodeport-test')).toBeGreaterThan(0)
    expect((await outside(e2e, ip, 80)).output).toBe(names[0])
    expect((await outside(e2e, NODES.w2, nodePort(e2e, 'reallocate-nodeport-test'))).output).toBe(names[0])
  })

  for (const [where, second] of [
    ['on different nodes', 'w2'],
    ['on the same nodes', 'w1'],
  ]) {
    test(`should be able to preserve UDP traffic when server pod cycles for a LoadBalancer service ${where}`, async (e2e) => {
      const ports = [{ name: 'udp', protocol: 'UDP', port: 80, targetPort: 80 }]
      e2e.apply(service('udp-lb', SERVED, ports, { type: 'LoadBalancer' }))
      const server = (name: string, nodeName: string) =>
        agnhost(name, ['netexec', '--udp-port=80'], { nodeName }, SERVED)
      await e2e.start(server('pod-server-1', 'w1'))
      const ip = await ingress(e2e, 'udp-lb')
      // One flow all the time: the client's port stays.
      const ask = async () => (await e2e.on('client', `echo hostname | nc -u -w 1 -p 54321 ${ip} 80`)).output.trim()
      expect(await ask()).toBe('pod-server-1')
      await e2e.start(server('pod-server-2', second))
      await e2e.kubectl('delete pod pod-server-1')
      await e2e.synced()
      await e2e.until(async () => (await ask()) === 'pod-server-2', 'the second server')
    })
  }

  for (const policy of ['Cluster', 'Local']) {
    const esipp = policy === 'Local' ? 'on' : 'off'
    test(`should have session affinity work for LoadBalancer service with ESIPP ${esipp}`, async (e2e) => {
      const spec = { type: 'LoadBalancer', externalTrafficPolicy: policy, sessionAffinity: 'ClientIP' }
      await serve(e2e, 'affinity-lb', 3, spec)
      const ip = await ingress(e2e, 'affinity-lb')
      expect((await answering(e2e, ip, 15)).size).toBe(1)
    })

    test(`should be able to switch session affinity for LoadBalancer service with ESIPP ${esipp}`, async (e2e) => {
      // On one node, so that with Local, too, there is somebody to choose from.
      const one = { nodeName: 'w1' }
      const ports = [{ port: 80, targetPort: 9376 }]
      e2e.apply(deployment('affinity-lb', ['serve-hostname'], 3, one))
      e2e.apply(
        service('affinity-lb', { name: 'affinity-lb' }, ports, { type: 'LoadBalancer', externalTrafficPolicy: policy }),
      )
      await running(e2e, 'affinity-lb', 3)
      const ip = await ingress(e2e, 'affinity-lb')
      expect((await answering(e2e, ip, 30)).size).toBe(3)
      for (const [kind, size] of [
        ['ClientIP', 1],
        ['None', 3],
      ]) {
        await e2e.kubectl(`patch service affinity-lb -p '{"spec":{"sessionAffinity":"${kind}"}}'`)
        await e2e.synced()
        expect((await answering(e2e, ip, 30)).size).toBe(size)
      }
    })
  }

  test('ESIPP should work for type=LoadBalancer', async (e2e) => {
    await preserving(e2e, 'LoadBalancer')
    const ip = await ingress(e2e, 'external-local')
    const checked = e2e.service('external-local').spec.healthCheckNodePort as number
    expect(checked).toBeGreaterThan(0)
    // The client's own address comes through.
    expect(await clientIp(e2e, ip, 80)).toBe(CLIENT)
    await e2e.kubectl('delete service external-local')
    await e2e.synced()
    expect((await e2e.on('client', `curl -s http://${NODES.w1}:${checked}/healthz`)).code).toBe(7)
  })

  test('ESIPP should work for type=NodePort', async (e2e) => {
    await preserving(e2e, 'NodePort')
    const port = nodePort(e2e, 'external-local')
    expect(await clientIp(e2e, NODES.w1, port)).toBe(CLIENT)
    expect((await outside(e2e, NODES.w2, port)).code).toBe(28)
  })

  test('ESIPP should only target nodes with endpoints', async (e2e) => {
    const ports = [{ name: 'http', port: 80, targetPort: 80 }]
    e2e.apply(service('external-local', SERVED, ports, { type: 'LoadBalancer', externalTrafficPolicy: 'Local' }))
    await e2e.synced()
    const checked = e2e.service('external-local').spec.healthCheckNodePort as number
    for (const name of Object.keys(NODES)) {
      await e2e.start(agnhost('netexec', ['netexec', '--http-port=80'], { nodeName: name }, SERVED))
      const ip = await ingress(e2e, 'external-local')
      await e2e.run(8)
      expect((await outside(e2e, ip, 80)).output).toBe('netexec')
      for (const [node, address] of Object.entries(NODES)) {
        const { output } = await e2e.on(
          'client',
          `curl -s -o /dev/null -w "%{http_code}" http://${address}:${checked}/healthz`,
        )
        expect({ node, output }).toEqual({ node, output: node === name ? '200' : '503' })
      }
      await e2e.kubectl('delete pod netexec')
      await e2e.gone('Pod', 'netexec')
    }
  })

  test('ESIPP should work from pods', async (e2e) => {
    await preserving(e2e, 'LoadBalancer')
    const ip = await ingress(e2e, 'external-local')
    const asking = await e2e.start(
      execPod('pause-pod-1', { nodeName: 'w1' }),
      execPod('pause-pod-2', { nodeName: 'w2' }),
    )
    for (const { metadata, status } of asking) {
      const { output } = await e2e.exec(metadata.name, `curl -s --connect-timeout 5 http://${ip}/clientip`)
      expect(output.split(':')[0]).toBe(status.podIP)
    }
  })

  test('ESIPP should handle updates to ExternalTrafficPolicy field', async (e2e) => {
    await preserving(e2e, 'LoadBalancer')
    const ip = await ingress(e2e, 'external-local')
    const change = (policy: string) =>
      e2e.kubectl(`patch service external-local -p '{"spec":{"externalTrafficPolicy":"${policy}"}}'`)
    expect(await clientIp(e2e, ip, 80)).toBe(CLIENT)
    await change('Cluster')
    await e2e.run(8)
    expect(e2e.service('external-local').spec.healthCheckNodePort).toBeUndefined()
    // Every node serves, and puts its own address before.
    for (const node of Object.values(NODES))
      expect(await clientIp(e2e, node, nodePort(e2e, 'external-local'))).not.toBe(CLIENT)
    expect(await clientIp(e2e, ip, 80)).not.toBe(CLIENT)
    await change('Local')
    await e2e.run(8)
    expect(e2e.service('external-local').spec.healthCheckNodePort).toBeGreaterThan(0)
    expect(await clientIp(e2e, ip, 80)).toBe(CLIENT)
  })

  for (const policy of ['Cluster', 'Local']) {
    test(`should not have connectivity disruption during rolling update with externalTrafficPolicy=${policy}`, async (e2e) => {
      const labels = { name: 'lb-rolling' }
      const ready = { httpGet: { path: '/healthz', port: 80 }, periodSeconds: 1 }
      const served = container('agnhost', ['netexec', '--http-port=80', '--delay-shutdown=20'], {
        readinessProbe: ready,
      })
      // Two on a node: while one ends, the other serves.
      const spec = { containers: [served], nodeName: 'w1', terminationGracePeriodSeconds: 60 }
      e2e.apply(deployment('lb-rolling', [], 2, spec))
      const ports = [{ port: 80, targetPort: 80 }]
      e2e.apply(service('lb-rolling', labels, ports, { type: 'LoadBalancer', externalTrafficPolicy: policy }))
      await running(e2e, 'lb-rolling', 2)
      const ip = await ingress(e2e, 'lb-rolling')
      await e2e.run(5)
      const before = await answering(e2e, ip, 20)
      await e2e.kubectl('rollout restart deployment lb-rolling')
      for (let i = 0; i < 60; i++) {
        expect((await outside(e2e, ip, 80)).code).toBe(0)
        await e2e.run(0.5)
      }
      const after = await answering(e2e, ip, 20)
      for (const name of before) expect(after).not.toContain(name)
    })
  }
})

/** Type and ports of one Service, there and back. */
async function changes(e2e: Namespace, protocol: Protocol): Promise<void> {
  const kind = protocol === 'http' ? 'TCP' : 'UDP'
  const args = ['netexec', '--http-port=80', '--udp-port=80']
  e2e.apply(deployment('mutability-test', args, 1))
  e2e.apply(
    service('mutability-test', { name: 'mutability-test' }, [{ name: 'p', protocol: kind, port: 80, targetPort: 80 }]),
  )
  const [name] = await running(e2e, 'mutability-test', 1)
  const ask = async (host: string, port: number): Promise<string> => {
    if (protocol === 'http') return (await outside(e2e, host, port)).output.trim()
    return (await e2e.on('client', `echo hostname | nc -u -w 1 ${host} ${port}`)).output.trim()
  }
  const patch = async (spec: object) => {
    expect((await e2e.kubectl(`patch service mutability-test -p '${JSON.stringify({ spec })}'`)).code).toBe(0)
    await e2e.synced()
  }
  await patch({ type: 'NodePort' })
  const first = nodePort(e2e, 'mutability-test')
  expect(await ask(NODES.w1, first)).toBe(name)
  await patch({ type: 'LoadBalancer' })
  const ip = await ingress(e2e, 'mutability-test')
  expect(await ask(ip, 80)).toBe(name)
  expect(await ask(NODES.w1, first)).toBe(name)
  // Another node port, then another port.
  const second = first === 32_767 ? 30_000 : first + 1
  await patch({ ports: [{ name: 'p', protocol: kind, port: 80, targetPort: 80, nodePort: second }] })
  expect(await ask(NODES.w1, second)).toBe(name)
  expect(await ask(NODES.w1, first)).not.toBe(name)
  expect(await ask(ip, 80)).toBe(name)
  const port = JSON.stringify([{ op: 'replace', path: '/spec/ports/0/port', value: 81 }])
  await e2e.kubectl(`patch service mutability-test --type=json -p '${port}'`)
  await e2e.synced()
  expect(await ask(ip, 81)).toBe(name)
  expect(await ask(NODES.w1, second)).toBe(name)
  await e2e.kubectl('scale deployment mutability-test --replicas=0')
  await e2e.synced()
  expect(await ask(NODES.w1, second)).not.toBe(name)
  expect(await ask(ip, 81)).not.toBe(name)
  await e2e.kubectl('scale deployment mutability-test --replicas=1')
  await e2e.synced()
  const [again] = await running(e2e, 'mutability-test', 1)
  expect(await ask(ip, 81)).toBe(again)
  await patch({ type: 'ClusterIP' })
  expect(await ask(NODES.w1, second)).not.toBe(again)
  expect(await ask(ip, 81)).not.toBe(again)
}

/** A server on w1 behind a Service that keeps clients' addresses. */
async function preserving(e2e: Namespace, type: string): Promise<void> {
  const ports = [{ name: 'http', port: 80, targetPort: 80 }]
  e2e.apply(service('external-local', SERVED, ports, { type, externalTrafficPolicy: 'Local' }))
  await e2e.start(agnhost('netexec', ['netexec', '--http-port=80'], { nodeName: 'w1' }, SERVED))
}

/** The address that the balancer gave, once it is announced. */
async function ingress(e2e: Namespace, name: string): Promise<string> {
  const address = () => e2e.service(name).status.loadBalancer.ingress?.[0]?.ip ?? ''
  await e2e.until(() => address() !== '', `an address for ${name}`)
  await e2e.synced()
  return address()
}

function curl(e2e: Namespace, from: string, host: string, port: number): Promise<Said> {
  return e2e.exec(from, `curl -q -s --connect-timeout 2 http://${host}:${port}/hostname`)
}

function outside(e2e: Namespace, host: string, port: number): Promise<Said> {
  return e2e.on('client', `curl -q -s --connect-timeout 2 http://${host}:${port}/hostname`)
}

async function clientIp(e2e: Namespace, host: string, port: number): Promise<string> {
  const { output } = await e2e.on('client', `curl -q -s --connect-timeout 2 http://${host}:${port}/clientip`)
  return output.split(':')[0]
}

/** Who answers so many requests of the client outside. */
async function answering(e2e: Namespace, host: string, count: number): Promise<Set<string>> {
  const once = `curl -q -s --connect-timeout 2 http://${host}/hostname`
  const { output } = await e2e.on('client', `for i in $(seq 1 ${count}); do ${once}; echo; done`)
  return new Set(output.trim().split('\n'))
}
