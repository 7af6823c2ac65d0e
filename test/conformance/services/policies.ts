/** Which endpoints a node may use: traffic policies, and endpoints that are not ready or on their way out. */
import { expect } from 'vitest'
import { answers, connect, endpoints, nodePort, silence } from '../reach.ts'
import { agnhost, container, execPod, type Namespace, NODES, pod, service, type Test } from '../suite.ts'

const SERVED = { name: 'served' }
const PORTS = [{ name: 'http', port: 80, targetPort: 80 }]
/** Nothing came, or somebody refused. */
const NOBODY = [7, 28]

export function policies(test: Test): void {
  internal(test)
  terminating(test)
  unready(test)
  external(test)
}

function internal(test: Test): void {
  for (const [name, spec] of [
    ['Pod to Pod', {}],
    ['Pod (hostNetwork: true) to Pod', { hostNetwork: true }],
  ] as const) {
    test(`should respect internalTrafficPolicy=Local ${name}`, async (e2e) => {
      await start(e2e, [agnhost('echo-hostname-0', ['netexec', '--http-port=80'], { nodeName: 'w1' }, SERVED)], spec)
      const ip = local(e2e, 80)
      await e2e.synced()
      for (let i = 0; i < 5; i++) {
        await answers(e2e, 'pause-pod-0', ip, 80, ['echo-hostname-0'])
        await silence(e2e, 'pause-pod-1', ip, 80, NOBODY)
      }
    })
  }

  test('should respect internalTrafficPolicy=Local Pod and Node, to Pod (hostNetwork: true)', async (e2e) => {
    const args = ['netexec', '--http-port=10180', '--udp-port=-1']
    const spec = { nodeName: 'w1', hostNetwork: true }
    await start(e2e, [agnhost('echo-hostname-0', args, spec, SERVED)])
    await e2e.start(
      agnhost('pause-pod-2', ['pause'], { nodeName: 'w1', hostNetwork: true }),
      agnhost('pause-pod-3', ['pause'], { nodeName: 'w2', hostNetwork: true }),
    )
    const ip = local(e2e, 10_180)
    await e2e.synced()
    for (const from of ['pause-pod-0', 'pause-pod-2']) await answers(e2e, from, ip, 80, ['w1'])
    for (const from of ['pause-pod-1', 'pause-pod-3']) await silence(e2e, from, ip, 80, NOBODY)
  })
}

function terminating(test: Test): void {
  test('should fallback to terminating endpoints when there are no ready endpoints with internalTrafficPolicy=Cluster', async (e2e) => {
    await start(e2e, [leaving()])
    e2e.apply(service('test-svc', SERVED, PORTS))
    await e2e.synced()
    const { clusterIP = '' } = e2e.service('test-svc').spec
    await leave(e2e)
    for (const from of ['pause-pod-0', 'pause-pod-1']) await answers(e2e, from, clusterIP, 80, ['webserver-pod'])
  })

  test('should fallback to local terminating endpoints when there are no ready endpoints with internalTrafficPolicy=Local', async (e2e) => {
    await start(e2e, [leaving()])
    const ip = local(e2e, 80)
    await e2e.synced()
    await leave(e2e)
    await answers(e2e, 'pause-pod-0', ip, 80, ['webserver-pod'])
    await silence(e2e, 'pause-pod-1', ip, 80, NOBODY)
  })

  test('should fallback to terminating endpoints when there are no ready endpoints with externallTrafficPolicy=Cluster', async (e2e) => {
    await start(e2e, [leaving()])
    e2e.apply(service('test-svc', SERVED, PORTS, { type: 'NodePort' }))
    await e2e.synced()
    await leave(e2e)
    const port = nodePort(e2e, 'test-svc')
    for (const node of Object.values(NODES)) {
      for (const from of ['pause-pod-0', 'pause-pod-1']) await answers(e2e, from, node, port, ['webserver-pod'])
    }
  })

  test('should fallback to local terminating endpoints when there are no ready endpoints with externalTrafficPolicy=Local', async (e2e) => {
    await start(e2e, [leaving()])
    e2e.apply(service('test-svc', SERVED, PORTS, { type: 'NodePort', externalTrafficPolicy: 'Local' }))
    await e2e.synced()
    await leave(e2e)
    const port = nodePort(e2e, 'test-svc')
    expect((await outside(e2e, NODES.w1, port)).output).toBe('webserver-pod')
    await nobody(e2e, NODES.w2, port)
    await answers(e2e, 'pause-pod-0', NODES.w1, port, ['webserver-pod'])
  })

  test('should fail health check node port if there are only terminating endpoints', async (e2e) => {
    await start(e2e, [leaving()])
    e2e.apply(service('test-svc', SERVED, PORTS, { type: 'LoadBalancer', externalTrafficPolicy: 'Local' }))
    await e2e.synced()
    const port = e2e.service('test-svc').spec.healthCheckNodePort as number
    expect(await health(e2e, NODES.w1, port)).toBe('200')
    expect(await health(e2e, NODES.w2, port)).toBe('503')
    await leave(e2e)
    expect(await health(e2e, NODES.w1, port)).toBe('503')
  })
}

function unready(test: Test): void {
  for (const published of [true, false]) {
    const able = published ? 'should' : 'should not'
    const name = `${able} be able to connect to terminating and unready endpoints if PublishNotReadyAddresses is ${published}`
    test(name, async (e2e) => {
      const never = { exec: { command: ['/bin/false'] } }
      const served = container('agnhost', ['netexec', '--http-port=80', '--delay-shutdown=500'], {
        readinessProbe: never,
      })
      await start(e2e, [])
      e2e.apply(
        pod('webserver-pod', [served], { nodeName: 'w1', terminationGracePeriodSeconds: 600 }, SERVED),
        service('test-svc', SERVED, PORTS, { type: 'NodePort', publishNotReadyAddresses: published }),
      )
      await e2e.run(4)
      expect(endpoints(e2e, 'test-svc')).toEqual({ 'webserver-pod': [80] })
      const { clusterIP = '' } = e2e.service('test-svc').spec
      const check = async () => {
        for (const from of ['pause-pod-0', 'pause-pod-1']) {
          for (const [host, port] of [
            [clusterIP, 80],
            [NODES.w1, nodePort(e2e, 'test-svc')],
            [NODES.w2, nodePort(e2e, 'test-svc')],
          ] as const) {
            if (published) await answers(e2e, from, host, port, ['webserver-pod'])
            else expect(await connect(e2e, from, `${host}:${port}`)).toBe('REFUSED')
          }
        }
      }
      await check()
      await leave(e2e)
      await check()
    })
  }
}

function external(test: Test): void {
  test('should implement NodePort and HealthCheckNodePort correctly when ExternalTrafficPolicy changes', async (e2e) => {
    await start(e2e, [agnhost('webserver-pod', ['netexec', '--http-port=80'], { nodeName: 'w1' }, SERVED)])
    e2e.apply(service('external-local-update', SERVED, PORTS, { type: 'LoadBalancer', externalTrafficPolicy: 'Local' }))
    await e2e.synced()
    const port = nodePort(e2e, 'external-local-update')
    const checked = e2e.service('external-local-update').spec.healthCheckNodePort as number
    const onlyLocal = async (at: number) => {
      expect((await outside(e2e, NODES.w1, port)).output).toBe('webserver-pod')
      await nobody(e2e, NODES.w2, port)
      expect([await health(e2e, NODES.w1, at), await health(e2e, NODES.w2, at)]).toEqual(['200', '503'])
    }
    await onlyLocal(checked)
    await e2e.kubectl(`patch service external-local-update -p '{"spec":{"externalTrafficPolicy":"Cluster"}}'`)
    await e2e.synced()
    for (const node of Object.values(NODES)) expect((await outside(e2e, node, port)).output).toBe('webserver-pod')
    expect(e2e.service('external-local-update').spec.healthCheckNodePort).toBeUndefined()
    expect((await e2e.on('client', `curl -s http://${NODES.w1}:${checked}/healthz`)).code).toBe(7)
    await e2e.kubectl(`patch service external-local-update -p '{"spec":{"externalTrafficPolicy":"Local"}}'`)
    await e2e.synced()
    await onlyLocal(e2e.service('external-local-update').spec.healthCheckNodePort as number)
  })
}

/** Those who serve, and one that asks on each node. */
async function start(e2e: Namespace, servers: readonly ReturnType<typeof pod>[], spec: object = {}): Promise<void> {
  const asking = Object.keys(NODES).map((nodeName, i) => execPod(`pause-pod-${i}`, { nodeName, ...spec }))
  await e2e.start(...servers, ...asking)
}

/** A Service for its own node's clients. */
function local(e2e: Namespace, targetPort: number): string {
  const ports = [{ name: 'http', port: 80, targetPort }]
  e2e.apply(service('test-svc', SERVED, ports, { internalTrafficPolicy: 'Local' }))
  return e2e.service('test-svc').spec.clusterIP as string
}

/** A server that goes on for 500 s after it was told to end. */
function leaving() {
  const args = ['netexec', '--http-port=80', '--delay-shutdown=500']
  const spec = { nodeName: 'w1', terminationGracePeriodSeconds: 600 }
  const readinessProbe = { httpGet: { path: '/healthz', port: 80 }, periodSeconds: 1 }
  return pod('webserver-pod', [container('agnhost', args, { readinessProbe })], spec, SERVED)
}

async function leave(e2e: Namespace): Promise<void> {
  await e2e.kubectl('delete pod webserver-pod --wait=false')
  await e2e.synced()
}

function outside(e2e: Namespace, host: string, port: number) {
  return e2e.on('client', `curl -q -s --connect-timeout 2 http://${host}:${port}/hostname`)
}

/**
 * A node without an endpoint of its own drops what comes from outside. In ipvs mode it sends it on, to be reached from
 * its own pods (kubernetes#97081); the answer would not come back that way, if flannel did not masquerade what
 * comes from outside and goes to another node's pods.
 */
async function nobody(e2e: Namespace, host: string, port: number): Promise<void> {
  expect((await outside(e2e, host, port)).code).toBe(e2e.mode === 'ipvs' ? 0 : 28)
}

async function health(e2e: Namespace, node: string, port: number): Promise<string> {
  return (await e2e.on('client', `curl -s -o /dev/null -w "%{http_code}" http://${node}:${port}/healthz`)).output
}
