/** Services that change their type, and the ports of nodes. */
import { expect } from 'vitest'
import { answers, hostname, nodePort, serve, silence, udpHostname } from '../reach.ts'
import { agnhost, deployment, execPod, type Namespace, NODES, service, type Test } from '../suite.ts'

const SERVED = { name: 'served' }

export function types(test: Test): void {
  test('should be able to create a functioning NodePort service', async (e2e) => {
    await e2e.start(execPod('execpod'))
    const { ip, names, nodePort: port } = await serve(e2e, 'nodeport-test', 2, { type: 'NodePort' })
    await answers(e2e, 'execpod', 'nodeport-test', 80, names)
    await answers(e2e, 'execpod', ip, 80, names)
    for (const node of Object.values(NODES)) {
      await answers(e2e, 'execpod', node, port, names)
      const { output } = await e2e.on('client', `curl -s http://${node}:${port}/`)
      expect(names).toContain(output)
    }
  })

  test('should be possible to connect to a service via ExternalIP when the external IP is not assigned to a node', async (e2e) => {
    await e2e.start(execPod('execpod'), agnhost('host-exec', ['pause'], { hostNetwork: true }))
    const { ip, names } = await serve(e2e, 'externalip-test', 2, { externalIPs: ['203.0.113.250'] })
    await answers(e2e, 'execpod', ip, 80, names)
    await answers(e2e, 'execpod', '203.0.113.250', 80, names)
    await answers(e2e, 'host-exec', '203.0.113.250', 80, names)
  })

  test('should be able to update service type to NodePort listening on same port number but different protocols', async (e2e) => {
    e2e.apply(service('nodeport-update-service', SERVED, [{ name: 'tcp-port', port: 80, targetPort: 80 }]))
    await e2e.start(execPod('execpod'), agnhost('pod1', ['netexec', '--http-port=80', '--udp-port=80'], {}, SERVED))
    expect(nodePort(e2e, 'nodeport-update-service')).toBe(0)
    const ports = ['TCP', 'UDP'].map((protocol) => ({
      name: `${protocol.toLowerCase()}-port`,
      port: 80,
      protocol,
      targetPort: 80,
    }))
    const change = JSON.stringify({ spec: { type: 'NodePort', ports } })
    expect((await e2e.kubectl(`patch service nodeport-update-service --type=merge -p '${change}'`)).code).toBe(0)
    await e2e.synced()
    const [tcp, udp] = ['tcp-port', 'udp-port'].map((name) => nodePort(e2e, 'nodeport-update-service', name))
    expect(Math.min(tcp, udp)).toBeGreaterThan(0)
    await answers(e2e, 'execpod', 'nodeport-update-service', 80, ['pod1'])
    await answers(e2e, 'execpod', NODES.w1, tcp, ['pod1'])
    expect(await udpHostname(e2e, 'execpod', NODES.w1, udp)).toBe('pod1')
    expect(await udpHostname(e2e, 'execpod', e2e.service('nodeport-update-service').spec.clusterIP ?? '', 80)).toBe(
      'pod1',
    )
  })

  for (const type of ['ClusterIP', 'NodePort']) {
    test(`should be able to change the type from ExternalName to ${type}`, async (e2e) => {
      e2e.apply(
        service('externalname-service', null, [], { type: 'ExternalName', externalName: 'foo.example.com' }),
        deployment('externalname-service', ['serve-hostname', '--port=9376'], 2),
      )
      const ports = [{ port: 80, targetPort: 9376 }]
      const spec = { type, externalName: null, selector: { name: 'externalname-service' }, ports }
      await e2e.kubectl(`patch service externalname-service --type=merge -p '${JSON.stringify({ spec })}'`)
      await e2e.start(execPod('execpod'))
      const names = e2e.pods().flatMap(({ metadata }) => (metadata.name === 'execpod' ? [] : [metadata.name]))
      await e2e.ready(...names)
      await answers(e2e, 'execpod', 'externalname-service', 80, names)
      await answers(e2e, 'execpod', e2e.service('externalname-service').spec.clusterIP as string, 80, names)
      if (type === 'NodePort') await answers(e2e, 'execpod', NODES.w1, nodePort(e2e, 'externalname-service'), names)
    })

    test(`should be able to change the type from ${type} to ExternalName`, async (e2e) => {
      await e2e.start(execPod('execpod'))
      const external = await serve(e2e, 'externalsvc', 2)
      await serve(e2e, 'changing-service', 1, { type })
      const { ip, nodePort: port } = await serve(e2e, 'changing-service', 1, { type })
      const externalName = `externalsvc.${e2e.name}.svc.cluster.local`
      const spec = JSON.stringify({ spec: { type: 'ExternalName', externalName } })
      expect((await e2e.kubectl(`patch service changing-service -p '${spec}'`)).code).toBe(0)
      await e2e.synced()
      expect(e2e.service('changing-service').spec.clusterIP ?? '').toBe('')
      const { output } = await e2e.exec('execpod', `nslookup changing-service.${e2e.name}.svc.cluster.local`)
      expect(output).toContain(`changing-service.${e2e.name}.svc.cluster.local\tcanonical name = ${externalName}.`)
      expect(output).toContain(`Address: ${external.ip}`)
      await answers(e2e, 'execpod', 'changing-service', 80, external.names)
      await silence(e2e, 'execpod', ip, 80)
      if (type === 'NodePort') await silence(e2e, 'execpod', NODES.w1, port)
    })
  }

  test('should prevent NodePort collisions', async (e2e) => {
    await serve(e2e, 'nodeport-collision-1', 1, { type: 'NodePort' })
    const port = nodePort(e2e, 'nodeport-collision-1')
    const second = () => create(e2e, 'nodeport-collision-2', port)
    expect((await second()).output).toContain(`Invalid value: ${port}: provided port is already allocated`)
    await e2e.kubectl('delete service nodeport-collision-1')
    await e2e.gone('Service', 'nodeport-collision-1')
    expect(await second()).toEqual({ code: 0, output: 'service/nodeport-collision-2 created\n' })
  })

  test('should check NodePort out-of-range', async (e2e) => {
    await serve(e2e, 'nodeport-range-test', 1, { type: 'NodePort' })
    const outside = 'provided port is not in the valid range. The range of valid ports is 30000-32767'
    const change = (port: number) => ({ spec: { ports: [{ port: 80, nodePort: port }] } })
    const patched = await e2e.kubectl(`patch service nodeport-range-test -p '${JSON.stringify(change(7))}'`)
    expect(patched.output).toContain(outside)
    expect((await create(e2e, 'nodeport-range-test2', 40_000)).output).toContain(outside)
  })

  test('should release NodePorts on delete', async (e2e) => {
    await e2e.start(agnhost('hostexec', ['pause'], { hostNetwork: true }))
    const { names, nodePort: port } = await serve(e2e, 'nodeport-reuse', 1, { type: 'NodePort' })
    await answers(e2e, 'hostexec', NODES.w1, port, names)
    await e2e.kubectl('delete service nodeport-reuse')
    await e2e.gone('Service', 'nodeport-reuse')
    // Nobody listens on the node; nothing is kept of it.
    const { output } = await e2e.on('w1', `ss -ant4 'sport = :${port}' | tail -n +2 | grep LISTEN`)
    expect(output).toBe('')
    expect((await hostname(e2e, 'hostexec', NODES.w1, port)).code).toBe(7)
    expect((await create(e2e, 'nodeport-reuse', port)).code).toBe(0)
  })
}

/** A Service with this node port, by kubectl. */
function create(e2e: Namespace, name: string, port: number) {
  return e2e.kubectl(`create service nodeport ${name} --tcp=80:9376 --node-port=${port}`)
}
