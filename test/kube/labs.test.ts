/** The rows of the course's labs that a cluster must play, seen in its objects and on its network. */
import { describe, expect, it } from 'vitest'
import type { EndpointSlice, Endpoints, KubeEvent, Node, Pod, Service } from '../../src/kube/objects.ts'
import { formatMac } from '../../src/wire/address.ts'
import { deployment, lab, pod, service } from './fixture.ts'

function addresses(endpoints: Endpoints | null): string[] {
  return (endpoints?.subsets ?? []).flatMap((subset) =>
    (subset.addresses ?? []).map((address) => `${address.ip}:${subset.ports?.[0].port}`),
  )
}

describe('pods', () => {
  it('get an address of their node and a container id (A1)', async () => {
    const { cluster, readyPods, run, world } = await lab()
    cluster.apply([pod('hello', 'nginx')])
    const [hello] = await readyPods('app=hello', 1)
    expect(hello.spec.nodeName).toBe('w1.example.com')
    expect(hello.status.podIP).toBe('10.244.1.2')
    expect(hello.status.hostIP).toBe('192.168.14.51')
    expect(hello.status.containerStatuses?.[0].containerID).toMatch(/^containerd:\/\/[0-9a-f]{64}$/)
    const events = cluster.store.list<KubeEvent>('Event', 'default', (event) => event.involvedObject.name === 'hello')
    expect(events.map((event) => event.reason)).toEqual(['Scheduled', 'Pulling', 'Pulled', 'Created', 'Started'])
    expect(events[0].message).toBe('Successfully assigned default/hello to w1.example.com')
    await run(1)
    expect(world.frames.inUse).toBe(0)
  })

  it('keep address, MAC and namespace when a container is deleted from the runtime (A2)', async () => {
    const { cluster, readyPods, run, on } = await lab()
    cluster.apply([pod('hello', 'nginx')])
    const [before] = await readyPods('app=hello', 1)
    const sandbox = cluster.sandbox('default', 'hello')
    const mac = formatMac(sandbox?.network?.mac ?? new Uint8Array(6))
    const { output: id } = await on('w1.example.com', 'crictl', 'ps', '-q', '--name', 'web')
    const { code } = await on('w1.example.com', 'crictl', 'rm', '-f', id.trim())
    expect(code).toBe(0)
    await run(4)
    const after = cluster.store.get<Pod>('Pod', 'default', 'hello')
    expect(cluster.sandbox('default', 'hello')?.netns).toBe(sandbox?.netns)
    expect(formatMac(cluster.sandbox('default', 'hello')?.network?.mac ?? new Uint8Array(6))).toBe(mac)
    expect(after?.status.podIP).toBe(before.status.podIP)
    expect(after?.status.containerStatuses?.[0].restartCount).toBe(1)
    expect(after?.status.containerStatuses?.[0].ready).toBe(true)
    expect(after?.status.containerStatuses?.[0].containerID).not.toBe(before.status.containerStatuses?.[0].containerID)
  })

  it('share one namespace between their containers (A3, A4)', async () => {
    const { cluster, readyPods, exec, runner } = await lab()
    const both = {
      containers: [
        { name: 'first', image: 'nginx' },
        { name: 'second', image: 'busybox', command: ['sleep'] },
      ],
    }
    cluster.apply([pod('test', 'nginx', both)])
    const [made] = await readyPods('app=test', 1)
    expect(made.status.containerStatuses?.map((status) => status.ready)).toEqual([true, true])
    for (const target of ['127.0.0.1:80', `${made.status.podIP}:80`]) {
      let output = ''
      const { exit } = cluster.exec('default', 'test', 'second', ['get', target], {
        out: (t) => (output += t),
        err: () => {},
      })
      expect(await runner.until(exit)).toBe(0)
      expect(output).toBe('I am test\n')
    }
    expect((await exec('test', 'cat', '/etc/resolv.conf')).output).toBe(
      'search default.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n',
    )
    const { output } = await exec('test', 'cat', '/etc/hosts')
    expect(output).toContain('# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n')
    expect(output).toContain(`${made.status.podIP}\ttest\n`)
  })

  it('reach pods of other nodes, and nodes reach pods (B2, B4)', async () => {
    const { cluster, readyPods, run, exec, on, world, machines } = await lab()
    cluster.apply([deployment('one', 'nginx'), deployment('two', 'nginx')])
    const [one] = await readyPods('app=one', 1)
    const [two] = await readyPods('app=two', 1)
    expect([one.spec.nodeName, two.spec.nodeName]).toEqual(['w1.example.com', 'w2.example.com'])
    expect(await exec(one.metadata.name, 'get', `${two.status.podIP}:80`)).toEqual({
      code: 0,
      output: `I am ${two.metadata.name}\n`,
    })
    expect((await on('m.example.com', 'get', `${two.status.podIP}:80`)).output).toBe(`I am ${two.metadata.name}\n`)
    expect(machines.get('w1.example.com')?.netns.devices.get('flannel.1')?.txPackets).toBeGreaterThan(4)
    await run(1)
    expect(world.frames.inUse).toBe(0)
  })

  it('come back with another address when they are deleted (B3)', async () => {
    const { cluster, readyPods } = await lab()
    cluster.apply([deployment('sleep-2', 'kiamol/ch03-sleep')])
    const [before] = await readyPods('app=sleep-2', 1)
    cluster.store.delete('Pod', 'default', before.metadata.name)
    expect(cluster.store.get('Pod', 'default', before.metadata.name)?.metadata.deletionTimestamp).toBeDefined()
    await cluster.until(() => cluster.store.get('Pod', 'default', before.metadata.name) === null, 10e9)
    const [after] = await readyPods('app=sleep-2', 1)
    expect(after.metadata.name).not.toBe(before.metadata.name)
    expect(after.status.podIP).not.toBe(before.status.podIP)
  })

  it('wait with a reason when no node can take them (A8)', async () => {
    const { cluster, run, pods } = await lab()
    cluster.apply([pod('lost', 'nginx', { nodeSelector: { disk: 'ssd' } })])
    await run(5)
    const [lost] = pods('app=lost')
    expect(lost.status.phase).toBe('Pending')
    expect(lost.status.podIP).toBeUndefined()
    const events = cluster.store.list<KubeEvent>('Event', 'default', (event) => event.involvedObject.name === 'lost')
    expect(events.map((event) => [event.reason, event.message])).toEqual([
      [
        'FailedScheduling',
        "0/3 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 2 node(s) didn't match Pod's node affinity/selector. preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
      ],
    ])
    cluster.store.patch('Node', null, 'w2.example.com', 'merge', { metadata: { labels: { disk: 'ssd' } } })
    await run(5)
    expect(pods('app=lost')[0].spec.nodeName).toBe('w2.example.com')
  })

  it('wait for room on nodes that are full (--max-pods)', async () => {
    const { cluster, run, pods } = await lab()
    for (const name of ['w1.example.com', 'w2.example.com']) {
      const { status } = cluster.store.get<Node>('Node', null, name) as Node
      const held = cluster.store.tables.bound.heldOn(name)
      const allocatable = { ...status.allocatable, pods: String(held + 1) }
      cluster.store.updateStatus('Node', null, name, { ...status, allocatable })
    }
    cluster.apply(['a', 'b', 'c'].map((name) => pod(name, 'nginx')))
    await run(5)
    expect(['a', 'b', 'c'].map((name) => pods(`app=${name}`)[0].spec.nodeName)).toEqual([
      'w1.example.com',
      'w2.example.com',
      undefined,
    ])
    const said = () => cluster.store.list<KubeEvent>('Event', 'default', (e) => e.involvedObject.name === 'c')
    // As clusters of 1.26 and later say it.
    expect(said().map((event) => event.message)).toEqual([
      '0/3 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 2 Too many pods. preemption: 0/3 nodes are available: 1 Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod.',
    ])
    cluster.store.delete('Pod', 'default', 'b', { gracePeriodSeconds: 0 })
    await run(5)
    expect(pods('app=c')[0].spec.nodeName).toBe('w2.example.com')
  })

  it('say how to declare an image that nobody knows', async () => {
    const { cluster, run, pods } = await lab()
    cluster.apply([pod('what', 'no/such:1')])
    await run(8)
    const [what] = pods('app=what')
    expect(what.status.phase).toBe('Pending')
    expect(what.status.containerStatuses?.[0].state.waiting).toEqual({
      reason: 'ImagePullBackOff',
      message:
        'Back-off pulling image "no/such:1": podwire: no image "no/such:1" is known; declare it under "images" in the topology file, or add it to the catalogue',
    })
  })

  it('crash and wait longer each time', async () => {
    const { cluster, run, pods } = await lab()
    cluster.apply([
      pod('crash', 'busybox', { containers: [{ name: 'web', image: 'busybox', command: ['exit', '3'] }] }),
    ])
    await run(8)
    const status = () => pods('app=crash')[0].status.containerStatuses?.[0]
    expect(status()?.restartCount).toBe(1)
    expect(status()?.state.waiting?.reason).toBe('CrashLoopBackOff')
    expect(status()?.lastState.terminated).toMatchObject({ exitCode: 3, reason: 'Error' })
    await run(10)
    expect(status()?.restartCount).toBe(2)
    await run(15)
    expect(status()?.restartCount).toBe(2)
    await run(10)
    expect(status()?.restartCount).toBe(3)
  })
})

describe('deployments', () => {
  it('lose a relabelled pod, replace it, and delete the younger one when it returns (A6)', async () => {
    const { cluster, readyPods, run, pods } = await lab()
    const { store } = cluster
    cluster.apply([deployment('numbers', 'nginx'), service('numbers', 80)])
    const [first] = await readyPods('app=numbers', 1)
    expect(first.metadata.name).toMatch(/^numbers-[bcdf4-9]{8,10}-[bcdfghjklmnpqrstvwxz2456789]{5}$/)
    expect(first.metadata.labels?.['pod-template-hash']).toBe(first.metadata.name.split('-')[1])
    store.patch('Pod', 'default', first.metadata.name, 'merge', { metadata: { labels: { app: 'other' } } })
    const [second] = await readyPods('app=numbers', 1)
    await run(1)
    expect(second.status.podIP).not.toBe(first.status.podIP)
    expect(pods('app=other')[0].metadata.ownerReferences).toBeUndefined()
    expect(addresses(store.get('Endpoints', 'default', 'numbers'))).toEqual([`${second.status.podIP}:80`])
    store.patch('Pod', 'default', first.metadata.name, 'merge', { metadata: { labels: { app: 'numbers' } } })
    await run(3)
    expect(pods('app=numbers').map((p) => p.metadata.name)).toEqual([first.metadata.name])
    expect(addresses(store.get('Endpoints', 'default', 'numbers'))).toEqual([`${first.status.podIP}:80`])
  })

  it('spread over the workers, scale, and roll to a new template', async () => {
    const { cluster, readyPods, run, pods } = await lab()
    cluster.apply([deployment('web', 'nginx', 4)])
    const four = await readyPods('app=web', 4)
    expect(four.map((p) => p.spec.nodeName).sort()).toEqual(
      ['w1', 'w1', 'w2', 'w2'].map((name) => `${name}.example.com`),
    )
    cluster.store.patch('Deployment', 'default', 'web', 'merge', { spec: { replicas: 2 } })
    await readyPods('app=web', 2)
    const change = { spec: { template: { spec: { containers: [{ name: 'web', image: 'nginx:2' }] } } } }
    cluster.store.patch('Deployment', 'default', 'web', 'strategic', change)
    await run(10)
    const after = pods('app=web')
    expect(after.map((p) => p.spec.containers[0].image)).toEqual(['nginx:2', 'nginx:2'])
    expect(cluster.store.get('Deployment', 'default', 'web')?.status).toMatchObject({
      observedGeneration: 3,
      replicas: 2,
      updatedReplicas: 2,
      readyReplicas: 2,
      availableReplicas: 2,
    })
    expect(cluster.store.list('ReplicaSet', 'default').length).toBe(2)
    cluster.store.delete('Deployment', 'default', 'web')
    await run(3)
    expect(cluster.store.list('ReplicaSet', 'default')).toEqual([])
    expect(pods()).toEqual([])
  })
})

describe('namespaces', () => {
  it('keep names apart and take their contents along (A7)', async () => {
    const { cluster, run } = await lab()
    const { store } = cluster
    store.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'myns' } })
    const mine = { ...pod('myapache', 'nginx'), metadata: { name: 'myapache', namespace: 'myns' } }
    store.create(pod('myapache', 'nginx'))
    store.create(mine)
    expect(() => store.create(mine)).toThrow('pods "myapache" already exists')
    await run(4)
    store.delete('Namespace', null, 'myns')
    expect(store.get('Namespace', null, 'myns')?.status).toEqual({ phase: 'Terminating' })
    expect(() => store.create({ ...mine, metadata: { name: 'late', namespace: 'myns' } })).toThrow(
      'pods "late" is forbidden: unable to create new content in namespace myns because it is being terminated',
    )
    await run(3)
    expect(store.get('Namespace', null, 'myns')).toBeNull()
    expect(store.get('Pod', 'default', 'myapache')).not.toBeNull()
    expect(() => store.create(mine)).toThrow('namespaces "myns" not found')
  })
})

describe('services', () => {
  it('have an address that stays while pods come and go (C1, C5, C7, C15)', async () => {
    const { cluster, readyPods, run, exec, on, world } = await lab()
    const { store } = cluster
    cluster.apply([deployment('api', 'nginx'), service('api', 80), deployment('client', 'kiamol/ch03-sleep')])
    const [client] = await readyPods('app=client', 1)
    const [before] = await readyPods('app=api', 1)
    await run(2)
    const ip = store.get<Service>('Service', 'default', 'api')?.spec.clusterIP
    expect(ip).toMatch(/^10\.(9[6-9]|10[0-9]|11[01])\./)
    expect((await exec(client.metadata.name, 'get', `${ip}:80`)).output).toBe(`I am ${before.metadata.name}\n`)
    expect((await on('m.example.com', 'get', `${ip}:80`)).output).toBe(`I am ${before.metadata.name}\n`)
    expect((await exec(client.metadata.name, 'env')).output).toContain(`API_SERVICE_HOST=${ip}\n`)
    store.delete('Pod', 'default', before.metadata.name)
    await cluster.until(() => store.get('Pod', 'default', before.metadata.name) === null, 10e9)
    const [after] = await readyPods('app=api', 1)
    await run(2)
    expect(addresses(store.get('Endpoints', 'default', 'api'))).toEqual([`${after.status.podIP}:80`])
    expect(store.get<Service>('Service', 'default', 'api')?.spec.clusterIP).toBe(ip)
    expect((await exec(client.metadata.name, 'get', `${ip}:80`)).output).toBe(`I am ${after.metadata.name}\n`)
    store.patch('Deployment', 'default', 'api', 'merge', { spec: { replicas: 3 } })
    await readyPods('app=api', 3)
    await run(2)
    const answers = new Set<string>()
    for (let i = 0; i < 20; i++) answers.add((await exec(client.metadata.name, 'get', `${ip}:80`)).output)
    expect(answers.size).toBe(3)
    await run(1)
    expect(world.frames.inUse).toBe(0)
  })

  it('refuse while they have no endpoints, and open node ports on every node (C8)', async () => {
    const { cluster, readyPods, run, on } = await lab()
    const { store } = cluster
    cluster.apply([
      service('web', 8001, { type: 'NodePort', ports: [{ port: 8001, targetPort: 80, nodePort: 30080 }] }),
    ])
    await run(2)
    const ip = store.get<Service>('Service', 'default', 'web')?.spec.clusterIP
    expect(await on('m.example.com', 'get', `${ip}:8001`)).toEqual({ code: 7, output: 'Connection refused\n' })
    cluster.apply([deployment('web', 'nginx')])
    const [web] = await readyPods('app=web', 1)
    await run(2)
    for (const node of ['192.168.14.50', '192.168.14.51', '192.168.14.52']) {
      expect((await on('w2.example.com', 'get', `${node}:30080`)).output, node).toBe(`I am ${web.metadata.name}\n`)
    }
    store.patch('Service', 'default', 'web', 'strategic', { spec: { type: 'ClusterIP' } })
    expect(store.get<Service>('Service', 'default', 'web')?.spec.ports).toEqual([
      { port: 8001, protocol: 'TCP', targetPort: 80 },
    ])
    expect(store.get<Service>('Service', 'default', 'web')?.spec.clusterIP).toBe(ip)
    await run(2)
    const { output } = await on('w2.example.com', 'get', '192.168.14.50:30080')
    expect(output).toBe('Connection refused\n')
  })

  it('may be headless, names for elsewhere, or hand-written (C10, C11, C12)', async () => {
    const { cluster, readyPods, run } = await lab()
    const { store } = cluster
    cluster.apply([
      deployment('web', 'nginx', 2),
      service('headless', 80, { clusterIP: 'None', selector: { app: 'web' } }),
      service('outside', 80, { type: 'ExternalName', externalName: 'raw.githubusercontent.com', selector: undefined }),
      service('written', 80, { selector: undefined }),
      {
        apiVersion: 'v1',
        kind: 'Endpoints',
        metadata: { name: 'written', namespace: 'default' },
        subsets: [{ addresses: [{ ip: '192.168.123.234' }], ports: [{ port: 80 }] }],
      },
    ])
    const pods = await readyPods('app=web', 2)
    await run(2)
    expect(addresses(store.get('Endpoints', 'default', 'headless'))).toEqual(
      pods.map((p) => `${p.status.podIP}:80`).sort(),
    )
    expect(store.get<Service>('Service', 'default', 'outside')?.spec.clusterIP).toBeUndefined()
    const mirror = store.list<EndpointSlice>(
      'EndpointSlice',
      'default',
      (s) => s.metadata.labels?.['kubernetes.io/service-name'] === 'written',
    )
    expect(mirror.map((slice) => slice.endpoints[0].addresses)).toEqual([['192.168.123.234']])
    const { services } = cluster.nodes.get('w1.example.com')?.proxy ?? { services: [] }
    expect(
      services.filter((s) => s.namespace === 'default').map((s) => [s.name, s.endpoints.map((e) => e.address)]),
    ).toEqual([
      ['kubernetes', ['192.168.14.50']],
      ['written', ['192.168.123.234']],
    ])
  })
})
