/** Services that serve. */
import { expect } from 'vitest'
import { answers, connect, endpoints, hostname, podsOf, running, serve, silence, udpHostname } from '../reach.ts'
import { agnhost, container, deployment, execPod, type Namespace, NODES, pod, service, type Test } from '../suite.ts'

function netexec(name: string, port: number, portName = ''): ReturnType<typeof pod> {
  const named = portName === '' ? [] : [{ name: portName, containerPort: port }]
  return pod(name, [container('agnhost', ['netexec', `--http-port=${port}`], { ports: named })], {}, { name: 'served' })
}

const SERVED = { name: 'served' }

export function basics(test: Test): void {
  test('should serve a basic endpoint from pods', async (e2e) => {
    e2e.apply(service('endpoint-test2', SERVED, [{ port: 80, targetPort: 80 }]))
    await e2e.start(execPod('execpod'))
    const { clusterIP = '' } = e2e.service('endpoint-test2').spec
    expect(endpoints(e2e, 'endpoint-test2')).toEqual({})
    await e2e.start(netexec('pod1', 80))
    expect(endpoints(e2e, 'endpoint-test2')).toEqual({ pod1: [80] })
    await answers(e2e, 'execpod', clusterIP, 80, ['pod1'])
    await e2e.start(netexec('pod2', 80))
    expect(endpoints(e2e, 'endpoint-test2')).toEqual({ pod1: [80], pod2: [80] })
    await answers(e2e, 'execpod', 'endpoint-test2', 80, ['pod1', 'pod2'])
    await e2e.kubectl('delete pod pod1')
    await e2e.synced()
    expect(endpoints(e2e, 'endpoint-test2')).toEqual({ pod2: [80] })
    await answers(e2e, 'execpod', clusterIP, 80, ['pod2'])
    await e2e.kubectl('delete pod pod2')
    await e2e.synced()
    expect(endpoints(e2e, 'endpoint-test2')).toEqual({})
  })

  test('should serve multiport endpoints from pods', async (e2e) => {
    const ports = [
      { name: 'portname1', port: 80, targetPort: 'svc1' },
      { name: 'portname2', port: 81, targetPort: 'svc2' },
    ]
    e2e.apply(service('multi-endpoint-test', SERVED, ports))
    await e2e.start(execPod('execpod'), netexec('pod1', 100, 'svc1'))
    expect(endpoints(e2e, 'multi-endpoint-test')).toEqual({ pod1: [100] })
    await e2e.start(netexec('pod2', 101, 'svc2'))
    expect(endpoints(e2e, 'multi-endpoint-test')).toEqual({ pod1: [100], pod2: [101] })
    await answers(e2e, 'execpod', 'multi-endpoint-test', 80, ['pod1'])
    await answers(e2e, 'execpod', 'multi-endpoint-test', 81, ['pod2'])
    await e2e.kubectl('delete pod pod1')
    await e2e.synced()
    expect(endpoints(e2e, 'multi-endpoint-test')).toEqual({ pod2: [101] })
    await silence(e2e, 'execpod', 'multi-endpoint-test', 80)
    await answers(e2e, 'execpod', 'multi-endpoint-test', 81, ['pod2'])
  })

  test('should be updated after adding or deleting ports', async (e2e) => {
    e2e.apply(service('edit-port-test', SERVED, [{ name: 'portname1', port: 80, targetPort: 80 }]))
    const both = ['netexec', '--http-port=80', '--udp-port=-1']
    await e2e.start(execPod('execpod'), agnhost('pod1', both, {}, SERVED))
    const add = { spec: { ports: [{ name: 'portname2', port: 81, targetPort: 80 }] } }
    await answers(e2e, 'execpod', 'edit-port-test', 80, ['pod1'])
    await silence(e2e, 'execpod', 'edit-port-test', 81)
    await e2e.kubectl(`patch service edit-port-test -p '${JSON.stringify(add)}'`)
    await e2e.synced()
    await answers(e2e, 'execpod', 'edit-port-test', 80, ['pod1'])
    await answers(e2e, 'execpod', 'edit-port-test', 81, ['pod1'])
    await e2e.kubectl(`patch service edit-port-test --type=merge -p '${JSON.stringify(add)}'`)
    await e2e.synced()
    await silence(e2e, 'execpod', 'edit-port-test', 80)
    await answers(e2e, 'execpod', 'edit-port-test', 81, ['pod1'])
  })

  test('should preserve source pod IP for traffic thru service cluster IP', async (e2e) => {
    e2e.apply(service('sourceip-test', SERVED, [{ port: 8080, targetPort: 8080 }]))
    const asking = Object.keys(NODES).map((nodeName) => agnhost(`pause-${nodeName}`, ['pause'], { nodeName }))
    const echo = agnhost('echo-sourceip', ['netexec', '--http-port=8080'], { nodeName: 'w1' }, SERVED)
    const [, ...pauses] = await e2e.start(echo, ...asking)
    const { clusterIP } = e2e.service('sourceip-test').spec
    for (const { metadata, status } of pauses) {
      const line = `curl -q -s --connect-timeout 30 ${clusterIP}:8080/clientip`
      expect((await e2e.exec(metadata.name, line)).output.split(':')[0]).toBe(status.podIP)
    }
  })

  test('should allow pods to hairpin back to themselves through services', async (e2e) => {
    e2e.apply(service('hairpin-test', SERVED, [{ port: 8080, targetPort: 8080 }]))
    await e2e.start(netexec('hairpin', 8080))
    await answers(e2e, 'hairpin', 'hairpin-test', 8080, ['hairpin'])
    const dial = 'http://localhost:8080/dial?host=hairpin-test&port=8080&request=hostname'
    const { output } = await e2e.exec('hairpin', `curl -g -q -s '${dial}'`)
    expect(output).toBe('{"responses":["hairpin"]}')
  })

  test('should be able to up and down services', async (e2e) => {
    await e2e.start(execPod('execpod'), agnhost('host-exec', ['pause'], { hostNetwork: true }))
    const one = await serve(e2e, 'up-down-1', 3)
    const two = await serve(e2e, 'up-down-2', 3)
    for (const from of ['execpod', 'host-exec']) {
      await answers(e2e, from, one.ip, 80, one.names)
      await answers(e2e, from, two.ip, 80, two.names)
    }
    await e2e.kubectl('delete deployment,service up-down-1')
    await e2e.synced()
    await silence(e2e, 'execpod', one.ip, 80)
    await answers(e2e, 'host-exec', two.ip, 80, two.names)
    const three = await serve(e2e, 'up-down-3', 3)
    await answers(e2e, 'execpod', two.ip, 80, two.names)
    await answers(e2e, 'execpod', three.ip, 80, three.names)
  })

  test('should work after the service has been recreated', async (e2e) => {
    await e2e.start(execPod('execpod'))
    const { ip, names } = await serve(e2e, 'recreated', 2)
    await answers(e2e, 'execpod', ip, 80, names)
    await e2e.kubectl('delete service recreated')
    await e2e.synced()
    expect(endpoints(e2e, 'recreated')).toEqual({})
    await silence(e2e, 'execpod', ip, 80)
    e2e.apply(service('recreated', { name: 'recreated' }, [{ port: 80, targetPort: 9376 }], { clusterIP: ip }))
    await e2e.synced()
    await answers(e2e, 'execpod', ip, 80, names)
  })

  test('should work after restarting kube-proxy [Disruptive]', async (e2e) => {
    await e2e.start(execPod('execpod'))
    const one = await serve(e2e, 'restart-proxy-1', 3)
    const two = await serve(e2e, 'restart-proxy-2', 3)
    await answers(e2e, 'execpod', one.ip, 80, one.names)
    await answers(e2e, 'execpod', two.ip, 80, two.names)
    await e2e.lab.say('kubectl -n kube-system delete pod -l k8s-app=kube-proxy')
    await e2e.run(5)
    const three = await serve(e2e, 'restart-proxy-3', 3)
    for (const { ip, names } of [one, two, three]) await answers(e2e, 'execpod', ip, 80, names)
  })

  test('should create endpoints for unready pods', async (e2e) => {
    const spec = { publishNotReadyAddresses: true }
    const never = { exec: { command: ['/bin/false'] } }
    const leaving = { preStop: { exec: { command: ['/bin/sleep', '600'] } } }
    const unready = [
      container('slow-terminating-unready-pod', ['netexec', '--http-port=80'], {
        readinessProbe: never,
        lifecycle: leaving,
      }),
    ]
    e2e.apply(
      service('tolerate-unready', { name: 'slow' }, [{ name: 'http', port: 80, targetPort: 80 }], spec),
      deployment('slow', [], 1, { containers: unready, terminationGracePeriodSeconds: 600 }),
    )
    await e2e.start(execPod('execpod'))
    await e2e.run(5)
    const [{ metadata }] = podsOf(e2e, 'slow')
    await answers(e2e, 'execpod', 'tolerate-unready', 80, [metadata.name])
    await e2e.kubectl('scale deployment slow --replicas=0')
    await e2e.synced()
    // On its way out it serves on, if somebody asks for such pods; else nobody is there.
    await answers(e2e, 'execpod', 'tolerate-unready', 80, [metadata.name])
    await e2e.kubectl(`patch service tolerate-unready -p '{"spec":{"publishNotReadyAddresses":false}}'`)
    await e2e.synced()
    await silence(e2e, 'execpod', 'tolerate-unready', 80)
    await e2e.kubectl(`patch service tolerate-unready -p '{"spec":{"publishNotReadyAddresses":true}}'`)
    await e2e.synced()
    await answers(e2e, 'execpod', 'tolerate-unready', 80, [metadata.name])
  })

  test('should be rejected when no endpoints exist', async (e2e) => {
    e2e.apply(service('no-pods', { nobody: 'there' }, [{ port: 80, targetPort: 80 }]))
    await e2e.start(execPod('execpod-noendpoints'), agnhost('host-exec', ['pause'], { hostNetwork: true }))
    const { clusterIP } = e2e.service('no-pods').spec
    expect(await connect(e2e, 'execpod-noendpoints', `${clusterIP}:80`)).toBe('REFUSED')
    expect(await connect(e2e, 'execpod-noendpoints', 'no-pods:80')).toBe('REFUSED')
    expect(await connect(e2e, 'host-exec', `${clusterIP}:80`)).toBe('REFUSED')
  })

  test('should implement service.kubernetes.io/service-proxy-name', async (e2e) => {
    await labelled(e2e, 'service.kubernetes.io/service-proxy-name=foo-bar')
  })

  test('should implement service.kubernetes.io/headless', async (e2e) => {
    await labelled(e2e, 'service.kubernetes.io/headless=')
  })

  for (const [name, spec] of [
    ['should serve endpoints on same port and different protocols', {}],
    [
      'should serve endpoints on same port and different protocol for internal traffic on Type LoadBalancer',
      { type: 'LoadBalancer' },
    ],
  ] as const) {
    test(name, async (e2e) => {
      const ports = [
        { name: 'tcp-port', port: 80, protocol: 'TCP', targetPort: 80 },
        { name: 'udp-port', port: 80, protocol: 'UDP', targetPort: 80 },
      ]
      e2e.apply(service('multiprotocol-test', SERVED, ports, spec))
      const server = agnhost('pod1', ['netexec', '--http-port=80', '--udp-port=80'], {}, SERVED)
      await e2e.start(execPod('execpod'), server)
      const { clusterIP = '' } = e2e.service('multiprotocol-test').spec
      const both = async () => [
        (await hostname(e2e, 'execpod', clusterIP, 80)).output,
        await udpHostname(e2e, 'execpod', clusterIP, 80),
      ]
      expect(await both()).toEqual(['pod1', 'pod1'])
      expect(endpoints(e2e, 'multiprotocol-test')).toEqual({ pod1: [80] })
      await e2e.kubectl(`patch service multiprotocol-test --type=json -p '[{"op":"remove","path":"/spec/ports/1"}]'`)
      await e2e.synced()
      expect((await hostname(e2e, 'execpod', clusterIP, 80)).output).toBe('pod1')
      expect(await connect(e2e, 'execpod', `${clusterIP}:80`, 'udp')).not.toBe('OK')
    })
  }
}

/** Nobody serves a Service with this label: neither from the start, nor when it gets it later. */
async function labelled(e2e: Namespace, label: string): Promise<void> {
  const [key, value = ''] = label.split('=')
  await e2e.start(execPod('execpod'))
  const disabled = await serve(e2e, 'service-disabled', 3)
  const toggled = await serve(e2e, 'service-toggled', 3)
  await e2e.kubectl(`label service service-disabled ${key}=${value}`)
  await e2e.synced()
  await silence(e2e, 'execpod', disabled.ip, 80)
  await answers(e2e, 'execpod', toggled.ip, 80, toggled.names)
  await e2e.kubectl(`label service service-toggled ${key}=${value}`)
  await e2e.synced()
  await silence(e2e, 'execpod', toggled.ip, 80)
  await e2e.kubectl(`label service service-toggled ${key}-`)
  await e2e.synced()
  await answers(e2e, 'execpod', toggled.ip, 80, toggled.names)
  await silence(e2e, 'execpod', disabled.ip, 80)
  await running(e2e, 'service-disabled', 3)
}
