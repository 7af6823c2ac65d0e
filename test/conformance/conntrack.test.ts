/** Flows that outlive their endpoints, addresses that are kept, and the ports of nodes (conntrack.go, no_snat.go, …). */
import { expect } from 'vitest'
import { answers, nodePort, serve } from './reach.ts'
import { agnhost, container, execPod, type Namespace, NODES, pod, section, service } from './suite.ts'

const UDP_PORTS = [{ name: 'udp', protocol: 'UDP', port: 80, targetPort: 80 }]
const SERVER = { app: 'server' }

section('Conntrack, kube-proxy, host ports', {}, (test) => {
  for (const type of ['ClusterIP', 'NodePort']) {
    test(`Conntrack should be able to preserve UDP traffic when server pod cycles for a ${type} service`, async (e2e) => {
      e2e.apply(service('svc-udp', SERVER, UDP_PORTS, { type }))
      const { clusterIP = '' } = e2e.service('svc-udp').spec
      const [host, port] = type === 'ClusterIP' ? [clusterIP, 80] : [NODES.w2, nodePort(e2e, 'svc-udp')]
      await e2e.start(asking(host, port), udpServer('pod-server-1', 'w2'))
      await heard(e2e, 'pod-server-1')
      await e2e.start(udpServer('pod-server-2', 'w2'))
      await e2e.kubectl('delete pod pod-server-1')
      await e2e.synced()
      await heard(e2e, 'pod-server-2')
    })
  }

  test('Conntrack should be able to preserve UDP traffic when initial unready endpoints get ready', async (e2e) => {
    e2e.apply(service('svc-udp', SERVER, UDP_PORTS))
    const { clusterIP = '' } = e2e.service('svc-udp').spec
    const [client] = await e2e.start(asking(clusterIP, 80))
    // The client's flow is there before anybody is.
    await e2e.run(5)
    expect((await e2e.kubectl(`logs ${client.metadata.name}`)).output).not.toContain('pod-server-1')
    const readinessProbe = { exec: { command: ['true'] }, initialDelaySeconds: 15 }
    await e2e.start(udpServer('pod-server-1', 'w2', { readinessProbe }))
    await heard(e2e, 'pod-server-1')
  })

  test('KubeProxy should set TCP CLOSE_WAIT timeout [Privileged]', async (e2e) => {
    const server = container(
      'server',
      ['net', '--runner', 'nat-closewait-server', '--options', JSON.stringify(CLOSEWAIT)],
      {
        ports: [{ name: 'tcp', containerPort: CLOSEWAIT.LocalPort, hostPort: CLOSEWAIT.LocalPort }],
      },
    )
    await e2e.start(pod('server', [server], { nodeName: 'w2' }))
    const options = {
      RemoteAddr: NODES.w2,
      RemotePort: CLOSEWAIT.LocalPort,
      TimeoutSeconds: 3600,
      PostFinTimeoutSeconds: 10,
      LeakConnection: true,
    }
    const client = ['net', '--runner', 'nat-closewait-client', '--options', JSON.stringify(options)]
    await e2e.start(agnhost('client', client, { nodeName: 'w1' }))
    await e2e.run(3)
    const line = `conntrack -L -f ipv4 -d ${NODES.w2} | grep -m 1 "CLOSE_WAIT.*dport=${CLOSEWAIT.LocalPort}"`
    const { output } = await e2e.on('w1', line)
    // kube-proxy makes it an hour.
    const left = Number(/tcp +6 (\d+) CLOSE_WAIT/.exec(output)?.[1])
    expect(left).toBeGreaterThan(3600 - 60)
    expect(left).toBeLessThanOrEqual(3600)
  })

  test('NoSNAT Should be able to send traffic between Pods without SNAT', async (e2e) => {
    const tolerations = [{ operator: 'Exists' as const }]
    const wanted = ['m', 'w1', 'w2'].map((nodeName) =>
      agnhost(`no-snat-test-${nodeName}`, ['netexec', '--http-port', '8080'], { nodeName, tolerations }),
    )
    const made = await e2e.start(...wanted)
    for (const from of made) {
      for (const to of made) {
        if (from === to) continue
        const line = `curl -q -s --connect-timeout 30 ${to.status.podIP}:8080/clientip`
        expect((await e2e.exec(from.metadata.name, line)).output.split(':')[0]).toBe(from.status.podIP)
      }
    }
  })

  test('HostPort validates that there is no conflict between pods with same hostPort but different hostIP and protocol', async (e2e) => {
    const port = 54_323
    const at = (name: string, hostIP: string, protocol: string) => {
      const containerPort = protocol === 'TCP' ? 8080 : 8081
      return pod(
        name,
        [
          container('agnhost', ['netexec', '--http-port=8080', '--udp-port=8081'], {
            ports: [{ hostPort: port, containerPort, protocol, hostIP }],
          }),
        ],
        { nodeName: 'w1' },
      )
    }
    await e2e.start(at('pod1', '127.0.0.1', 'TCP'), at('pod2', NODES.w1, 'TCP'), at('pod3', NODES.w1, 'UDP'))
    await e2e.start(agnhost('e2e-host-exec', ['pause'], { hostNetwork: true, nodeName: 'w1' }))
    const say = async (line: string) => (await e2e.exec('e2e-host-exec', line)).output.trim()
    expect(await say(`curl -g -s --connect-timeout 5 --interface ${NODES.w1} http://127.0.0.1:${port}/hostname`)).toBe(
      'pod1',
    )
    expect(await say(`curl -g -s --connect-timeout 5 http://${NODES.w1}:${port}/hostname`)).toBe('pod2')
    expect(await say(`echo hostname | nc -u -w 2 ${NODES.w1} ${port}`)).toBe('pod3')
  })

  for (const [name, from, to] of [
    ['should be able to connect from a Pod to a terminating Pod', 'client', 'leaving'],
    ['should be able to connect to other Pod from a terminating Pod', 'leaving', 'client'],
  ]) {
    test(`Connectivity Pod Lifecycle ${name}`, async (e2e) => {
      const args = ['netexec', '--http-port=80', '--delay-shutdown=100']
      const spec = { terminationGracePeriodSeconds: 120 }
      await e2e.start(agnhost('client', args, spec), agnhost('leaving', args, spec))
      await e2e.kubectl('delete pod leaving --wait=false')
      await e2e.run(3)
      expect(e2e.pods().find(({ metadata }) => metadata.name === 'leaving')?.metadata.deletionTimestamp).toBeDefined()
      const ip = e2e.pods().find(({ metadata }) => metadata.name === to)?.status.podIP as string
      for (let i = 0; i < 5; i++) await answers(e2e, from, ip, 80, [to])
    })
  }

  test('CVE-2021-29923 IPv4 Service Type ClusterIP with leading zeros should work interpreted as decimal', async (e2e) => {
    await e2e.start(execPod('execpod'))
    // 10.96.012.011 would be another address in octal.
    const { names } = await serve(e2e, 'funny-ip', 1, { clusterIP: '10.096.012.011' })
    await answers(e2e, 'execpod', '10.96.12.11', 80, names)
  })
})

const CLOSEWAIT = { LocalPort: 11_302, PostFinTimeoutSeconds: 3600 }

function udpServer(name: string, nodeName: string, more: object = {}) {
  return pod(name, [container('agnhost', ['netexec', '--udp-port=80'], more)], { nodeName }, SERVER)
}

/** Asks again and again from one port: the flow never ends. */
function asking(host: string, port: number) {
  const loop = `date; for i in $(seq 1 3000); do echo "$(date) Try: $i"; echo hostname | nc -u -w 1 -p 12345 ${host} ${port}; echo; done`
  return pod('pod-client', [{ ...container('pod-client', []), command: ['sh', '-c', loop], args: [] }], {
    nodeName: 'w1',
  })
}

/** The client hears this server, now. */
async function heard(e2e: Namespace, name: string): Promise<void> {
  const told = async () => (await e2e.kubectl('logs pod-client --tail=6')).output.includes(name)
  await e2e.until(told, `an answer of ${name}`, 30)
}
