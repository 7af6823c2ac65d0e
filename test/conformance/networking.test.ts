/** Networking: the granular checks, and the world outside (networking.go, test/e2e/common/network/networking.go). */
import { expect } from 'vitest'
import {
  HTTP,
  Netservers,
  nodePortService,
  type Protocol,
  SERVICE_HTTP,
  type Netservers as Servers,
} from './netservers.ts'
import { agnhost, NODES, section, type Test } from './suite.ts'

const PROTOCOLS: readonly Protocol[] = ['http', 'udp']

section('Networking', {}, (test) => {
  for (const protocol of PROTOCOLS) granular(test, protocol)

  test('Granular Checks: Services should function for multiple endpoint-Services with same selector', async (e2e) => {
    const net = await Netservers.start(e2e)
    e2e.apply(nodePortService('second-node-port-service'))
    await e2e.synced()
    const second = e2e.service('second-node-port-service').spec
    const ports = second.ports ?? []
    // The first Service, the second, and after the second is gone the first again.
    for (const protocol of PROTOCOLS) {
      await net.dial(protocol, net.clusterIP, net.servicePort(protocol), net.names)
      await net.dial(protocol, NODES.w1, net.nodePort(protocol), net.names)
      await net.dial(protocol, second.clusterIP as string, net.servicePort(protocol), net.names)
      const nodePort = ports.find(({ name }) => name === protocol)?.nodePort as number
      await net.dial(protocol, NODES.w1, nodePort, net.names)
    }
    await e2e.kubectl('delete service second-node-port-service')
    await e2e.synced()
    for (const protocol of PROTOCOLS) {
      await net.dial(protocol, net.clusterIP, net.servicePort(protocol), net.names)
      await net.dial(protocol, second.clusterIP as string, net.servicePort(protocol), [], 2)
    }
  })

  test('Granular Checks: Services should support basic nodePort: udp functionality', async (e2e) => {
    const net = await Netservers.start(e2e)
    for (const node of Object.values(NODES)) await net.dialFromNode('udp', node, net.nodePort('udp'), net.names)
  })

  test('Granular Checks: Services should function for service endpoints using hostNetwork', async (e2e) => {
    const net = await Netservers.start(e2e, { endpointsHostNetwork: true })
    expect(net.names).toEqual(['w1', 'w2'])
    for (const protocol of PROTOCOLS) {
      await net.dial(protocol, net.clusterIP, net.servicePort(protocol), net.names)
      await net.dial(protocol, NODES.w2, net.nodePort(protocol), net.names)
      await net.dialFromNode(protocol, net.clusterIP, net.servicePort(protocol), net.names)
      await net.dialFromNode(protocol, NODES.w2, net.nodePort(protocol), net.names)
    }
  })

  test('should provide Internet connection for containers [Networking-IPv4]', async (e2e) => {
    await e2e.start(agnhost('connectivity-test', ['pause']))
    expect(await e2e.exec('connectivity-test', '/agnhost connect --protocol=tcp --timeout=30s 8.8.8.8:53')).toEqual({
      code: 0,
      output: '',
    })
    // The outside does not know pods' addresses: the node's was put in their place.
    const { output } = await e2e.exec('connectivity-test', 'curl -s http://8.8.8.8/clientip')
    expect(output).toMatch(/^192\.168\.14\.5[12]:\d+$/)
  })

  test('should provider Internet connection for containers using DNS [Networking-DNS]', async (e2e) => {
    await e2e.start(agnhost('connectivity-test', ['pause']))
    const line = '/agnhost connect --protocol=tcp --timeout=30s google.com:80'
    expect(await e2e.exec('connectivity-test', line)).toEqual({ code: 0, output: '' })
  })

  test('should recreate its iptables rules if they are deleted [Disruptive]', async (e2e) => {
    const net = await Netservers.start(e2e)
    await net.dial('http', net.clusterIP, SERVICE_HTTP, net.names)
    // What the case runs on the node: rules that lead to KUBE-*, then the chains of nat.
    const flush = "iptables-save -t nat | grep -e '-A KUBE-SERVICES' | wc -l"
    expect(Number((await e2e.on('w1', flush)).output)).toBeGreaterThan(2)
    await e2e.on('w1', 'iptables -t nat -F KUBE-SERVICES; iptables -t nat -D PREROUTING 1; iptables -t nat -D OUTPUT 1')
    await e2e.on('w1', 'iptables -t mangle -F KUBE-PROXY-CANARY; iptables -t mangle -X KUBE-PROXY-CANARY')
    await net.dial('http', net.clusterIP, SERVICE_HTTP, [], 1)
    await e2e.run(45)
    expect(Number((await e2e.on('w1', flush)).output)).toBeGreaterThan(2)
    await net.dial('http', net.clusterIP, SERVICE_HTTP, net.names)
  })

  test('should check kube-proxy urls', async (e2e) => {
    await e2e.start(agnhost('host-test-container-pod', ['pause'], { hostNetwork: true, nodeName: 'w1' }))
    const get = async (url: string, format = '') =>
      (await e2e.exec('host-test-container-pod', `curl -s ${format} ${url}`)).output
    expect(await get('http://localhost:10256/healthz', '-o /dev/null -w %{http_code}')).toBe('200')
    expect(await get('http://localhost:10249/healthz', '-o /dev/null -w %{http_code}')).toBe('200')
    expect(await get('http://localhost:10249/proxyMode')).toBe('iptables')
  })
})

function granular(test: Test, protocol: Protocol): void {
  const checks: Readonly<Record<string, (net: Servers) => Promise<void>>> = {
    'Pods should function for intra-pod communication': async (net) => {
      for (const [i, { status }] of net.servers.entries())
        await net.dial(protocol, status.podIP as string, net.podPort(protocol), [net.names[i]])
    },
    'Pods should function for node-pod communication': async (net) => {
      for (const [i, { status }] of net.servers.entries())
        await net.dialFromNode(protocol, status.podIP as string, net.podPort(protocol), [net.names[i]])
    },
    'Services should function for pod-Service': async (net) => {
      await net.dial(protocol, net.clusterIP, net.servicePort(protocol), net.names)
      for (const node of Object.values(NODES)) await net.dial(protocol, node, net.nodePort(protocol), net.names)
    },
    'Services should function for node-Service': async (net) => {
      await net.dialFromNode(protocol, net.clusterIP, net.servicePort(protocol), net.names)
      await net.dialFromNode(protocol, NODES.w1, net.nodePort(protocol), net.names)
      await net.dialFromNode(protocol, NODES.w2, net.nodePort(protocol), net.names)
    },
    // One server asks: it is an endpoint itself, and hears itself too.
    'Services should function for endpoint-Service': async (net) => {
      const [asking] = net.names
      await net.dialFrom(asking, HTTP, protocol, net.clusterIP, net.servicePort(protocol), net.names)
      await net.dialFrom(asking, HTTP, protocol, NODES.w1, net.nodePort(protocol), net.names)
      await net.dialFrom(asking, HTTP, protocol, NODES.w2, net.nodePort(protocol), net.names)
    },
    'Services should update endpoints': async (net) => {
      await net.dial(protocol, net.clusterIP, net.servicePort(protocol), net.names)
      await net.deleteServer()
      for (let round = 0; round < 5; round++)
        await net.dial(protocol, net.clusterIP, net.servicePort(protocol), net.names)
    },
    'Services should update nodePort': async (net) => {
      const port = net.nodePort(protocol)
      await net.dial(protocol, NODES.w2, port, net.names)
      await net.e2e.kubectl('delete service node-port-service')
      await net.e2e.synced()
      await net.dial(protocol, NODES.w2, port, [], 3)
    },
    'Services should function for client IP based session affinity': async (net) => {
      const answers = await net.manyFrom(protocol, net.affinityIP, net.servicePort(protocol), 10)
      expect(answers).toHaveLength(10)
      expect(new Set(answers).size).toBe(1)
      expect(net.names).toContain(answers[0])
    },
    'Services should be able to handle large requests': async (net) => {
      await net.echo(protocol, net.clusterIP, net.servicePort(protocol), '42'.repeat(1000))
    },
  }
  for (const [name, check] of Object.entries(checks)) {
    const slow = name.endsWith('update nodePort') ? ' [Slow]' : ''
    test(`Granular Checks: ${name}: ${protocol}${slow}`, async (e2e) => check(await Netservers.start(e2e)))
  }
}
