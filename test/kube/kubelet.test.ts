import { describe, expect, it } from 'vitest'
import type { ConfigMap, KubeEvent, Pod } from '../../src/kube/objects.ts'
import { deployment, lab, pod, service } from './fixture.ts'

describe('the kubelet', () => {
  it('runs init containers one after the other, then the others', async () => {
    const { cluster, run, pods } = await lab()
    const init = [
      { name: 'one', image: 'busybox', command: ['exit', '0'] },
      { name: 'two', image: 'busybox', command: ['exit', '1'] },
    ]
    cluster.apply([pod('p', 'nginx', { initContainers: init })])
    await run(7)
    const [waiting] = pods('app=p')
    expect(waiting.status.phase).toBe('Pending')
    expect(waiting.status.initContainerStatuses?.[0].state.terminated?.reason).toBe('Completed')
    expect(waiting.status.initContainerStatuses?.[1].restartCount).toBeGreaterThan(0)
    expect(waiting.status.containerStatuses?.[0].state.waiting?.reason).toBe('PodInitializing')
    const fine = [{ name: 'one', image: 'busybox', command: ['exit', '0'] }]
    cluster.apply([pod('q', 'nginx', { initContainers: fine })])
    await run(7)
    expect(pods('app=q')[0].status.phase).toBe('Running')
  })

  it('ends pods that do not restart', async () => {
    const { cluster, run, pods } = await lab()
    const once = (code: string) => ({
      restartPolicy: 'Never',
      containers: [{ name: 'web', image: 'busybox', command: ['exit', code] }],
    })
    cluster.apply([pod('good', 'x', once('0')), pod('bad', 'x', once('2'))])
    await run(6)
    expect(pods('app=good')[0].status.phase).toBe('Succeeded')
    expect(pods('app=bad')[0].status).toMatchObject({
      phase: 'Failed',
      containerStatuses: [{ state: { terminated: { exitCode: 2, reason: 'Error' } }, restartCount: 0 }],
    })
  })

  it('says which command is not in the image', async () => {
    const { cluster, run, pods } = await lab()
    cluster.apply([pod('p', 'x', { containers: [{ name: 'web', image: 'busybox', command: ['nosuch'] }] })])
    await run(4)
    const status = pods('app=p')[0].status.containerStatuses?.[0]
    const ended = status?.state.terminated ?? status?.lastState.terminated
    expect(ended?.reason).toBe('StartError')
    expect(ended?.message).toContain('exec: "nosuch": executable file not found in $PATH')
  })

  it('gives containers their environment', async () => {
    const { cluster, readyPods, exec } = await lab()
    const map: ConfigMap = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'settings', namespace: 'default' },
      data: { colour: 'blue', size: '3' },
    }
    const container = {
      name: 'web',
      image: 'nginx',
      envFrom: [{ prefix: 'MAP_', configMapRef: { name: 'settings' } }],
      env: [
        { name: 'PLAIN', value: 'x' },
        { name: 'JOINED', value: '$(PLAIN)-$$(PLAIN)-$(NONE)' },
        { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
        { name: 'COLOUR', valueFrom: { configMapKeyRef: { name: 'settings', key: 'colour' } } },
      ],
    }
    cluster.apply([map, service('numbers-api', 80), pod('p', 'x', { containers: [container] })])
    const [made] = await readyPods('app=p', 1)
    const { output } = await exec('p', 'env')
    const ip = cluster.store.get('Service', 'default', 'numbers-api')?.spec as { clusterIP: string }
    for (const line of [
      'PLAIN=x',
      'JOINED=x-$(PLAIN)-$(NONE)',
      `IP=${made.status.podIP}`,
      'COLOUR=blue',
      'MAP_size=3',
      'HOSTNAME=p',
      `NUMBERS_API_SERVICE_HOST=${ip.clusterIP}`,
      'NUMBERS_API_SERVICE_PORT=80',
      `NUMBERS_API_PORT=tcp://${ip.clusterIP}:80`,
      `NUMBERS_API_PORT_80_TCP_ADDR=${ip.clusterIP}`,
      'KUBERNETES_SERVICE_HOST=10.96.0.1',
      'KUBERNETES_SERVICE_PORT_HTTPS=443',
    ]) {
      expect(output.split('\n')).toContain(line)
    }
  })

  it('waits for a ConfigMap that is missing', async () => {
    const { cluster, run, pods } = await lab()
    const env = [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'later', key: 'a' } } }]
    cluster.apply([pod('p', 'x', { containers: [{ name: 'web', image: 'nginx', env }] })])
    await run(4)
    expect(pods('app=p')[0].status.containerStatuses?.[0].state.waiting).toEqual({
      reason: 'CreateContainerConfigError',
      message: 'configmap "later" not found',
    })
    const map = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'later', namespace: 'default' },
      data: { a: '1' },
    }
    cluster.store.create(map)
    await run(15)
    expect(pods('app=p')[0].status.phase).toBe('Running')
  })

  it('asks readiness and liveness over the network', async () => {
    const { cluster, run, pods, world } = await lab()
    const container = (port: number, kind: string) => ({
      containers: [
        { name: 'web', image: 'nginx', [kind]: { httpGet: { port }, periodSeconds: 1, failureThreshold: 2 } },
      ],
    })
    cluster.apply([
      pod('ready', 'x', container(80, 'readinessProbe')),
      pod('unready', 'x', container(81, 'readinessProbe')),
      pod('dying', 'x', container(81, 'livenessProbe')),
      service('unready', 80),
    ])
    await run(6)
    const conditions = (name: string) =>
      cluster.store.get<Pod>('Pod', 'default', name)?.status.conditions?.find((c) => c.type === 'Ready')
    expect(conditions('ready')?.status).toBe('True')
    expect(conditions('unready')).toMatchObject({
      status: 'False',
      message: 'containers with unready status: [web]',
    })
    expect(cluster.store.get('Endpoints', 'default', 'unready')?.subsets).toMatchObject([
      { notReadyAddresses: [{ ip: pods('app=unready')[0].status.podIP }] },
    ])
    expect(pods('app=dying')[0].status.containerStatuses?.[0].restartCount).toBeGreaterThan(0)
    const events = cluster.store.list<KubeEvent>('Event', 'default', (event) => event.reason === 'Unhealthy')
    const ip = pods('app=unready')[0].status.podIP
    expect(events.map((event) => event.message)).toContain(
      `Readiness probe failed: Get "http://${ip}:81/": dial tcp ${ip}:81: connect: connection refused`,
    )
    expect(world.frames.inUse).toBeLessThan(10)
  })

  it('takes everything back when a pod goes', async () => {
    const { cluster, readyPods, run, machines, world } = await lab()
    const netns = machines.get('w1.example.com')?.netns
    const before = [...(netns?.devices.keys() ?? [])]
    cluster.apply([pod('p', 'nginx', { nodeName: 'w1.example.com' })])
    await readyPods('app=p', 1)
    const names = [...(machines.get('w1.example.com')?.namespaces.keys() ?? [])]
    expect(names).toHaveLength(1)
    expect(names[0]).toMatch(/^cni-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/)
    cluster.store.delete('Pod', 'default', 'p')
    await run(2)
    expect(cluster.store.get('Pod', 'default', 'p')).toBeNull()
    expect([...(netns?.devices.keys() ?? [])]).toEqual([...before, 'cni0'])
    expect(machines.get('w1.example.com')?.namespaces.size).toBe(0)
    expect(cluster.nodes.get('w1.example.com')?.runtime.sandboxes.size).toBe(2)
    expect(world.frames.inUse).toBe(0)
  })

  it('streams logs, exec and their errors', async () => {
    const { cluster, readyPods, exec } = await lab()
    cluster.apply([pod('p', 'nginx'), pod('q', 'no/such')])
    await readyPods('app=p', 1)
    expect(cluster.logs('default', 'p')).toBe('started\n')
    expect(cluster.logs('default', 'p', 'web', { timestamps: true })).toMatch(
      /^2026-01-01T00:00:\d\d\.\d{9}Z started\n$/,
    )
    await expect(exec('p', 'nosuch')).rejects.toThrow('exec: "nosuch": executable file not found in $PATH: unknown')
    await expect(exec('none', 'x')).rejects.toThrow('pods "none" not found')
    await expect(exec('q', 'env')).rejects.toThrow('container not found ("web")')
    expect(() => cluster.logs('default', 'p', 'other')).toThrow('container other is not valid for pod p')
    expect(() => cluster.logs('default', 'q')).toThrow('container "web" in pod "q" is waiting to start')
  })
})

describe('a node whose kubelet falls silent', () => {
  it('is tainted, leaves the Services, and loses its pods after five minutes', async () => {
    const { cluster, readyPods, run, pods } = await lab()
    cluster.apply([deployment('web', 'nginx', 2), service('web', 80)])
    await readyPods('app=web', 2)
    cluster.silence('w2.example.com', 'kubelet', true)
    await run(42)
    const node = cluster.store.get('Node', null, 'w2.example.com')
    expect(node?.spec).toMatchObject({ taints: [{ key: 'node.kubernetes.io/unreachable', effect: 'NoSchedule' }, {}] })
    expect(cluster.store.get('Endpoints', 'default', 'web')?.subsets).toMatchObject([
      { addresses: [{ nodeName: 'w1.example.com' }], notReadyAddresses: [{ nodeName: 'w2.example.com' }] },
    ])
    await run(310)
    const states = pods('app=web').map((p) => [p.spec.nodeName, p.metadata.deletionTimestamp !== undefined])
    expect(states.filter(([, leaving]) => !leaving)).toEqual([
      ['w1.example.com', false],
      ['w1.example.com', false],
    ])
    cluster.silence('w2.example.com', 'kubelet', false)
    await run(3)
    expect(pods('app=web')).toHaveLength(2)
    expect(cluster.store.get('Node', null, 'w2.example.com')?.spec).not.toHaveProperty('taints')
  })
})

describe('a run', () => {
  it('is the same for the same seed', async () => {
    const play = async (seed: number) => {
      const { cluster, readyPods } = await lab({}, seed)
      cluster.apply([deployment('web', 'nginx', 3), service('web', 80)])
      await readyPods('app=web', 3)
      return JSON.stringify(cluster.store.list('Pod'))
    }
    expect(await play(7)).toBe(await play(7))
    expect(await play(7)).not.toBe(await play(8))
  })
})
